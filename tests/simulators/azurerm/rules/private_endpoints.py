"""Private endpoints, and what they connect to."""

from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt

# What each type of resource calls its sub-resources (learn.microsoft.com, "private-link resource").
SUBRESOURCES = {
    "azurerm_cognitive_account": {"account"},
    "azurerm_container_app_environment": {"managedEnvironments"},
    "azurerm_container_registry": {"registry"},
    "azurerm_cosmosdb_account": {"Sql", "MongoDB", "Cassandra", "Gremlin", "Table", "Analytical"},
    "azurerm_eventhub_namespace": {"namespace"},
    "azurerm_key_vault": {"vault"},
    "azurerm_managed_redis": {"redisEnterprise"},
    "azurerm_monitor_private_link_scope": {"azuremonitor"},
    "azurerm_postgresql_flexible_server": {"postgresqlServer"},
    "azurerm_redis_cache": {"redisCache"},
    "azurerm_storage_account": {
        f"{service}{secondary}"
        for service in ("blob", "table", "queue", "file", "web", "dfs")
        for secondary in ("", "_secondary")
    },
}


def target_takes_it(attempt: Attempt) -> None:
    """The target exists, is ready, and has this sub-resource; its subnet is not delegated."""
    subnet = attempt.named("subnet_id")
    if subnet is not None and subnet.values.get("delegation"):
        raise named("PrivateEndpointCreationNotAllowedAsSubnetIsDelegated", subnet=subnet.id)
    connection = attempt.block("private_service_connection")
    target = attempt.cloud.at(str(connection.get("private_connection_resource_id")))
    if target is None:
        return
    wanted = set(connection.get("subresource_names") or [])
    if not wanted <= SUBRESOURCES.get(target.type, wanted) or len(wanted) != 1:
        told = ", ".join(sorted(SUBRESOURCES.get(target.type, set())))
        raise named("InvalidGroupId", group=", ".join(sorted(wanted)), target=target.id, groups=told)
    if target.type == "azurerm_cognitive_account":
        if not target.values.get("custom_subdomain_name"):
            raise named("AccountCustomSubdomainNotSet", target=target.id)
        if attempt.cloud.counts_down(target, "accepted_accounts"):
            raise named("AccountProvisioningStateInvalid", target=target.id)
    if target.type == "azurerm_postgresql_flexible_server" and target.values.get("delegated_subnet_id"):
        raise named("PrivateEndpointNotSupportedOnInjectedServer", target=target.id)


BEFORE_CREATION = {"azurerm_private_endpoint": (target_takes_it,)}
