"""Postgres flexible servers."""

from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt
from tests.simulators.azurerm.rules.container_apps import delegations

_DELEGATION = "Microsoft.DBforPostgreSQL/flexibleServers"
_ZONE = ".postgres.database.azure.com"


def network_is_injected_whole(attempt: Attempt) -> None:
    """A server in a subnet: delegated to Postgres alone, with a zone that is linked to the network, and not public."""
    subnet = attempt.named("delegated_subnet_id")
    zone_id = attempt.text("private_dns_zone_id")
    if attempt.text("delegated_subnet_id") and attempt.values.get("public_network_access_enabled"):
        raise named("ConflictingPublicNetworkAccessAndVirtualNetworkConfiguration")
    if subnet is None:
        return
    if delegations(subnet) != [_DELEGATION]:
        raise named("SubnetNotDelegatedToPostgres", subnet=subnet.id)
    zone = zone_id.rsplit("/", 1)[-1]
    if not zone.endswith(_ZONE) or zone == f"{attempt.text('name')}{_ZONE}":
        raise named("PrivateDnsZoneNameNotValid", zone=zone)
    network = subnet.id.rsplit("/subnets/", 1)[0]
    links = attempt.cloud.of_type("azurerm_private_dns_zone_virtual_network_link")
    linked = any(
        str(link.values["private_dns_zone_id"]).lower() == zone_id.lower()
        and str(link.values["virtual_network_id"]).lower() == network.lower()
        for link in links
    )
    if not linked:
        raise named("PrivateDnsZoneNotLinked", zone=zone_id, network=network)


def tier_supports_availability(attempt: Attempt) -> None:
    """The burstable tier has no high availability."""
    if attempt.block("high_availability") and attempt.text("sku_name").startswith("B_"):
        raise named("HighAvailabilityNotSupportedForBurstable")


def entra_is_on(attempt: Attempt) -> None:
    """An Entra administrator needs Entra authentication."""
    server = attempt.cloud.at(attempt.id.rsplit("/administrators/", 1)[0])
    modes = (server.values.get("authentication") or [{}])[0] if server else {}
    if server is not None and not modes.get("active_directory_auth_enabled"):
        raise named("AadAuthNotEnabled", server=server.values["name"])


BEFORE_CREATION = {
    "azurerm_postgresql_flexible_server": (network_is_injected_whole, tier_supports_availability),
    "azurerm_postgresql_flexible_server_active_directory_administrator": (entra_is_on,),
}
