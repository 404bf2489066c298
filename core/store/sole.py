"""The lock that keeps a second proxy from serving without Redis: limits kept in one process's memory bind only there.

It is a session's advisory lock on a connection of its own, so that it ends with the process. Losing Postgres never stops
who serves: the lock is taken again when Postgres is back.
"""

import asyncio
import logging
import os
import socket
from typing import Any

import psycopg

from core.store.database import Database

_log = logging.getLogger("aduana.sole")

_KEY = 6_382_705  # of our own choosing, as that of core.ledger.partitions
_LOCK = "SELECT pg_try_advisory_lock(%(key)s)"
_HOLDER = "SELECT holder, held_since FROM sole_proxy"
_SIGN = "UPDATE sole_proxy SET holder = %(holder)s, held_since = now()"
_SIGN_OFF = "UPDATE sole_proxy SET holder = NULL, held_since = NULL WHERE holder = %(holder)s"
_CHECK = 2.0  # seconds between looks at the connection, and between attempts to get it back


class AnotherProxyServes(Exception):
    """Without Redis one proxy process may serve, and another one does."""

    def __init__(self, holder: str | None) -> None:
        super().__init__(
            f"another proxy ({holder or 'that has not signed yet'}) serves from this database, and without Redis limits "
            "hold in one process only: set ADUANA_REDIS_URL, stop the other one, run one worker, or declare limits per "
            "replica with ADUANA_MEMORY_MODE_PER_REPLICA=true"
        )
        self.holder = holder


class SoleProxy:
    """Holds the lock from `acquire` to `release`."""

    def __init__(self, database: Database, check_seconds: float = _CHECK) -> None:
        self._connector = database.connector("aduana-sole-proxy", statement_timeout=5.0)
        self._check_seconds = check_seconds
        self._name = f"{socket.gethostname()}, process {os.getpid()}"
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether the lock is held now. A proxy that serves goes on where it is not: Postgres is away."""
        return self._connection is not None

    async def acquire(self) -> None:
        """Take the lock and keep it. Raises `AnotherProxyServes`.

        Where Postgres cannot be reached, or has no tables yet, it returns without the lock, which is taken as soon as that is
        over: a proxy may start from its snapshot's copy.
        """
        try:
            await self._take()
        except psycopg.Error as error:
            _log.warning("Postgres is away (%s): that no other proxy serves is checked when it is back", error)
        self._keeper = asyncio.get_running_loop().create_task(self._keep(), name="sole-proxy")

    async def release(self) -> None:
        """Let another one serve."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.execute(_SIGN_OFF, {"holder": self._name})
            except psycopg.Error as error:
                _log.info("the lock ends with its connection: %s", error)
            await connection.close()

    async def _take(self) -> None:
        connection = await self._connector.connect_async(autocommit=True)
        try:
            locked = await (await connection.execute(_LOCK, {"key": _KEY})).fetchone()
            if locked is None or not locked[0]:
                row = await (await connection.execute(_HOLDER)).fetchone()
                raise AnotherProxyServes(row[0] if row else None)
            await connection.execute(_SIGN, {"holder": self._name})
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    async def _keep(self) -> None:
        warned = False
        while True:
            await asyncio.sleep(self._check_seconds)
            try:
                if self._connection is None:
                    await self._take()
                    _log.info("this is again the one proxy that serves without Redis")
                    warned = False
                else:
                    await self._connection.execute("SELECT 1")
            except psycopg.Error as error:
                await self._lose()
                if not warned:
                    _log.warning("the lock of the one proxy was lost with its connection: %s", error)
                    warned = True
            except AnotherProxyServes as error:
                if not warned:
                    _log.error("two proxies serve without Redis, each with limits of its own: %s", error)
                    warned = True

    async def _lose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
