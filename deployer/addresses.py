"""The address plan: which range each subnet has, and whether Azure would take it."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated

from deployer.forms import Form

DEFAULT_SPACE = "10.80.0.0/22"


def _no_range(text: str) -> str | None:
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        return None  # its form says the rest
    if "/" not in text:
        return f"is one address; write a range, such as {text}/32"
    if text.partition("/")[0] != str(network.network_address):
        return f"does not begin where its range begins; the range is {network}"
    return None


_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
Range = Annotated[
    str,
    Form(rf"{_OCTET}(\.{_OCTET}){{3}}/(3[0-2]|[12]?\d)", "a range of IPv4 addresses", "10.80.0.0/22", refuse=_no_range),
]
Address = Annotated[str, Form(rf"{_OCTET}(\.{_OCTET}){{3}}", "an IPv4 address", "10.0.0.4")]


@dataclass(frozen=True, slots=True)
class AddressProblem:
    """A range that Azure would refuse or that meets another. `subnet` is None where it is the network's own range."""

    subnet: str | None
    message: str


class AddressError(ValueError):
    """There is no address plan; `problems` holds all that is wrong."""

    def __init__(self, problems: Sequence[AddressProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(each.message for each in problems))


@dataclass(frozen=True, slots=True)
class SubnetRule:
    """What a subnet must be, and where it is derived.

    `smallest` and `derived` are prefix lengths: the longest that Azure takes and the one of ours. `offset` is where the
    derived one begins, in addresses from the network's first.
    """

    smallest: int
    offset: int
    derived: int
    reason: str


# Every subnet has a place of its own, whatever else is needed: what is switched on later moves nothing that is there, and a
# larger address_space that begins alike moves nothing either. All but the firewall's fit into /24.
# Sources: https://learn.microsoft.com/azure/container-apps/custom-virtual-networks (/27 with workload profiles; it cannot be
# changed later), .../postgresql/flexible-server/concepts-networking-private (/28), .../application-gateway/
# configuration-infrastructure (/26 is taken as least here), .../firewall/firewall-faq (/26, and for the Basic SKU another
# /26 for management).
RULES: Mapping[str, SubnetRule] = {
    "apps": SubnetRule(27, 0, 25, "Container Apps needs /27 or larger"),
    "endpoints": SubnetRule(28, 128, 27, "private endpoints need /28 or larger"),
    "postgres": SubnetRule(28, 160, 28, "PostgreSQL flexible servers need /28 or larger"),
    "gateway": SubnetRule(26, 192, 26, "Application Gateway needs /26 or larger to scale"),
    "firewall": SubnetRule(26, 256, 26, "AzureFirewallSubnet must be /26 or larger"),
    "firewall_management": SubnetRule(26, 320, 26, "AzureFirewallManagementSubnet must be /26 or larger"),
}
_KEPT_BY_AZURE = 5  # of each subnet: https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq

# Container Apps keeps these for itself:
# https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet-address-range-restrictions
# and no virtual network takes the others:
# https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq#what-address-ranges-can-i-use-in-my-virtual-networks
RESERVED: Mapping[str, str] = {
    "0.0.0.0/8": "addresses of this network, which no Azure network may use",
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
# RFC 1918 and RFC 6598: a new network of other addresses would hide somebody's hosts on the internet.
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """The network's range (None: an existing network, whose own range is its owner's) and each subnet's."""

    space: str | None
    subnets: Mapping[str, str]


def check_existing(
    subnets: Mapping[str, str], known: Sequence[str] = (), addresses: Mapping[str, int] | None = None
) -> AddressPlan:
    """The plan of subnets that exist, checked as derived ones are. Raises `AddressError`.

    `known` are ranges in use elsewhere, `addresses` how many a subnet must hold for what is to be in it.
    """
    ordered = {name: subnets[name] for name in RULES if name in subnets}
    _refuse([*_wrong(None, ordered, addresses or {}), *_met(ordered, known)])
    return AddressPlan(None, ordered)


def plan_addresses(
    space: str | None,
    given: Mapping[str, str],
    needs: Set[str],
    known: Sequence[str] = (),
    addresses: Mapping[str, int] | None = None,
) -> AddressPlan:
    """The plan of a new network: what is given, and the place of each other subnet that is needed.

    As `check_existing` otherwise. A derived subnet is where it is whatever else is given or needed. Raises
    `AddressError`.
    """
    whole = IPv4Network(space or DEFAULT_SPACE)
    if not 16 <= whole.prefixlen <= 24:
        raise AddressError([AddressProblem(None, f"address_space {whole} must be /16 to /24")])
    problems = [
        AddressProblem(name, f"subnets.{name} is not used by this installation; leave it out")
        for name in sorted(set(given) - needs)
    ]
    if not any(whole.subnet_of(IPv4Network(each)) for each in _PRIVATE):
        problems.append(
            AddressProblem(None, f"address_space {whole} is not private; it must lie in one of {', '.join(_PRIVATE)}")
        )
    subnets: dict[str, str] = {}
    for name in RULES:
        if name in given and name in needs:
            subnets[name] = given[name]
        elif name in needs:
            place = _place(whole, RULES[name])
            if place is None:
                problems.append(
                    AddressProblem(
                        None,
                        f"address_space {whole} has no place for the subnet {name}; give a larger one, or "
                        f"subnets.{name}",
                    )
                )
            else:
                subnets[name] = str(place)
    problems += _wrong(whole, subnets, addresses or {})
    space_alone: Mapping[str | None, str] = {None: str(whole)}
    _refuse([*problems, *_met(space_alone, known)])
    return AddressPlan(str(whole), subnets)


def _place(whole: IPv4Network, rule: SubnetRule) -> IPv4Network | None:
    if rule.offset + 2 ** (32 - rule.derived) > whole.num_addresses:
        return None
    return IPv4Network((int(whole.network_address) + rule.offset, rule.derived))


def _refuse(problems: Sequence[AddressProblem]) -> None:
    if problems:
        raise AddressError(problems)


def _wrong(
    whole: IPv4Network | None, subnets: Mapping[str, str], addresses: Mapping[str, int]
) -> Iterator[AddressProblem]:
    """What is wrong with each subnet by itself and beside the others."""
    ranges = {name: IPv4Network(text) for name, text in subnets.items()}
    for number, (name, network) in enumerate(ranges.items()):
        rule, holds = RULES[name], addresses.get(name, 0)
        if network.prefixlen > rule.smallest:
            yield AddressProblem(name, f"the subnet {name} {network} is too small: {rule.reason}")
        elif holds > network.num_addresses - _KEPT_BY_AZURE:
            yield AddressProblem(
                name,
                f"the subnet {name} {network} is too small: what is to be in it takes {holds} addresses, and of its "
                f"{network.num_addresses} Azure keeps {_KEPT_BY_AZURE}",
            )
        if whole is not None and not network.subnet_of(whole):
            yield AddressProblem(name, f"the subnet {name} {network} does not lie in address_space {whole}")
        for other, its in list(ranges.items())[:number]:
            if network.overlaps(its):
                yield AddressProblem(name, f"the subnets {other} {its} and {name} {network} overlap")
    everything: list[tuple[str | None, IPv4Network]] = [(None, whole)] if whole else []
    for subnet, network in [*everything, *ranges.items()]:
        called = f"the subnet {subnet}" if subnet else "address_space"
        for text, why in RESERVED.items():
            inside = whole is not None and subnet is not None and whole.overlaps(IPv4Network(text))
            if network.overlaps(IPv4Network(text)) and not inside:
                yield AddressProblem(subnet, f"{called} {network} overlaps {text}: {why}")


def _met(ranges: Mapping[str | None, str] | Mapping[str, str], known: Sequence[str]) -> Iterator[AddressProblem]:
    for name, text in ranges.items():
        for other in known:
            if IPv4Network(text).overlaps(IPv4Network(other)):
                called = f"the subnet {name}" if name else "address_space"
                yield AddressProblem(
                    name, f"{called} {text} overlaps {other}, which known_ranges says is in use elsewhere"
                )
