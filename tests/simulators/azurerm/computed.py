"""The values that Azure gives: principal ids, keys, revisions, addresses. They look like Azure's, and stay a resource's own."""

from typing import Any

from tests.simulators.azurerm import addresses, arguments, roles
from tests.simulators.azurerm.cloud import Cloud
from tests.simulators.azurerm.schema import Block, Type, zero
from tests.simulators.azurerm.subject import Giver, Subject
from tests.simulators.azurerm.wire import UNKNOWN, settled


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
    if type_name == "azurerm_postgresql_flexible_server" and prior.get("storage_mb") != planned.get("storage_mb"):
        by_itself = planned.get("storage_tier") == _TIERS.get(prior.get("storage_mb"))
        return ("storage_tier",) if by_itself else ()
    return ()


# The performance tier that storage has by itself, by its MiB (the provider's documentation).
_TIERS = {
    32768: "P4",
    65536: "P6",
    131072: "P10",
    262144: "P15",
    524288: "P20",
    1048576: "P30",
    2097152: "P40",
    4193280: "P50",
    4194304: "P50",
    8388608: "P60",
    16777216: "P70",
    33553408: "P80",
}


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
    of_type = GIVERS.get(f"{subject.type.removeprefix('azurerm_')}.{path}")
    if of_type is not None:
        return of_type(subject, element, name)
    if subject.type == "azurerm_storage_account":
        host = addresses.of_storage(subject, name)
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


def _connection(subject: Subject, _: dict[str, Any], name: str) -> str:
    namespace = str(subject.values.get("namespace_name") or subject.name)
    key = _key(subject, {}, name.replace("connection_string", "key").replace("_alias", ""))
    return (
        f"Endpoint=sb://{namespace}.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey={key}"
        if not name.endswith("_alias")
        else ""
    )


# By type and path.
GIVERS: dict[str, Giver] = {
    "container_registry.admin_username": lambda s, *_: s.name if s.values.get("admin_enabled") else "",
    "eventhub.partition_ids": lambda s, *_: [str(number) for number in range(int(s.values["partition_count"]))],
    "private_endpoint.private_dns_zone_configs": addresses.zone_configs,
    "private_dns_a_record.fqdn": lambda s, *_: f"{s.name}.{s.values['private_dns_zone_id'].rsplit('/', 1)[-1]}.",
    "storage_account.primary_location": lambda s, *_: _location(s),
    "key_vault_certificate.version": addresses.version,
    "key_vault_certificate.versionless_id": addresses.versionless("certificates"),
    "key_vault_key.version": addresses.version,
    "key_vault_key.versionless_id": addresses.versionless("keys"),
    "key_vault_secret.version": addresses.version,
    "key_vault_secret.versionless_id": addresses.versionless("secrets"),
    "key_vault_secret.resource_id": lambda s, *_: f"{s.id}/versions/{addresses.version(s)}",
    "key_vault_secret.resource_versionless_id": lambda s, *_: s.id,
    "key_vault_key.resource_id": lambda s, *_: f"{s.id}/versions/{addresses.version(s)}",
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
    "postgresql_flexible_server.storage_tier": lambda s, *_: _TIERS[s.values.get("storage_mb") or 32768],
    "postgresql_flexible_server.version": lambda *_: "17",
    "private_dns_zone.max_number_of_record_sets": lambda *_: 25000,
    "private_dns_zone.max_number_of_virtual_network_links": lambda *_: 1000,
    "private_dns_zone.max_number_of_virtual_network_links_with_registration": lambda *_: 100,
    "private_dns_zone.number_of_record_sets": lambda *_: 1,
    "private_dns_zone_virtual_network_link.resolution_policy": lambda *_: "Default",
    "private_endpoint.custom_dns_configs": addresses.dns_configs,
    "private_endpoint.network_interface": lambda s, *_: [
        {
            "id": s.id.replace("/privateEndpoints/", "/networkInterfaces/") + f".nic.{s.guid('nic')}",
            "name": f"{s.name}.nic.{s.guid('nic')}",
        }
    ],
    "private_endpoint.private_dns_zone_group.id": lambda s, e, _: f"{s.id}/privateDnsZoneGroups/{e['name']}",
    "private_endpoint.private_service_connection.private_ip_address": addresses.private_address,
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
    "azurerm_key_vault_certificate": addresses.kept_address("certificates"),
    "azurerm_key_vault_key": addresses.kept_address("keys"),
    "azurerm_key_vault_secret": addresses.kept_address("secrets"),
}
