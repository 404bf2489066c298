"""Where Redis is, who we are there, and which of a cluster's nodes has what. No command of the ledger is known here.

`slots` reads a cluster's map, `login` says by what a connection is opened and kept open, `clients` opens redis-py's clients
for those who may block: the ledger's writer, and commands. The proxy's own connection is `proxy/ledger/connection.py`.
"""

import ipaddress
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where one Redis is, and who we are there."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None
    tls: bool
    path: str | None = None  # of a Unix socket, in place of host and port
    certified: str | None = None  # the name in its certificate, where that is not the host

    def __repr__(self) -> str:  # never the password
        if self.path is not None:
            return f"unix://{self.path}"
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.database}"

    @property
    def server_name(self) -> str:
        """What its certificate has to name."""
        return self.certified or self.host

    def node(self, host: str, port: int) -> "RedisAddress":
        """Another node of the same cluster.

        A node that is announced by its IP address is verified by the name of the one that was configured: Azure Managed
        Redis announces addresses, and its certificate names its endpoint alone (redis-rs#1963, node-redis#2903).
        """
        certified = self.server_name if host != self.host and _is_ip(host) else None
        return replace(self, host=host, port=port, path=None, certified=certified)


def parse_redis_url(url: str) -> RedisAddress:
    """`redis[s]://[[user]:password@]host[:port][/database]`, or `unix://[[user]:password@]/path[?db=N]`.

    Raises `ValueError`, which never repeats the password.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        database = parse_qs(parts.query).get("db", ["0"])[0]
    elif parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("a Redis URL is redis://[[user]:password@]host[:port][/database], rediss:// or unix:///path")
    else:
        database = parts.path.strip("/") or "0"
    if not database.isdigit():
        raise ValueError(f"the database in a Redis URL is a number, not {database!r}")
    return RedisAddress(
        host=parts.hostname or "",
        port=parts.port or 6379,
        database=int(database),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "rediss",
        path=parts.path if parts.scheme == "unix" else None,
    )


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
