"""While peppers are rotated: keys that a caller has just shown are hashed under the newest one, and Postgres is told of them
behind the calls. The old digest is checked there, so that of two proxies one writes.
"""

import asyncio
import logging
import random
import socket
from typing import Any

import psycopg

from core.keys import Peppers, digest
from core.pepper_rotation import Rehashed, begun, rehash
from core.snapshot import KeyEntry
from core.store.database import Database

_log = logging.getLogger("aduana.rehashing")

_GATHER = 3.0  # seconds: each writing makes every proxy read the configuration again
_AGAIN = 15.0  # seconds to the next look, where rotation has not begun or Postgres does not take it
_MOST = 500  # keys of one transaction


class Rehashing:
    """One a process. Does nothing where there is one pepper."""

    def __init__(self, database: Database, peppers: Peppers) -> None:
        self._connector = database.connector("aduana-rehashing")
        self._version = peppers.newest
        self._pepper = peppers[peppers.newest]
        self._waiting: dict[str, Rehashed] = {}  # by the key's id
        self._told: dict[
            str, bytes
        ] = {}  # ids and the digests that Postgres was told of, until the snapshot has others
        self._wake = asyncio.Event()
        self._problem: str | None = None
        peppers.outdated = self.note

    def note(self, entry: KeyEntry, secret: str) -> None:
        """A key was verified under an older pepper. On a call's way, and once a key."""
        id = entry.id
        if id in self._waiting or self._told.get(id) == entry.digest or entry.pepper_version > self._version:
            return
        self._waiting[id] = Rehashed(id, entry.digest, digest(secret, self._pepper))
        self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER * random.uniform(0.5, 1.0))  # noqa: S311 - not all replicas at once
            if not await self._write():
                await asyncio.sleep(_AGAIN)

    async def _write(self) -> bool:
        """Tell Postgres; False: not now."""
        batch = list(self._waiting.values())[:_MOST]
        try:
            async with await self._connector.connect_async() as connection:
                if not await begun(connection, self._version):
                    return False
                written = await rehash(connection, self._version, batch, actor=f"proxy:{socket.gethostname()}")
        except (psycopg.Error, OSError) as error:
            self._report(_reason(error))
            return False
        self._problem = None
        for key in batch:
            del self._waiting[key.id]
            self._told[key.id] = key.old
        if not self._waiting:
            self._wake.clear()
        if written:
            _log.info("%d keys are kept under pepper version %d now", written, self._version)
        return True

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("keys stay under an older pepper, for now: %s", problem)
        self._problem = problem


def _reason(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
