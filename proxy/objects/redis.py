"""`Objects` beside a ledger on Redis: Redis has what is young, Postgres everything."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from uuid import UUID

from core.ledger.keys import StreamKeys
from core.ledger.records import Call
from core.objects import NewObject, Owner, is_object_id
from core.objects.store import Part
from core.store.database import Database
from proxy.ledger import LedgerFull, LedgerUnavailable
from proxy.ledger.ownership import KEPT, is_gone, read_value, value_of
from proxy.ledger.redis import RedisLog
from proxy.objects import OwnersUnavailable, Page
from proxy.objects.claims import Claims, possible_ids
from proxy.objects.table import OwnerTable

_BEHIND = 1.0  # seconds that a list waits for the writer
_LOOK = 0.02
_AT_ONCE = 1000  # keys of one command: Redis does nothing else meanwhile


class RedisObjects:
    """`Objects` with its claims among the ledger's records on Redis."""

    def __init__(self, log: RedisLog, database: Database) -> None:
        self._log = log
        self._table = OwnerTable(database)
        self._claims = Claims()

    async def start(self) -> None:
        """See `Objects.start`."""
        await self._table.start()

    async def close(self) -> None:
        """See `Objects.close`."""
        await self._table.close()

    async def find(self, client_id: bytes, ids: Sequence[str]) -> Mapping[str, Owner]:
        """See `Objects.find`."""
        wanted = possible_ids(ids)
        if not wanted:
            return {}
        heard = True
        values: list[bytes | None] = []
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                values += await self._log.ask(client_id, "MGET", *(_key(client_id, id) for id in some))
        except LedgerUnavailable:
            heard, values = False, [None] * len(wanted)
        found: dict[str, Owner] = {}
        gone = set()
        for id, value in zip(wanted, values, strict=True):
            owner = None if value is None else read_value(client_id, id, value)
            if owner is not None:
                found[id] = owner
            elif value is not None and is_gone(value):
                gone.add(id)
        missing = [id for id in wanted if id not in found]
        if missing:
            found |= await self._find_older(client_id, missing, gone, heard)
        return found

    async def _find_older(
        self, client_id: bytes, ids: Sequence[str], gone: set[str], heard: bool
    ) -> Mapping[str, Owner]:
        """Those that Redis does not know. `gone`: of which it knows that much; `heard`: whether it answered."""
        found, told = await self._table.find(ids)
        if len(found) < len(ids) and not (heard and told and self._log.knows_all(client_id)):
            raise OwnersUnavailable(retry_after=1.0)
        for id, owner in found.items():
            if owner.client_id != client_id:
                continue
            if id in gone:
                found[id] = replace(owner, removed=True)
            elif heard:
                self._log.tell(client_id, "SET", _key(client_id, id), value_of(owner), "EX", KEPT, "NX")
        return found

    async def claim(self, call: Call, made: Sequence[NewObject]) -> None:
        """See `Objects.claim`."""
        records = self._claims.made(call, made)
        if not records:
            return
        try:
            await self._log.claim(records)
        except (LedgerUnavailable, LedgerFull) as error:
            raise OwnersUnavailable(error.retry_after) from error

    async def release(self, call: Call, id: str) -> None:
        """See `Objects.release`."""
        if is_object_id(id):
            self._table.forget(id)
            self._log.release(self._claims.gone(call, id))

    async def page(
        self,
        client_id: bytes,
        app_id: bytes,
        kind: str,
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int,
        ascending: bool = False,
    ) -> Page:
        """See `Objects.page`."""
        await self._wait_for_the_writer(client_id)
        return await self._table.page(Part(app_id, kind, after, before, limit, ascending))

    async def _wait_for_the_writer(self, client_id: bytes) -> None:
        """Until what Redis has of the client now is in Postgres: the writer then removes it from the stream."""
        log = StreamKeys(UUID(bytes=client_id)).log
        loop = asyncio.get_running_loop()
        until = loop.time() + _BEHIND
        try:
            newest = await self._log.ask(client_id, "XREVRANGE", log, "+", "-", "COUNT", 1)
            while newest and loop.time() < until:
                await asyncio.sleep(_LOOK)
                oldest = await self._log.ask(client_id, "XRANGE", log, "-", "+", "COUNT", 1)
                if not oldest or _number(oldest[0][0]) > _number(newest[0][0]):
                    return
        except LedgerUnavailable:
            return  # Postgres has what it has


def _number(entry_id: bytes) -> tuple[int, int]:
    milliseconds, number = entry_id.split(b"-")
    return int(milliseconds), int(number)


@lru_cache(maxsize=4096)
def _prefix(client_id: bytes) -> bytes:
    return StreamKeys(UUID(bytes=client_id)).objects


def _key(client_id: bytes, id: str) -> bytes:
    return _prefix(client_id) + id.encode("ascii")
