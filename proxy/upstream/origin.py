"""Where an upstream is: scheme, host, port and the path that its surface hangs under. Parsed once, strictly, when the
snapshot is built; the hot path compares and hashes it only."""

import ipaddress
import re
from dataclasses import dataclass, field

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?(?P<base>/.*)?",
    re.IGNORECASE,
)
# RFC 3986's pchar, and the slash: a base path is sent as it stands.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*/?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """`base` is a path prefix, `""` or `"/x"`, never ending in a slash; `host` is lower case and without brackets.

    What has a `pool` of its own shares no connection and no limit with what is at the same place; a changed limit is
    another pool, so that calls under way keep their connections.
    """

    scheme: str
    host: str
    port: int
    base: str = ""
    pool: str = ""
    max_connections: int | None = None  # None: the client's
    host_header: bytes = field(init=False, compare=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        name = f"[{self.host}]" if ":" in self.host else self.host
        if self.port != _DEFAULT_PORTS[self.scheme]:
            name = f"{name}:{self.port}"
        object.__setattr__(self, "host_header", name.encode("ascii"))
        object.__setattr__(self, "_hash", hash((self.scheme, self.host, self.port, self.base, self.pool)))

    def __hash__(self) -> int:
        return self._hash  # looked up for every call

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """`https://host[:port][/base]`. Raises `ValueError`, without the URL in its message (it may hold a secret)."""
        if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
            raise ValueError("an upstream's address holds visible ASCII characters only (write a domain in punycode)")
        if "?" in url or "#" in url:
            raise ValueError("an upstream's address has no query and no fragment")
        if "@" in url.split("://", 1)[-1].split("/", 1)[0]:
            raise ValueError("an upstream's address has no user or password; give the credential as a secret reference")
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError("an upstream's address looks like https://host[:port][/path] or http://host[:port][/path]")
        scheme, host = match["scheme"].lower(), match["host"].lower()
        if host.startswith("["):
            try:
                host = str(ipaddress.IPv6Address(host[1:-1]))
            except ValueError:
                raise ValueError("the address in brackets is not an IPv6 address") from None
        elif ".." in host or len(host) > 253:
            raise ValueError("the host of an upstream's address is not a domain name")
        port = int(match["port"] or _DEFAULT_PORTS[scheme])
        if not 1 <= port <= 65535:
            raise ValueError("the port of an upstream's address is between 1 and 65535")
        base = match["base"] or ""
        if _PATH.fullmatch(base) is None or any(segment in (".", "..") for segment in base.split("/")):
            raise ValueError("the path of an upstream's address has no empty or dot segments and no odd characters")
        return cls(scheme, host, port, base.rstrip("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host_header.decode()}{self.base}"
