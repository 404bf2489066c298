"""The values that Azure gives: principal ids, addresses, names of hosts. They look like Azure's, and stay a resource's own."""

import hashlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulators.azurerm import arguments, roles
from tests.simulators.azurerm.cloud import Cloud
from tests.simulators.azurerm.schema import Block, Type, zero
from tests.simulators.azurerm.wire import UNKNOWN, settled


@dataclass(frozen=True, slots=True)
class Subject:
    """The resource whose values are asked for, as far as it is known: what is not is null."""

    cloud: Cloud
    type: str
    id: str
    values: dict[str, Any]
    generation: int

    @property
    def name(self) -> str:
        """The resource's."""
        return str(self.values.get("name") or self.id.rsplit("/", 1)[-1])

    def guid(self, *parts: object) -> str:
        """A GUID of this very resource: one that was made anew has another."""
        return self.cloud.digest(self.id, self.generation, *parts)

    def token(self, *parts: object) -> str:
        """32 hexadecimal digits of it."""
        return self.guid(*parts).replace("-", "")

    def address(self, *parts: object) -> str:
        """A public IPv4 address of it (of the block for documentation and benchmarks, 198.18.0.0/15)."""
        number = int.from_bytes(hashlib.sha256(self.guid(*parts).encode()).digest()[:4], "big") % 2**17
        return str(ipaddress.ip_address("198.18.0.0") + number)


Giver = Callable[[Subject, dict[str, Any], str], Any]
"""Subject, the object that the attribute stands in, the attribute's name."""


def complete(cloud: Cloud, type_: Type, resource_id: str, planned: dict[str, Any], generation: int) -> dict[str, Any]:
    """The planned object with everything known."""
    subject = Subject(cloud, type_.name, resource_id, settled(planned), generation)
    values: dict[str, Any] = _complete(type_.block, planned, subject, "")
    if type_.name == "azurerm_container_app":
        cloud.add_revision(resource_id, values["latest_revision_name"])
    values["id"] = resource_id if type_.name not in _IDS else _IDS[type_.name](subject, values, "id")
    return values


def changed_with(type_name: str, prior: dict[str, Any], planned: dict[str, Any]) -> tuple[str, ...]:
    """What Azure computes anew with this change, though the plan did not say so: another template is another revision."""
    if type_name == "azurerm_container_app" and prior.get("template") != planned.get("template"):
        return ("latest_revision_name", "latest_revision_fqdn")
    return ()


def _complete(block: Block, planned: Any, subject: Subject, path: str) -> Any:
    if not isinstance(planned, dict):
        return planned
    values = {}
    for name, attribute in block.attributes.items():
        value = planned.get(name)
        if value is UNKNOWN:
            value = _given(subject, settled(planned), path + name, name)
            if value is None:
                value = arguments.of(subject.type).defaults.get(path + name)
            if value is None:
                value = zero(attribute.type)
        values[name] = value
    for name, nested in block.blocks.items():
        items = planned.get(name)
        values[name] = (
            [_complete(nested.block, item, subject, f"{path}{name}.") for item in items]
            if isinstance(items, list)
            else items
        )
    return values


def _given(subject: Subject, element: dict[str, Any], path: str, name: str) -> Any:
    of_type = _GIVERS.get(f"{subject.type.removeprefix('azurerm_')}.{path}")
    if of_type is not None:
        return of_type(subject, element, name)
    if subject.type == "azurerm_storage_account":
        host = _of_storage(subject, name)
        if host is not None:
            return host
    if path.startswith("identity."):
        return _of_identity(subject, element, name)
    general = _GENERAL.get(name)
    return general(subject, element, name) if general is not None else _of_part(subject, element, path, name)


def _of_part(subject: Subject, element: dict[str, Any], path: str, name: str) -> str | None:
    """The id of a part of a resource, which has a name, or of the other part that it names: of a gateway's, for example."""
    block, _, _ = path.rpartition(".")
    if block and name == "id" and element.get("name"):
        return f"{subject.id}/{block.replace('.', '/')}/{element['name']}"
    part = name.removesuffix("_id")
    if block and part != name and element.get(f"{part}_name"):
        return f"{subject.id}/{part}/{element[f'{part}_name']}"
    return None


def _of_identity(subject: Subject, element: dict[str, Any], name: str) -> str:
    if "SystemAssigned" not in str(element.get("type")):
        return ""
    return subject.cloud.tenant if name == "tenant_id" else subject.guid("identity")


def _key(subject: Subject, _: dict[str, Any], name: str) -> str:
    return subject.token(name) + subject.token(name, 2)[:12]


def _private_address(subject: Subject, element: dict[str, Any], _: str) -> str:
    fixed = [item.get("private_ip_address") for item in subject.values.get("ip_configuration") or []]
    return fixed[0] if fixed else subject.cloud.address_in(subject.values["subnet_id"], subject.id)


def _environment_of(subject: Subject) -> dict[str, Any]:
    environment = subject.cloud.at(str(subject.values.get("container_app_environment_id")))
    return environment.values if environment else {}


def _app_host(subject: Subject, ingress: dict[str, Any], _: str) -> str:
    domain = _environment_of(subject).get("default_domain", "")
    return f"{subject.name}.{domain}" if ingress.get("external_enabled") else f"{subject.name}.internal.{domain}"


def _environment_domain(subject: Subject, *_: Any) -> str:
    return f"{_word(subject.token('word'))}-{subject.token('domain')[:8]}.{_location(subject)}.azurecontainerapps.io"


def _word(token: str) -> str:
    words = ("ashy", "bravemeadow", "calmpond", "delightfulsea", "happyhill", "kindriver", "mangosand", "orangecliff")
    return words[int(token[:4], 16) % len(words)]


def _location(subject: Subject) -> str:
    given = subject.values.get("location")  # of a container app it is computed, and not known yet
    return str((isinstance(given, str) and given) or _environment_of(subject).get("location") or "uksouth")


def _static_address(subject: Subject, *_: Any) -> str:
    subnet = subject.values.get("infrastructure_subnet_id")
    if subnet and subject.values.get("internal_load_balancer_enabled"):
        return subject.cloud.address_in(subnet, subject.id)
    return subject.address("static")


def _revision(subject: Subject, *_: Any) -> str:
    template = (subject.values.get("template") or [{}])[0]
    suffix = template.get("revision_suffix")
    if not isinstance(suffix, str) or not suffix:
        suffix = subject.token("revision", repr(template))[:7]
    return f"{subject.name}--{suffix}"


def _revision_host(subject: Subject, *_: Any) -> str:
    return (
        f"{_revision(subject)}.{_environment_of(subject).get('default_domain', '')}"
        if subject.values.get("ingress")
        else ""
    )


_OPENAI_HOSTS = ("{custom_subdomain_name}.openai.azure.com", "{custom_subdomain_name}.services.ai.azure.com")

# The hosts that a private endpoint gives addresses to: by the target's type and sub-resource.
_HOSTS: dict[str, tuple[str, ...]] = {
    "azurerm_cognitive_account": ("{custom_subdomain_name}.cognitiveservices.azure.com", *_OPENAI_HOSTS),
    "azurerm_container_app_environment": ("{default_domain}",),
    "azurerm_container_registry": ("{name}.{location}.data.azurecr.io", "{name}.azurecr.io"),
    "azurerm_cosmosdb_account": ("{name}.documents.azure.com",),
    "azurerm_eventhub_namespace": ("{name}.servicebus.windows.net",),
    "azurerm_key_vault": ("{name}.vault.azure.net",),
    "azurerm_managed_redis": ("{name}.{location}.redis.azure.net",),
    "azurerm_postgresql_flexible_server": ("{name}.postgres.database.azure.com",),
    "azurerm_redis_cache": ("{name}.redis.cache.windows.net",),
    "azurerm_storage_account": ("{name}.{group}.core.windows.net",),
}


def _hosts(subject: Subject) -> list[str]:
    connection = (subject.values.get("private_service_connection") or [{}])[0]
    target = subject.cloud.at(str(connection.get("private_connection_resource_id")))
    if target is None:
        return []
    group = (connection.get("subresource_names") or [""])[0]
    return [host.format_map({**target.values, "group": group}) for host in _HOSTS.get(target.type, ())]


def _dns_configs(subject: Subject, *_: Any) -> list[dict[str, Any]]:
    if subject.values.get("private_dns_zone_group"):
        return []  # the zones have them
    address = _private_address(subject, {}, "")
    return [{"fqdn": host, "ip_addresses": [address]} for host in _hosts(subject)]


def _zone_configs(subject: Subject, *_: Any) -> list[dict[str, Any]]:
    """What the endpoint's zone group writes into its zones: an A record for each host that a zone is there for."""
    configs = []
    for group in subject.values.get("private_dns_zone_group") or []:
        for zone_id in group["private_dns_zone_ids"]:
            zone = zone_id.rsplit("/", 1)[-1]
            public = zone.removeprefix("privatelink.").replace("vaultcore.azure.net", "vault.azure.net")
            names = [host.removesuffix(f".{public}") for host in _hosts(subject) if host.endswith(f".{public}")]
            address = _private_address(subject, {}, "")
            records = [
                {"fqdn": f"{name}.{zone}", "ip_addresses": [address], "name": name, "ttl": 10, "type": "A"}
                for name in names
            ]
            configs.append(
                {
                    "id": f"{subject.id}/privateDnsZoneGroups/{group['name']}/privateDnsZoneConfigs/{zone}",
                    "name": zone,
                    "private_dns_zone_id": zone_id,
                    "record_sets": records,
                }
            )
    return configs


def _connection(subject: Subject, _: dict[str, Any], name: str) -> str:
    namespace = str(subject.values.get("namespace_name") or subject.name)
    key = _key(subject, {}, name.replace("connection_string", "key").replace("_alias", ""))
    return (
        f"Endpoint=sb://{namespace}.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey={key}"
        if not name.endswith("_alias")
        else ""
    )


_STORAGE = re.compile(r"(primary|secondary)_(blob|dfs|file|queue|table|web)_(endpoint|host)")


def _of_storage(subject: Subject, name: str) -> str | None:
    """A storage account's addresses; those of the second region are only there with read access to it."""
    matched = _STORAGE.fullmatch(name)
    if matched is None:
        return None
    place, service, kind = matched.groups()
    if place == "secondary" and not str(subject.values.get("account_replication_type")).startswith("RA"):
        return ""
    host = f"{subject.name}{'-secondary' if place == 'secondary' else ''}.{service}.core.windows.net"
    return f"https://{host}/" if kind == "endpoint" else host


def _kept_address(kind: str) -> Giver:
    def address(subject: Subject, values: dict[str, Any], _: str) -> str:
        vault = subject.id.split("/vaults/")[-1].split("/")[0]
        return f"https://{vault}.vault.azure.net/{kind}/{subject.name}/{values['version']}"

    return address


def _version(subject: Subject, *_: Any) -> str:
    return subject.token("version", subject.values.get("value"), subject.values.get("value_wo_version"))


def _versionless(kind: str) -> Giver:
    return lambda subject, *_: _kept_address(kind)(subject, {"version": ""}, "").rstrip("/")


_GIVERS: dict[str, Giver] = {
    "container_registry.admin_username": lambda s, *_: s.name if s.values.get("admin_enabled") else "",
    "eventhub.partition_ids": lambda s, *_: [str(number) for number in range(int(s.values["partition_count"]))],
    "private_endpoint.private_dns_zone_configs": _zone_configs,
    "private_dns_a_record.fqdn": lambda s, *_: f"{s.name}.{s.values['private_dns_zone_id'].rsplit('/', 1)[-1]}.",
    "storage_account.primary_location": lambda s, *_: _location(s),
    "key_vault_certificate.version": _version,
    "key_vault_certificate.versionless_id": _versionless("certificates"),
    "key_vault_key.version": _version,
    "key_vault_key.versionless_id": _versionless("keys"),
    "key_vault_secret.version": _version,
    "key_vault_secret.versionless_id": _versionless("secrets"),
    "key_vault_secret.resource_id": lambda s, *_: f"{s.id}/versions/{_version(s)}",
    "key_vault_secret.resource_versionless_id": lambda s, *_: s.id,
    "key_vault_key.resource_id": lambda s, *_: f"{s.id}/versions/{_version(s)}",
    "key_vault_key.resource_versionless_id": lambda s, *_: s.id,
    "application_insights.app_id": lambda s, *_: s.guid("app"),
    "application_insights.instrumentation_key": lambda s, *_: s.guid("key"),
    "application_insights.connection_string": lambda s, *_: (
        f"InstrumentationKey={s.guid('key')};IngestionEndpoint=https://{_location(s)}-0.in.applicationinsights.azure.com/;"
        f"LiveEndpoint=https://{_location(s)}.livediagnostics.monitor.azure.com/;ApplicationId={s.guid('app')}"
    ),
    "cdn_frontdoor_endpoint.host_name": lambda s, *_: f"{s.name}-{s.token('host')[:16]}.z01.azurefd.net",
    "cdn_frontdoor_profile.resource_guid": lambda s, *_: s.guid("guid"),
    "cognitive_account.endpoint": lambda s, *_: (
        f"https://{s.values['custom_subdomain_name']}.openai.azure.com/"
        if s.values.get("custom_subdomain_name") and s.values.get("kind") == "OpenAI"
        else f"https://{s.values['custom_subdomain_name']}.cognitiveservices.azure.com/"
        if s.values.get("custom_subdomain_name")
        else f"https://{_location(s)}.api.cognitive.microsoft.com/"
    ),
    "cognitive_account.primary_access_key": lambda s, e, n: _key(s, e, n) if s.values.get("local_auth_enabled") else "",
    "cognitive_account.secondary_access_key": lambda s, e, n: (
        _key(s, e, n) if s.values.get("local_auth_enabled") else ""
    ),
    "container_app.custom_domain_verification_id": lambda s, *_: s.cloud.digest("domains").replace("-", "").upper() * 2,
    "container_app.ingress.fqdn": _app_host,
    "container_app.latest_revision_fqdn": _revision_host,
    "container_app.latest_revision_name": _revision,
    "container_app.location": lambda s, *_: _location(s),
    "container_app.outbound_ip_addresses": lambda s, *_: [s.address("out", number) for number in range(2)],
    "container_app.template.container.ephemeral_storage": lambda *_: "1Gi",
    "container_app.template.init_container.ephemeral_storage": lambda *_: "1Gi",
    "container_app_environment.custom_domain_verification_id": lambda s, *_: (
        s.cloud.digest("domains").replace("-", "").upper() * 2
    ),
    "container_app_environment.default_domain": _environment_domain,
    "container_app_environment.public_network_access": lambda s, *_: (
        "Disabled" if s.values.get("internal_load_balancer_enabled") else "Enabled"
    ),
    "container_app_environment.static_ip_address": _static_address,
    "container_app_job.event_stream_endpoint": lambda s, *_: (
        f"https://{_location(s)}.azurecontainerapps.dev{s.id.replace('/providers/Microsoft.App', '')}/eventstream"
    ),
    "container_app_job.outbound_ip_addresses": lambda s, *_: [s.address("out", number) for number in range(2)],
    "container_app_job.template.container.ephemeral_storage": lambda *_: "1Gi",
    "container_registry.login_server": lambda s, *_: f"{s.name.lower()}.azurecr.io",
    "cosmosdb_account.endpoint": lambda s, *_: f"https://{s.name}.documents.azure.com:443/",
    "key_vault.vault_uri": lambda s, *_: f"https://{s.name}.vault.azure.net/",
    "log_analytics_workspace.workspace_id": lambda s, *_: s.guid("workspace"),
    "log_analytics_workspace.retention_in_days": lambda *_: 30,
    "managed_redis.default_database.id": lambda s, *_: f"{s.id}/databases/default",
    "managed_redis.default_database.port": lambda *_: 10000,
    "managed_redis.default_database.module.version": lambda *_: "2.10.20",
    "managed_redis.default_database.primary_access_key": lambda s, e, n: (
        _key(s, e, n) if e.get("access_keys_authentication_enabled") else ""
    ),
    "managed_redis.default_database.secondary_access_key": lambda s, e, n: (
        _key(s, e, n) if e.get("access_keys_authentication_enabled") else ""
    ),
    "managed_redis.hostname": lambda s, *_: f"{s.name}.{_location(s)}.redis.azure.net",
    "monitor_data_collection_endpoint.immutable_id": lambda s, *_: f"dce-{s.token('id')}",
    "monitor_data_collection_rule.immutable_id": lambda s, *_: f"dcr-{s.token('id')}",
    "monitor_workspace.query_endpoint": lambda s, *_: (
        f"https://{s.name}-{s.token('q')[:4]}.{_location(s)}.prometheus.monitor.azure.com"
    ),
    "nat_gateway.resource_guid": lambda s, *_: s.guid("guid"),
    "postgresql_flexible_server.fqdn": lambda s, *_: f"{s.name}.postgres.database.azure.com",
    "postgresql_flexible_server.administrator_login": lambda *_: "",
    "postgresql_flexible_server.backup_retention_days": lambda *_: 7,
    "postgresql_flexible_server.sku_name": lambda *_: "B_Standard_B1ms",
    "postgresql_flexible_server.storage_tier": lambda *_: "P4",
    "postgresql_flexible_server.version": lambda *_: "17",
    "private_dns_zone.max_number_of_record_sets": lambda *_: 25000,
    "private_dns_zone.max_number_of_virtual_network_links": lambda *_: 1000,
    "private_dns_zone.max_number_of_virtual_network_links_with_registration": lambda *_: 100,
    "private_dns_zone.number_of_record_sets": lambda *_: 1,
    "private_dns_zone_virtual_network_link.resolution_policy": lambda *_: "Default",
    "private_endpoint.custom_dns_configs": _dns_configs,
    "private_endpoint.network_interface": lambda s, *_: [
        {
            "id": s.id.replace("/privateEndpoints/", "/networkInterfaces/") + f".nic.{s.guid('nic')}",
            "name": f"{s.name}.nic.{s.guid('nic')}",
        }
    ],
    "private_endpoint.private_dns_zone_group.id": lambda s, e, _: f"{s.id}/privateDnsZoneGroups/{e['name']}",
    "private_endpoint.private_service_connection.private_ip_address": _private_address,
    "public_ip.ip_address": lambda s, *_: s.address("ip"),
    "public_ip.fqdn": lambda s, *_: (
        f"{s.values['domain_name_label']}.{_location(s)}.cloudapp.azure.com"
        if s.values.get("domain_name_label")
        else ""
    ),
    "public_ip_prefix.ip_prefix": lambda s, *_: f"{s.address('prefix')}/{s.values.get('prefix_length') or 28}",
    "redis_cache.hostname": lambda s, *_: f"{s.name}.redis.cache.windows.net",
    "redis_cache.port": lambda *_: 6379,
    "redis_cache.ssl_port": lambda *_: 6380,
    "role_assignment.name": lambda s, *_: s.id.rsplit("/", 1)[-1],
    "role_assignment.principal_type": lambda *_: "ServicePrincipal",
    "role_assignment.role_definition_id": lambda s, *_: roles.definition_id(
        s.cloud.subscription, str(s.values.get("role_definition_name"))
    ),
    "role_assignment.role_definition_name": lambda s, *_: roles.name_of(str(s.values.get("role_definition_id"))),
    "storage_container.url": lambda s, *_: "https://" + s.id.split("/")[8] + f".blob.core.windows.net/{s.name}",
    "subnet.network_security_group_id": lambda *_: "",
    "subnet.route_table_id": lambda *_: "",
    "virtual_network.guid": lambda s, *_: s.guid("guid"),
}

_GENERAL: dict[str, Giver] = {
    "client_id": lambda s, *_: s.guid("client"),
    "principal_id": lambda s, *_: s.guid("principal"),
    "tenant_id": lambda s, *_: s.cloud.tenant,
    "primary_key": _key,
    "secondary_key": _key,
    "primary_access_key": _key,
    "secondary_access_key": _key,
    "primary_shared_key": _key,
    "secondary_shared_key": _key,
    "primary_connection_string": _connection,
    "secondary_connection_string": _connection,
    "default_primary_connection_string": _connection,
    "default_secondary_connection_string": _connection,
    "default_primary_key": _key,
    "default_secondary_key": _key,
    "etag": lambda s, *_: f'"{s.guid("etag")}"',
}

# Where the id that Terraform knows is not Resource Manager's.
_IDS: dict[str, Giver] = {
    "azurerm_key_vault_certificate": _kept_address("certificates"),
    "azurerm_key_vault_key": _kept_address("keys"),
    "azurerm_key_vault_secret": _kept_address("secrets"),
}
