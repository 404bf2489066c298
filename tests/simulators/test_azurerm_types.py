"""Every type of the schema, made with what it demands and no more."""

import re
from typing import Any

from tests.simulators.azurerm import arguments, checks, ids, operations, planning, references, schema, wire
from tests.simulators.azurerm.cloud import Cloud
from tests.simulators.azurerm.rules.attempt import Session
from tests.simulators.azurerm.schema import Attribute, Block

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/account"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vault"
TEXTS = ("thing1", SUBSCRIPTION, "1Gi", "thing.example")
NAMES = {"resource_group_name": "rg", "location": "uksouth", "scope": GROUP, "target_resource_id": ACCOUNT}

# What a rule demands beside what the schema does.
DEMANDED: dict[str, dict[str, Any]] = {
    "azurerm_container_app_job": {"manual_trigger_config": [{}]},
    "azurerm_monitor_diagnostic_setting": {
        "enabled_metric": [{"category": "AllMetrics"}],
        "storage_account_id": ACCOUNT,
    },
    "azurerm_postgresql_flexible_server": {"administrator_login": "admin"},
    "azurerm_private_endpoint": {
        "private_service_connection": [
            {"name": "c", "is_manual_connection": False, "private_connection_resource_id": VAULT}
        ]
    },
    "azurerm_role_assignment": {"role_definition_name": "Reader"},
    "azurerm_subnet": {"address_prefixes": ["10.0.0.0/24"]},
    "azurerm_virtual_network": {"address_space": ["10.0.0.0/16"]},
}


def sample(type_name: str, path: str, attribute: Attribute) -> Any:
    """A value that the provider takes."""
    known = arguments.of(type_name)
    if path in known.values:
        return known.values[path][0]
    if path in known.ranges:
        return known.ranges[path][0]
    return of_type(attribute.type, lambda: text(type_name, path, attribute.name))


def of_type(type_: Any, text_of: Any) -> Any:
    if isinstance(type_, str):
        return {"string": text_of, "number": lambda: 0.5, "bool": lambda: True}[type_]()
    kind, of = type_
    if kind == "object":
        return {name: of_type(inner, text_of) for name, inner in of.items()}
    return {"key": of_type(of, text_of)} if kind == "map" else [of_type(of, text_of)]


def text(type_name: str, path: str, name: str) -> str:
    known = arguments.of(type_name).patterns
    if path in known:
        return next(each for each in TEXTS if re.search(known[path][0], each))
    wanted = references.REFERENCES.get(f"{type_name}.{path}") or references.REFERENCES.get(name)
    if wanted:
        naming = ids.NAMINGS[wanted]
        return naming.id(SUBSCRIPTION, {each: text(wanted, each, each) for each in naming.arguments})
    return NAMES.get(name) or (ACCOUNT if name.endswith(("_id", "_ids")) else "thing1")


def demanded(type_name: str, block: Block, path: str = "") -> dict[str, Any]:
    values = {
        name: sample(type_name, path + name, attribute)
        for name, attribute in block.attributes.items()
        if attribute.required
    }
    for name, nested in block.blocks.items():
        if nested.min_items:
            values[name] = [demanded(type_name, nested.block, f"{path}{name}.")]
    return values


def proposed(block: Block, config: dict[str, Any], prior: dict[str, Any]) -> dict[str, Any]:
    """Terraform's merge: what is not configured and computed is what it was."""
    merged: dict[str, Any] = {}
    for name, attribute in block.attributes.items():
        kept = config.get(name) is None and attribute.computed
        merged[name] = prior.get(name) if kept else config.get(name)
    for name, nested in block.blocks.items():
        items = config.get(name)
        merged[name] = (
            [proposed(nested.block, item, prior[name][index]) for index, item in enumerate(items)]
            if isinstance(items, list)
            else items
        )
    return merged


def test_every_type_is_made_read_planned_again_without_a_change_and_imported():
    for name, type_ in schema.load().resources.items():
        cloud = Cloud(SUBSCRIPTION, SUBSCRIPTION)
        cloud.behaviours.update(existence=False, vault_access=False)
        session = Session(cloud, "somebody")
        config = schema.conform(type_.block, {**demanded(name, type_.block), **DEMANDED.get(name, {})})
        assert checks.of_resource(type_, config) == [], name
        made = operations.create(session, type_, planning.plan(type_, None, config).planned)
        state = operations.read(session, type_, made)
        assert state is not None and wire.settled(state) == state, name
        again = planning.plan(type_, state, proposed(type_.block, config, state))
        assert (again.planned, again.replaces) == (state, ()), name
        imported = operations.read(session, type_, operations.imported(session, type_, made["id"]))
        assert {**(imported or {}), "timeouts": None} == {**state, "timeouts": None}, name
        operations.delete(session, type_, made)
        assert operations.read(session, type_, made) is None, name


def test_nothing_is_said_of_what_is_not_known_yet():
    for name, type_ in schema.load().resources.items():
        config = schema.conform(type_.block, {**demanded(name, type_.block), **DEMANDED.get(name, {})})
        for argument in config:
            unknown = {**config, argument: wire.UNKNOWN}
            assert checks.of_resource(type_, unknown) == [], (name, argument)
            planned = planning.plan(type_, None, unknown).planned
            assert planned[argument] in (wire.UNKNOWN, None), (name, argument)
            planning.plan(type_, config, unknown)
