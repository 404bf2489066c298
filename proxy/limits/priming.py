"""What was spent before this process started, for counters that live in its memory: read from Postgres again and again.

Only a proxy without Redis needs it; with Redis the writer does the same behind the gate. No call ever waits here.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import psycopg
from psycopg import IsolationLevel

from core.ledger.sums import sums
from core.limits import Family
from core.snapshot import Snapshot
from core.store.database import Database

_log = logging.getLogger("aduana.limits")

_EVERY = 10.0  # seconds; estimates of calls that a former process left open come to light by it
_AGAIN = 1.0  # after a failure
_WATERMARK = "SELECT seq FROM ledger_watermarks WHERE stream = %(stream)s AND incarnation = %(incarnation)s"

Families = Mapping[bytes, tuple[Family, ...]]  # by client


class Counters(Protocol):
    """Where the sums go."""

    incarnation: UUID

    def load(self, spent: Mapping[str, int], families: Families, watermark: int) -> None: ...


class Priming:
    """Keeps counters in step with the ledger. `prime` is run beside the calls."""

    def __init__(self, database: Database, counters: Counters) -> None:
        self._connector = database.connector("aduana-proxy-limits")
        self._counters = counters
        self._families: Families = {}
        self._changed = asyncio.Event()

    def use(self, snapshot: Snapshot) -> None:
        """Count by this snapshot's rules; what is new is summed at once."""
        if snapshot.families != self._families:
            self._families = snapshot.families
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        wait = _EVERY
        while True:
            self._changed.clear()
            families = self._families
            if any(families.values()):
                try:
                    spent, watermark = await asyncio.to_thread(self._read, families)
                    self._counters.load(spent, families, watermark)
                    wait = _EVERY
                except (psycopg.Error, OSError) as error:
                    _log.warning("what is spent cannot be read now: %s", type(error).__name__)
                    wait = _AGAIN
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _read(self, families: Families) -> tuple[dict[str, int], int]:
        """Sums, and how far this process's own records are among them, of one moment."""
        incarnation = self._counters.incarnation
        where = {"stream": f"spool:{incarnation}", "incarnation": incarnation}
        spent: dict[str, int] = {}
        with self._connector.connect() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            found = connection.execute(_WATERMARK, where).fetchone()
            now = time.time()
            for client, counted in families.items():
                if counted:
                    spent |= sums(connection, UUID(bytes=client), counted, now)
        return spent, found[0] if found is not None else 0
