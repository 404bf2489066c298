"""Address ranges, peerings and zones."""

import ipaddress

from tests.simulators.azurerm.cloud import Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt

_SMALLEST = 29

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def ranges(resource: Resource, argument: str) -> list[Network]:
    """The ranges of a network (`address_space`) or a subnet (`address_prefixes`)."""
    return [ipaddress.ip_network(each, strict=False) for each in resource.values.get(argument) or []]


def _told(attempt: Attempt, argument: str) -> list[Network]:
    found = []
    for told in attempt.values.get(argument) or []:
        try:
            loose = ipaddress.ip_network(told, strict=False)
        except ValueError:
            raise named("InvalidAddressPrefixFormat", prefix=told) from None
        if str(loose) != told:
            raise named("InvalidCIDRNotation", prefix=told, right=loose)
        found.append(loose)
    return found


def _overlap(one: list[Network], other: list[Network]) -> Network | None:
    return next((a for a in one for b in other if a.version == b.version and a.overlaps(b)), None)


def ranges_are_well_formed(attempt: Attempt) -> None:
    """An address space is made of networks."""
    _told(attempt, "address_space")


def subnet_lies_in_its_network(attempt: Attempt) -> None:
    """A subnet is in its network's space, large enough, and beside the others."""
    own = _told(attempt, "address_prefixes")
    network_id = attempt.id.rsplit("/subnets/", 1)[0]
    network = attempt.cloud.at(network_id)
    if network is None:
        return
    names = {"subnet": attempt.text("name"), "network": network.values["name"]}
    spaces = ranges(network, "address_space")
    for each in own:
        if each.version == 4 and each.prefixlen > _SMALLEST:
            raise named("InvalidSubnetSize", prefix=each, **names)
        if not any(each.version == space.version and each.subnet_of(space) for space in spaces):  # type: ignore[arg-type]
            raise named("NetcfgInvalidSubnet", **names)
    for other in attempt.others():
        if other.id.lower().startswith(network_id.lower() + "/") and _overlap(own, ranges(other, "address_prefixes")):
            raise named("NetcfgSubnetRangesOverlap", **names)


def peered_spaces_are_apart(attempt: Attempt) -> None:
    """Networks that are peered have no address in common."""
    local = attempt.cloud.at(attempt.id.rsplit("/virtualNetworkPeerings/", 1)[0])
    remote = attempt.named("remote_virtual_network_id")
    if local is None or remote is None:
        return
    common = _overlap(ranges(local, "address_space"), ranges(remote, "address_space"))
    if common:
        raise named("VnetAddressSpacesOverlap", local=local.id, remote=remote.id, prefix=common)


def network_has_one_zone_of_a_name(attempt: Attempt) -> None:
    """A network is linked to one zone of a name."""
    zone = attempt.text("private_dns_zone_id").rsplit("/", 1)[-1].lower()
    for other in attempt.others():
        same_zone = str(other.values["private_dns_zone_id"]).rsplit("/", 1)[-1].lower() == zone
        if same_zone and str(other.values["virtual_network_id"]).lower() == attempt.text("virtual_network_id").lower():
            raise named("VirtualNetworkLinkConflict", zone=zone)


def subnet_has_one_of_each(attempt: Attempt) -> None:
    """A NAT gateway lies in the subnet's region."""
    subnet = attempt.named("subnet_id")
    gateway = attempt.named("nat_gateway_id")
    network = attempt.cloud.at(subnet.id.rsplit("/subnets/", 1)[0]) if subnet else None
    if gateway and network and gateway.values["location"] != network.values["location"]:
        raise named("InvalidResourceReference", reference=gateway.id)


BEFORE_CREATION = {
    "azurerm_private_dns_zone_virtual_network_link": (network_has_one_zone_of_a_name,),
    "azurerm_subnet": (subnet_lies_in_its_network,),
    "azurerm_subnet_nat_gateway_association": (subnet_has_one_of_each,),
    "azurerm_virtual_network": (ranges_are_well_formed,),
    "azurerm_virtual_network_peering": (peered_spaces_are_apart,),
}
BEFORE_CHANGE = {
    "azurerm_subnet": (subnet_lies_in_its_network,),
    "azurerm_virtual_network": (ranges_are_well_formed,),
}
