"""Where things are reached: hosts of services, private endpoints and what they write into zones, what vaults keep."""

import re
from typing import Any

from tests.simulators.azurerm.subject import Giver, Subject

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


def private_address(subject: Subject, element: dict[str, Any], _: str) -> str:
    fixed = [item.get("private_ip_address") for item in subject.values.get("ip_configuration") or []]
    return fixed[0] if fixed else subject.cloud.address_in(subject.values["subnet_id"], subject.id)


def _hosts(subject: Subject) -> list[str]:
    connection = (subject.values.get("private_service_connection") or [{}])[0]
    target = subject.cloud.at(str(connection.get("private_connection_resource_id")))
    if target is None:
        return []
    group = (connection.get("subresource_names") or [""])[0]
    return [host.format_map({**target.values, "group": group}) for host in _HOSTS.get(target.type, ())]


def dns_configs(subject: Subject, *_: Any) -> list[dict[str, Any]]:
    if subject.values.get("private_dns_zone_group"):
        return []  # the zones have them
    address = private_address(subject, {}, "")
    return [{"fqdn": host, "ip_addresses": [address]} for host in _hosts(subject)]


def zone_configs(subject: Subject, *_: Any) -> list[dict[str, Any]]:
    """What the endpoint's zone group writes into its zones: an A record for each host that a zone is there for."""
    configs = []
    for group in subject.values.get("private_dns_zone_group") or []:
        for zone_id in group["private_dns_zone_ids"]:
            zone = zone_id.rsplit("/", 1)[-1]
            public = zone.removeprefix("privatelink.").replace("vaultcore.azure.net", "vault.azure.net")
            names = [host.removesuffix(f".{public}") for host in _hosts(subject) if host.endswith(f".{public}")]
            address = private_address(subject, {}, "")
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


_STORAGE = re.compile(r"(primary|secondary)_(blob|dfs|file|queue|table|web)_(endpoint|host)")


def of_storage(subject: Subject, name: str) -> str | None:
    """A storage account's addresses; those of the second region are only there with read access to it."""
    matched = _STORAGE.fullmatch(name)
    if matched is None:
        return None
    place, service, kind = matched.groups()
    if place == "secondary" and not str(subject.values.get("account_replication_type")).startswith("RA"):
        return ""
    host = f"{subject.name}{'-secondary' if place == 'secondary' else ''}.{service}.core.windows.net"
    return f"https://{host}/" if kind == "endpoint" else host


def kept_address(kind: str) -> Giver:
    def address(subject: Subject, values: dict[str, Any], _: str) -> str:
        vault = subject.id.split("/vaults/")[-1].split("/")[0]
        return f"https://{vault}.vault.azure.net/{kind}/{subject.name}/{values['version']}"

    return address


def version(subject: Subject, *_: Any) -> str:
    return subject.token("version", subject.values.get("value"), subject.values.get("value_wo_version"))


def versionless(kind: str) -> Giver:
    return lambda subject, *_: kept_address(kind)(subject, {"version": ""}, "").rstrip("/")
