"""The address plan: which range each subnet has, and whether Azure would take it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator

DEFAULT_SPACE = "10.80.0.0/22"


def _canonical(text: str) -> str:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"not an IPv4 range: {error}; write it as 10.80.0.0/22") from None
    return str(network)


Range = Annotated[str, AfterValidator(_canonical)]


class AddressError(ValueError):
    """A range that Azure would refuse, or that meets another."""


@dataclass(frozen=True, slots=True)
class SubnetRule:
    """What a subnet must be: the largest prefix length that Azure takes, and the one that is derived."""

    smallest: int
    derived: int
    reason: str


# Sources: https://learn.microsoft.com/azure/container-apps/custom-virtual-networks (subnet of /27 or larger with workload
# profiles; each revision change doubles the addresses in use), .../postgresql/flexible-server/concepts-networking-private
# (/28), .../application-gateway/configuration-infrastructure (/24 recommended, /26 taken as least for v2),
# .../firewall/firewall-faq (AzureFirewallSubnet /26). In the order in which ranges are derived: large ones first.
RULES: Mapping[str, SubnetRule] = {
    "apps": SubnetRule(27, 25, "Container Apps needs /27 or larger"),
    "endpoints": SubnetRule(28, 26, "private endpoints need /28 or larger here"),
    "gateway": SubnetRule(26, 26, "Application Gateway needs /26 or larger to scale"),
    "firewall": SubnetRule(26, 26, "AzureFirewallSubnet must be /26 or larger"),
    "postgres": SubnetRule(28, 28, "PostgreSQL flexible servers need /28 or larger"),
}

# Container Apps keeps these for itself: https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet-address-range-restrictions
# and no virtual network takes the others: https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq#what-address-ranges-can-i-use-in-my-virtual-networks
RESERVED: Mapping[str, str] = {
    "169.254.0.0/16": "link-local addresses, which no Azure network may use",
    "168.63.129.16/32": "Azure's own address for DNS and health",
    "127.0.0.0/8": "loopback, which no Azure network may use",
    "224.0.0.0/4": "multicast, which no Azure network may use",
    "255.255.255.255/32": "broadcast, which no Azure network may use",
    "172.30.0.0/16": "reserved by Container Apps' own Kubernetes",
    "172.31.0.0/16": "reserved by Container Apps' own Kubernetes",
    "192.0.2.0/24": "reserved by Container Apps' own Kubernetes",
    "100.100.0.0/17": "reserved by Container Apps with workload profiles",
    "100.100.128.0/19": "reserved by Container Apps with workload profiles",
    "100.100.160.0/19": "reserved by Container Apps with workload profiles",
    "100.100.192.0/19": "reserved by Container Apps with workload profiles",
}


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """The network's range (None: an existing network, whose own range is its owner's) and each subnet's."""

    space: str | None
    subnets: Mapping[str, str]

    @classmethod
    def of_existing(cls, subnets: Mapping[str, str], known: Sequence[str]) -> "AddressPlan":
        """Checked as derived ones are. Raises `AddressError`."""
        _check(None, subnets, ())
        _apart_from(subnets, known)
        return cls(None, dict(subnets))


def plan_addresses(space: str | None, given: Mapping[str, str], needs: set[str], known: Sequence[str]) -> AddressPlan:
    """Derive what is not given, largest subnet first, from the first free place. Raises `AddressError`."""
    whole = IPv4Network(space or DEFAULT_SPACE)
    if not 16 <= whole.prefixlen <= 24:
        raise AddressError(f"address_space {whole} must be /16 to /24")
    if surplus := sorted(set(given) - needs):
        raise AddressError(f"subnets.{surplus[0]} is not used by this installation; leave it out")
    taken = {name: IPv4Network(text) for name, text in given.items()}
    for name in sorted(needs - set(given), key=lambda each: (RULES[each].derived, list(RULES).index(each))):
        taken[name] = _first_free(whole, RULES[name].derived, taken.values(), name)
    subnets = {name: str(taken[name]) for name in RULES if name in taken}
    _check(whole, subnets, known)
    _apart_from({"address_space": str(whole)}, known)
    return AddressPlan(str(whole), subnets)


def _first_free(whole: IPv4Network, length: int, taken: Collection[IPv4Network], name: str) -> IPv4Network:
    for candidate in whole.subnets(new_prefix=length):
        if not any(candidate.overlaps(each) for each in taken):
            return candidate
    raise AddressError(f"{whole} has no room left for the subnet {name} (/{length}); give a larger address_space")


def _check(whole: IPv4Network | None, subnets: Mapping[str, str], known: Sequence[str]) -> None:
    ranges = {name: IPv4Network(text) for name, text in subnets.items()}
    for name, network in ranges.items():
        rule = RULES[name]
        if network.prefixlen > rule.smallest:
            raise AddressError(f"the subnet {name} {network} is too small: {rule.reason}")
        if whole is not None and not network.subnet_of(whole):
            raise AddressError(f"the subnet {name} {network} does not lie in address_space {whole}")
        for other, with_it in ranges.items():
            if other < name and network.overlaps(with_it):
                raise AddressError(f"the subnets {other} {with_it} and {name} {network} overlap")
    for name, network in {**({"address_space": whole} if whole else {}), **ranges}.items():
        for text, why in RESERVED.items():
            if network.overlaps(IPv4Network(text)):
                raise AddressError(f"{name} {network} overlaps {text}: {why}")


def _apart_from(ranges: Mapping[str, str], known: Sequence[str]) -> None:
    for name, text in ranges.items():
        for other in known:
            if IPv4Network(text).overlaps(IPv4Network(other)):
                raise AddressError(f"{name} {text} overlaps {other}, which known_ranges says is in use elsewhere")
