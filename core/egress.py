"""Where calls to upstreams may go: the installation's list of hosts, and the addresses that no upstream has.

A list is a list of names; what a name resolves to is judged when it is dialled, address by address, so that a name which
changes its address gains nothing. Metadata services, which hand out a machine's credentials to whoever asks, and the
link-local networks that they are in, are refused with a list and without one.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Not dotted decimals, and yet addresses to the C library: 2852039166, 0xa9fea9fe, 0251.0376.0251.0376, 169.254.43518.
_NUMBER = r"(?:0[xX][0-9a-fA-F]*|[0-9]+)"
_NUMERIC_HOST = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}")
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")

_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal", "instance-data.ec2.internal"}
)

_NEVER = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("169.254.0.0/16", "a link-local address, where metadata services are"),
        ("fe80::/10", "a link-local address"),
        ("168.63.129.16/32", "Azure's platform address"),
        ("100.100.100.200/32", "a metadata service's address"),
        ("192.0.0.192/32", "a metadata service's address"),
        ("fd00:ec2::/32", "a metadata service's address"),
        ("fd20:ce::/32", "a metadata service's address"),
        ("0.0.0.0/8", "an unspecified address"),
        ("::/128", "an unspecified address"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """`patterns`: names and addresses in lower case, or `*.` and a domain for all names below it; none: no list."""

    patterns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "AllowedHosts":
        """Patterns with commas between them. Raises `ValueError`."""
        patterns = tuple(part.strip().lower().removesuffix(".") for part in text.split(",") if part.strip())
        for pattern in patterns:
            if not _is_pattern(pattern):
                raise ValueError(f"{pattern!r} is no host pattern")
        return cls(tuple(pattern.strip("[]") for pattern in patterns))

    def problem(self, host: str) -> str | None:
        """Why a host may not be called, to be read after its name; None: it may, as far as its name tells."""
        name = host.lower().strip("[]").removesuffix(".")
        address = _address(name)
        if address is None and _NUMERIC_HOST.fullmatch(name):
            return "is an address in an odd spelling"
        if name in _METADATA_NAMES:
            return "is a metadata service"
        if address is not None and (never := address_problem(address)) is not None:
            return f"is {never}"
        if self.patterns and not any(_covers(pattern, name, address) for pattern in self.patterns):
            return "is not on the installation's list (ADUANA_EGRESS_HOSTS)"
        return None


ANYWHERE = AllowedHosts()
"""No list."""


def address_problem(address: Address | str) -> str | None:
    """What an address is that no upstream has; None: it may be called. Addresses within addresses are looked at, too."""
    if isinstance(address, str):
        address = ipaddress.ip_address(address.partition("%")[0])  # without the interface's name
    for each in _within(address):
        for network, what in _NEVER:
            if each.version == network.version and each in network:
                return what
    return None


def _within(address: Address) -> Iterator[Address]:
    """Itself, and the IPv4 address that an IPv6 address stands for."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    number = int(address)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and number > 1):  # not ::1
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)


def _covers(pattern: str, name: str, address: Address | None) -> bool:
    if address is not None:
        return _address(pattern) == address
    return name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _is_pattern(pattern: str) -> bool:
    if _address(pattern.strip("[]")) is not None:
        return True
    odd = _NUMERIC_HOST.fullmatch(pattern) is not None or ".." in pattern
    return _PATTERN.fullmatch(pattern) is not None and not odd


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
