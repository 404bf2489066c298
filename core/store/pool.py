"""The store as a service holds it: a small pool of checked connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from core.store.connection import StoreUnavailable
from core.store.database import LONGEST_LIFE, Connector, Database

Connection = AsyncConnection[tuple[Any, ...]]


class Store:
    """Hands out connections; each is checked before it is lent, so that none is one that Postgres closed meanwhile."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self, wait: float = 5.0) -> AsyncIterator[Connection]:
        """A connection in a transaction: committed at the end of the block, rolled back when it raises.

        Raises `StoreUnavailable` when Postgres does not answer within `wait` seconds, or is lost in the middle.
        """
        try:
            connection = await self._pool.getconn(timeout=wait)
        except (PoolTimeout, PoolClosed, OperationalError) as error:
            raise StoreUnavailable(f"Postgres is not available: {_reason(error)}") from error
        try:
            async with connection.transaction():
                yield connection
        except OperationalError as error:
            if connection.broken or connection.closed:
                raise StoreUnavailable(f"Postgres went away: {_reason(error)}") from error
            raise
        finally:
            await self._pool.putconn(connection)

    async def close(self) -> None:
        await self._pool.close()


async def open_store(
    database: Database, *, application_name: str = "aduana", max_connections: int = 4, statement_timeout: float = 30.0
) -> Store:
    """Open the store. Does not wait for Postgres: it may come later."""
    connector = database.connector(application_name, statement_timeout=statement_timeout)
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        connection_class=_opened_by(connector),
        min_size=0,
        max_size=max_connections,
        max_idle=60.0,
        max_lifetime=LONGEST_LIFE if database.by_token else 3600.0,
        reconnect_timeout=10.0,
        check=AsyncConnectionPool.check_connection,
        name=application_name,
        open=False,
    )
    await pool.open()
    return Store(pool)


def _opened_by(connector: Connector) -> type[Connection]:
    class Opened(AsyncConnection[tuple[Any, ...]]):
        """The pool's way of opening one, turned to ours: each by what lets us in at that moment."""

        @classmethod
        async def connect(cls, conninfo: str = "", **_: Any) -> Any:
            return await connector.connect_async()

    return Opened


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
