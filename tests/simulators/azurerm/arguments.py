"""What the provider knows of an argument beyond its schema: its default, and whether another value means another resource.

Paths are dotted, without the indices of nested blocks. Both tables were read from the provider's source
(`internal/services/…`).
"""

from typing import Any

from tests.simulators.azurerm import ids

_ALWAYS_NEW = ("location", "resource_group_name", "edge_zone", "zones")

_FORCES_NEW = """
application_gateway: zones
cognitive_account: custom_subdomain_name kind metrics_advisor_aad_client_id
cognitive_deployment: model.format model.name
container_app: container_app_environment_id
container_app_environment: infrastructure_resource_group_name infrastructure_subnet_id
container_app_environment: internal_load_balancer_enabled zone_redundancy_enabled
container_app_environment: dapr_application_insights_connection_string
container_app_environment_certificate: certificate_blob_base64 certificate_password
container_app_job: container_app_environment_id schedule_trigger_config manual_trigger_config event_trigger_config
container_registry: zone_redundancy_enabled
eventhub_namespace: dedicated_cluster_id
firewall: sku_name ip_configuration.subnet_id
firewall_policy: sku
key_vault: tenant_id
key_vault_key: key_type key_size curve
log_analytics_workspace: sku_not_changed_in_place
managed_redis: customer_managed_key.nothing
monitor_diagnostic_setting: target_resource_id
nat_gateway: sku_name
postgresql_flexible_server: administrator_login delegated_subnet_id create_mode source_server_id
postgresql_flexible_server: geo_redundant_backup_enabled cluster.default_database_name
postgresql_flexible_server_database: charset collation
postgresql_flexible_server_active_directory_administrator: tenant_id principal_name principal_type object_id
private_dns_zone_virtual_network_link: virtual_network_id
private_endpoint: subnet_id custom_network_interface_name
private_endpoint: private_service_connection.name private_service_connection.is_manual_connection
private_endpoint: private_service_connection.private_connection_resource_id private_service_connection.subresource_names
public_ip: sku sku_tier ip_version domain_name_label_scope public_ip_prefix_id
role_assignment: role_definition_id role_definition_name principal_id principal_type condition condition_version
role_assignment: delegated_managed_identity_resource_id skip_service_principal_aad_check
storage_account: account_kind_downgrade is_hns_enabled nfsv3_enabled
subnet_nat_gateway_association: nat_gateway_id
subnet_network_security_group_association: network_security_group_id
subnet_route_table_association: route_table_id
user_assigned_identity: isolation_scope_never
virtual_network_peering: remote_virtual_network_id
"""

_DEFAULTS: dict[str, dict[str, Any]] = {}


def _forces_new() -> dict[str, frozenset[str]]:
    paths: dict[str, set[str]] = {
        name: {*naming.arguments, *_ALWAYS_NEW} - {"tags"} for name, naming in ids.NAMINGS.items()
    }
    for row in _FORCES_NEW.strip().splitlines():
        name, _, told = row.partition(": ")
        paths[f"azurerm_{name}"] |= set(told.split())
    return {name: frozenset(told) for name, told in paths.items()}


FORCES_NEW = _forces_new()
DEFAULTS = {f"azurerm_{name}": defaults for name, defaults in _DEFAULTS.items()}


def location(name: str) -> str:
    """A region as Azure compares it: `UK South` is `uksouth`."""
    return name.replace(" ", "").lower()


# What is computed anew when something else of the resource changes (CustomizeDiff in the provider).
_RECOMPUTED = {
    "azurerm_key_vault_secret": (("value", "value_wo_version"), ("id", "version", "resource_id")),
}


def recomputed(type_name: str, prior: dict[str, Any], planned: dict[str, Any]) -> tuple[str, ...]:
    """The attributes that will be others after this change."""
    causes, effects = _RECOMPUTED.get(type_name, ((), ()))
    return effects if any(prior.get(name) != planned.get(name) for name in causes) else ()
