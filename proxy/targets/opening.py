"""Opens the board's connections: to the node that has the board, logged in as the ledger is.

A renewed login is not sent on them (a connection that listens takes no command in RESP2): they are opened anew, and what
holds is read and told again, as after a broken connection.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from core.redis import RedisAddress
from core.redis.login import Credentials, Login
from core.redis.slots import key_slot, read_slots
from core.targets import BOARD


@dataclass(frozen=True, slots=True)
class Opened:
    """A client, and what it was logged in with."""

    redis: "redis.Redis"
    credentials: Credentials | None


Open = Callable[[], Awaitable[Opened]]


class _Certified(redis.SSLConnection):
    """Verifies a node by another name than the one it is reached by."""

    def __init__(self, *, certified: str, **options: Any) -> None:
        super().__init__(**options)
        self._certified = certified

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self._certified}


def opener(address: RedisAddress, login: Login, timeout: float, ca_bundle: Path | None = None) -> Open:
    """Opens clients of a Redis; `timeout` in seconds. Raises `RedisError`, `OSError` or `LoginUnavailable`."""

    def client(at: RedisAddress, credentials: Credentials | None) -> "redis.Redis":
        options: dict[str, Any] = {
            "db": at.database,
            "username": credentials.username if credentials is not None else None,
            "password": credentials.password if credentials is not None else None,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
            "client_name": "aduana-targets",
            "protocol": 2,
        }
        kind: Any = redis.Connection
        if at.path is not None:
            kind, options["path"] = redis.UnixDomainSocketConnection, at.path
        else:
            options |= {"host": at.host, "port": at.port}
        if at.tls:
            kind, options["certified"] = _Certified, at.server_name
            options["ssl_ca_certs"] = None if ca_bundle is None else str(ca_bundle)
        return redis.Redis.from_pool(redis.ConnectionPool(connection_class=kind, **options))

    async def open_redis() -> Opened:
        credentials = await login.obtain()
        opened = client(address, credentials)
        try:
            owner = await _owner(opened, address)
        except (RedisError, OSError):
            await opened.aclose()
            raise
        if owner is not None and owner != address:
            await opened.aclose()
            opened = client(owner, credentials)
        return Opened(opened, credentials)

    return open_redis


async def _owner(client: "redis.Redis", address: RedisAddress) -> RedisAddress | None:
    """Where the board is in a cluster; None: Redis is none, or nobody has it now."""
    try:
        told = read_slots(await client.execute_command("CLUSTER", "SLOTS"), address)  # type: ignore[no-untyped-call]
    except ResponseError:
        return None
    return None if told is None else told.owner(key_slot(BOARD))
