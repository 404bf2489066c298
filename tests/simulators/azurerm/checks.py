"""What the provider itself refuses before it asks Azure: values, names, ids, and arguments that demand or exclude each other.

Nothing is said of what is not known yet. The sentences are those of the provider's SDK.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.simulators.azurerm import arguments, ids
from tests.simulators.azurerm.planning import Path
from tests.simulators.azurerm.references import REFERENCES
from tests.simulators.azurerm.schema import Block, Type
from tests.simulators.azurerm.wire import UNKNOWN

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an argument."""

    path: Path
    summary: str
    detail: str = ""


def of_resource(type_: Type, config: Config) -> list[Fault]:
    """What is wrong with a configuration."""
    faults = list(_of_values(type_, arguments.of(type_.name), type_.block, config, (), ""))
    for rule in RULES.get(type_.name, ()):
        faults += rule(config)
    return faults


_REGISTRATIONS = ("core", "extended", "all", "none", "legacy")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def of_provider(config: Config) -> list[Fault]:
    """What is wrong with a provider block."""
    faults = []
    for name in ("subscription_id", "tenant_id"):
        value = config.get(name)
        if isinstance(value, str) and value and not _GUID.fullmatch(value):
            faults.append(Fault((name,), f'expected "{name}" to be a valid UUID, got {value}'))
    name = "resource_provider_registrations"
    if isinstance(config.get(name), str) and config[name] not in _REGISTRATIONS:
        allowed = " ".join(f'"{each}"' for each in _REGISTRATIONS)
        faults.append(Fault((name,), f"expected {name} to be one of [{allowed}], got {config[name]}"))
    return faults


def of_creation(type_: Type, config: Config) -> list[Fault]:
    """What is wrong with a configuration when there is nothing yet (CustomizeDiff in the provider)."""
    if type_.name == "azurerm_managed_redis" and config.get("default_database") == []:
        text = "`default_database` must be provided when creating a new resource"
        return [Fault(("default_database",), text)]
    return []


def _of_values(
    type_: Type,
    known: arguments.Arguments,
    block: Block,
    config: Any,
    steps: Path,
    path: str,
    at: Path | None = None,
) -> Iterator[Fault]:
    """`at` is what a fault is reported at instead of the argument: an element of a set has no index that a path could name."""
    if not isinstance(config, dict):
        return
    for name in block.attributes:
        value = config.get(name)
        if value is None or value is UNKNOWN:
            continue
        said = _of_value(type_, known, path + name, name, value, _dotted((*steps, name)))
        if said:
            yield Fault(at or (*steps, name), said)
    for name, nested in block.blocks.items():
        items = config.get(name)
        if isinstance(items, list):
            for index, item in enumerate(items):
                set_at = at or ((*steps, name) if nested.nesting == "set" else None)
                inner = (*steps, name, index)
                yield from _of_values(type_, known, nested.block, item, inner, f"{path}{name}.", set_at)


def _dotted(steps: Path) -> str:
    return ".".join(map(str, steps))


def _of_value(type_: Type, known: arguments.Arguments, path: str, name: str, value: Any, dotted: str) -> str:
    if path in known.values and value not in known.values[path]:
        if value == "" and known.defaults.get(path) == "":
            return ""
        allowed = " ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in known.values[path])
        return f"expected {dotted} to be one of [{allowed}], got {value}"
    if path in known.ranges and not isinstance(value, str):
        least, most = known.ranges[path]
        if not least <= value <= most:
            return f"expected {dotted} to be in the range ({least} - {most}), got {value}"
    if path in known.patterns and isinstance(value, str):
        pattern, sentence = known.patterns[path]
        if not re.search(pattern, value):
            return sentence.replace("{argument}", dotted).replace("{value}", value)
    return _of_reference(REFERENCES.get(f"{type_.name}.{path}") or REFERENCES.get(name), value)


def _of_reference(wanted: str | None, value: Any) -> str:
    if wanted is None:
        return ""
    naming = ids.NAMINGS[wanted]
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and not naming.exact.fullmatch(each):
            example = re.sub(r"\{(\w+)\}", r"\1Value", naming.template).replace("subscriptionValue", _EXAMPLE)
            return (
                f'parsing "{each}": the segments didn\'t match\n\nExpected a {naming.noun} ID that matched:\n\n> {example}\n\n'
                f"However this value was provided:\n\n> {each}"
            )
    return ""


_EXAMPLE = "12345678-1234-9876-4563-123456789012"


def _set(config: Config, name: str) -> bool:
    """Whether something was said of an argument: what is not known yet counts."""
    return _value(config, name) is not None


def _surely_set(config: Config, name: str) -> bool:
    """The same, but what is not known yet may turn out to be nothing."""
    return _value(config, name) not in (None, UNKNOWN)


def _value(config: Config, name: str, default: Any = None) -> Any:
    """An argument's value: the default where nothing is said, `UNKNOWN` where it is not known yet."""
    value: Any = config
    for step in name.split("."):
        if isinstance(value, list):
            value = value[0] if value else None
        value = value.get(step) if isinstance(value, dict) else value
        if value is UNKNOWN:
            return UNKNOWN
    return default if value is None or value == [] else value


def _top(name: str) -> Path:
    return (name.split(".")[0],)


Rule = Callable[[Config], list[Fault]]


def requires(name: str, *others: str) -> Rule:
    """An argument that demands others (RequiredWith)."""
    told = ",".join(sorted({name, *others}))

    def rule(config: Config) -> list[Fault]:
        if not _surely_set(config, name) or all(_set(config, other) for other in others):
            return []
        return [Fault(_top(name), "Missing required argument", f'"{name}": all of `{told}` must be specified')]

    return rule


def conflicts(name: str, *others: str) -> Rule:
    """An argument that excludes others (ConflictsWith)."""

    def rule(config: Config) -> list[Fault]:
        return [
            Fault(_top(name), "Conflicting configuration arguments", f'"{name}": conflicts with {other}')
            for other in others
            if _surely_set(config, name) and _surely_set(config, other)
        ]

    return rule


def exactly_one(*names: str) -> Rule:
    """Arguments of which one has to be said (ExactlyOneOf)."""
    told = ",".join(names)

    def rule(config: Config) -> list[Fault]:
        said = [name for name in names if _surely_set(config, name)]
        if len(said) == 1 or (not said and any(_set(config, name) for name in names)):
            return []
        text = (
            f"only one of `{told}` can be specified, but `{','.join(said)}` were specified."
            if said
            else f"one of `{told}` must be specified"
        )
        return [Fault(_top(names[0]), "Invalid combination of arguments", f'"{names[0]}": {text}')]

    return rule


def at_least_one(*names: str) -> Rule:
    """Arguments of which at least one has to be said (AtLeastOneOf)."""

    def rule(config: Config) -> list[Fault]:
        if any(_set(config, name) for name in names):
            return []
        text = f'"{names[0]}": one of `{",".join(names)}` must be specified'
        return [Fault(_top(names[0]), "Missing required argument", text)]

    return rule


def where(name: str, value: Any, sentence: str, *missing: str, default: Any = None) -> Rule:
    """Where an argument has this value (or, given nothing else, is said at all), these are demanded."""

    def rule(config: Config) -> list[Fault]:
        told = _value(config, name, default)
        if told is UNKNOWN or told != value or all(_set(config, other) for other in missing):
            return []
        return [Fault(_top(name), sentence)]

    return rule


def _logs(config: Config) -> list[Fault]:
    destination = _value(config, "logs_destination", "")
    if destination in (UNKNOWN, "log-analytics") or not _surely_set(config, "log_analytics_workspace_id"):
        return []
    return [
        Fault(
            ("log_analytics_workspace_id",),
            "`log_analytics_workspace_id` can only be set when `logs_destination` is set to `log-analytics` or omitted",
        )
    ]


def _traffic(config: Config) -> list[Fault]:
    ingress = config.get("ingress")
    weights = ingress[0].get("traffic_weight") if isinstance(ingress, list) and ingress else None
    if not isinstance(weights, list):
        return []
    faults = []
    for number, weight in enumerate(weights):
        named = weight.get("latest_revision") or weight.get("revision_suffix")
        if not named:
            weight_at = f"ingress.0.traffic_weight.{number}"
            text = f"either {weight_at}.revision_suffix or {weight_at}.latest_revision"
            faults.append(Fault(("ingress",), f"`{text}` should be specified"))
    return faults


def _identity_ids(config: Config) -> list[Fault]:
    kind, named = _value(config, "identity.type", ""), _set(config, "identity.identity_ids")
    if kind is UNKNOWN or not isinstance(kind, str) or not kind:
        return []
    if "UserAssigned" in kind and not named:
        return [Fault(("identity",), "`identity_ids` must be specified when `type` includes `UserAssigned`")]
    if "UserAssigned" not in kind and _surely_set(config, "identity.identity_ids"):
        text = "`identity_ids` can only be specified when `type` is set to `UserAssigned` or `SystemAssigned, UserAssigned`"
        return [Fault(("identity",), text)]
    return []


def _redis_search(config: Config) -> list[Fault]:
    databases = config.get("default_database")
    database = databases[0] if isinstance(databases, list) and databases else {}
    modules = database.get("module") or []
    if not isinstance(modules, list) or "RediSearch" not in [module.get("name") for module in modules]:
        return []
    wanted = {
        "eviction_policy": ("VolatileLRU", "NoEviction"),
        "clustering_policy": ("OSSCluster", "EnterpriseCluster"),
    }
    faults = []
    for name, (default, needed) in wanted.items():
        told = _value(database, name, default)
        if told is not UNKNOWN and told != needed:
            text = f'invalid {name} "{told}", when using RediSearch module, {name} must be set to {needed}'
            faults.append(Fault(("default_database",), text))
    return faults


def _request_message(config: Config) -> list[Fault]:
    faults = []
    connections = config.get("private_service_connection")
    for connection in connections if isinstance(connections, list) else []:
        manual, message = connection.get("is_manual_connection"), connection.get("request_message")
        if UNKNOWN in (manual, message) or bool(manual) == bool(message):
            continue
        must = "must not be empty" if manual else 'cannot be set if the "is_manual_connection" attribute is "false"'
        text = f'"private_service_connection":"{connection.get("name")}" is invalid, the "request_message" attribute {must}'
        faults.append(Fault(("private_service_connection",), text))
    return faults


_AOF = "default_database.persistence_append_only_file_backup_frequency"
_RDB = "default_database.persistence_redis_database_backup_frequency"
_PROFILE = "workload_profile"
_TRIGGERS = ("manual_trigger_config", "event_trigger_config", "schedule_trigger_config")
_SINKS = ("log_analytics_workspace_id", "storage_account_id", "eventhub_authorization_rule_id", "partner_solution_id")
_PASSWORD = "authentication.password_auth_enabled"

RULES: dict[str, tuple[Rule, ...]] = {
    "azurerm_cognitive_account": (
        requires("network_acls", "custom_subdomain_name"),
        _identity_ids,
    ),
    "azurerm_container_app": (_traffic, _identity_ids),
    "azurerm_container_app_environment": (
        requires("infrastructure_resource_group_name", _PROFILE),
        requires("internal_load_balancer_enabled", "infrastructure_subnet_id"),
        requires("zone_redundancy_enabled", "infrastructure_subnet_id"),
        where(
            "logs_destination",
            "log-analytics",
            "`log_analytics_workspace_id` must be set when `logs_destination` is set to `log-analytics`",
            "log_analytics_workspace_id",
        ),
        _logs,
        _identity_ids,
    ),
    "azurerm_container_app_job": (exactly_one(*_TRIGGERS), _identity_ids),
    "azurerm_eventhub_namespace": (_identity_ids,),
    "azurerm_managed_redis": (
        conflicts(_AOF, "default_database.geo_replication_group_name", _RDB),
        conflicts(_RDB, "default_database.geo_replication_group_name"),
        _redis_search,
        _identity_ids,
    ),
    "azurerm_monitor_diagnostic_setting": (
        at_least_one("enabled_log", "enabled_metric"),
        at_least_one(*_SINKS),
        requires("eventhub_name", "eventhub_authorization_rule_id"),
    ),
    "azurerm_postgresql_flexible_server": (
        conflicts("administrator_password", "administrator_password_wo"),
        requires("administrator_password_wo", "administrator_password_wo_version"),
        where(
            "authentication.active_directory_auth_enabled",
            True,
            "`tenant_id` is required when `active_directory_auth_enabled` is set to `true`",
            "authentication.tenant_id",
        ),
        where(
            _PASSWORD,
            True,
            "`administrator_login` is required when `create_mode` is `Default` and `authentication.password_auth_enabled` "
            "is set to `true`",
            "administrator_login",
            default=True,
        ),
        requires("delegated_subnet_id", "private_dns_zone_id"),
        _identity_ids,
    ),
    "azurerm_private_endpoint": (
        exactly_one(
            "private_service_connection.private_connection_resource_id",
            "private_service_connection.private_connection_resource_alias",
        ),
        _request_message,
    ),
    "azurerm_redis_cache": (_identity_ids,),
    "azurerm_role_assignment": (
        exactly_one("role_definition_id", "role_definition_name"),
        requires("condition_version", "condition"),
        requires("condition", "condition_version"),
    ),
    "azurerm_storage_account": (_identity_ids,),
    "azurerm_subnet": (exactly_one("address_prefixes", "ip_address_pool"),),
    "azurerm_virtual_network": (exactly_one("address_space", "ip_address_pool"),),
}
