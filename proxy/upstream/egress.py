"""Which way a connection leaves the network: directly, or through the proxy that the environment names.

`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are read case-insensitively, the lower-case one first, as curl does. Loopback
addresses and `localhost` never go through a proxy, as in Go.
"""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from proxy.upstream.origin import Origin

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """An HTTP proxy; `authorization` is the value of `Proxy-Authorization`, or None."""

    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, variable: str) -> "EgressProxy":
        """Raises `ValueError`, which names the variable and not its value."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, None
        if parts is None or not host or parts.scheme != "http" or any(c <= " " for c in url):
            raise ValueError(
                f"{variable} must look like http://[user:password@]host[:port]; other kinds of proxy are not spoken"
            )
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            authorization = b"Basic " + base64.b64encode(pair)
        return cls(host, port or 80, authorization)


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Exception:
    """One entry of NO_PROXY."""

    domain: str | None = None  # itself and what is below it, with a leading dot or without, as curl has it
    network: _Network | None = None
    port: int | None = None

    def covers(self, host: str, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            address = _address(host)
            return address is not None and address.version == self.network.version and address in self.network
        return self.domain is not None and (host == self.domain or host.endswith("." + self.domain))

    @classmethod
    def parse(cls, entry: str) -> "_Exception | None":
        entry = entry.strip().lower()
        network = _network(entry)
        if network is not None:
            return cls(network=network)
        name, _, digits = entry.rpartition(":")
        port = int(digits) if name and digits.isdecimal() else None
        name = (name if port is not None else entry).removeprefix("[").removesuffix("]")
        network = _network(name)
        if network is not None:
            return cls(network=network, port=port)
        domain = name.removeprefix("*").strip(".")
        return cls(domain=domain, port=port) if domain else None


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Egress:
    """The environment's choice, parsed once."""

    proxies: Mapping[str, EgressProxy]  # by scheme
    exceptions: tuple[_Exception, ...] = ()
    never: bool = False  # NO_PROXY=*

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Egress":
        """Raises `ValueError` for a proxy of a kind that is not spoken."""
        lowered = {name.lower(): value for name, value in environment.items() if not name.islower()}
        lowered |= {name: value for name, value in environment.items() if name.islower()}
        proxies = {}
        for scheme in ("http", "https"):
            variable = f"{scheme}_proxy"
            url = lowered.get(variable, "").strip()
            if url:
                proxies[scheme] = EgressProxy.parse(url, variable.upper())
        entries = lowered.get("no_proxy", "").replace(",", " ").split()
        exceptions = tuple(exception for entry in entries if (exception := _Exception.parse(entry)) is not None)
        return cls(proxies, exceptions, "*" in entries)

    def proxy_for(self, origin: Origin) -> EgressProxy | None:
        """None: connect directly."""
        proxy = self.proxies.get(origin.scheme)
        if proxy is None or self.never or origin.host == "localhost":
            return None
        address = _address(origin.host)
        if address is not None and address.is_loopback:
            return None
        if any(exception.covers(origin.host, origin.port) for exception in self.exceptions):
            return None
        return proxy
