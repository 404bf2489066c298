"""What cannot be taken away: what is used, what has something in it, what is locked."""

from tests.simulators.azurerm import ids
from tests.simulators.azurerm.cloud import Cloud, Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt, Session
from tests.simulators.azurerm.rules.existence import ids_in

# What others use, and how Azure says so.
_USED = {
    "azurerm_container_app_environment": "ManagedEnvironmentInUse",
    "azurerm_firewall_policy": "FirewallPolicyInUse",
    "azurerm_nat_gateway": "InUseNatGatewayCannotBeDeleted",
    "azurerm_network_security_group": "InUseNetworkSecurityGroupCannotBeDeleted",
    "azurerm_public_ip": "PublicIPAddressCannotBeDeleted",
    "azurerm_route_table": "InUseRouteTableCannotBeDeleted",
    "azurerm_subnet": "InUseSubnetCannotBeDeleted",
}
# What has to be empty: children of these types are in the way.
_EMPTY = {"azurerm_private_dns_zone": "azurerm_private_dns_zone_virtual_network_link"}
# Whose references to a subnet are the subnet's own settings.
_SETTINGS = set(ids.KEY_SUFFIXES)


def is_empty(session: Session, resource: Resource) -> None:
    """Nothing that has to go first is in it."""
    inside = session.cloud.below(resource.id)
    if resource.type == "azurerm_resource_group":
        if inside and session.feature("resource_group", "prevent_deletion_if_contains_resources", True):
            raise named("ResourceGroupNotEmpty", contents="\n".join(f"* `{child.id}`" for child in inside))
        return
    if resource.type == "azurerm_virtual_network":
        for subnet in inside:
            if subnet.type == "azurerm_subnet":
                is_not_used(session.cloud, subnet)
    nested = [child.id for child in inside if child.type == _EMPTY.get(resource.type)]
    if nested:
        raise named("CannotDeleteResource", nested=nested[0].split("/providers/")[-1])


def is_not_used(cloud: Cloud, resource: Resource) -> None:
    """Nobody names it."""
    if resource.type not in _USED:
        return
    wanted = resource.id.lower()
    for other in list(cloud.resources.values()):
        if other is resource or (resource.type == "azurerm_subnet" and other.type in _SETTINGS):
            continue
        if other.id.lower().startswith(f"{wanted}/"):
            continue
        if any(reference.lower() == wanted for reference in ids_in(other.values)):
            raise named(_USED[resource.type], user=other.id)
    delegated = resource.type == "azurerm_subnet" and resource.values.get("delegation")
    if delegated and cloud.counts_down(resource, "lingering_delegations"):
        raise named("InUseSubnetCannotBeDeleted")


def is_not_locked(attempt: Attempt, writes: bool = False) -> None:
    """No lock holds it: `CanNotDelete` holds what is to be deleted, `ReadOnly` what is to be written too."""
    if attempt.type == "azurerm_management_lock":
        return
    for lock in attempt.cloud.of_type("azurerm_management_lock"):
        scope = str(lock.values["scope"])
        if writes and lock.values["lock_level"] != "ReadOnly":
            continue
        if attempt.id.lower() == scope.lower() or attempt.id.lower().startswith(
            (scope.lower() + "/", scope.lower() + "|")
        ):
            raise named("ScopeLocked", scope=scope, doing="write" if writes else "delete")
