"""`Objects` beside a ledger in files: this process remembers what it wrote until Postgres has it, which has the rest."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.ledger.records import Call
from core.objects import NewObject, Owner, is_object_id
from core.objects.store import Part
from core.store.database import Database
from proxy.ledger import LedgerFull, LedgerUnavailable
from proxy.ledger.ownership import owner_of
from proxy.ledger.spool import SpoolLog
from proxy.objects import OwnersUnavailable, Page
from proxy.objects.claims import Claims, possible_ids
from proxy.objects.table import OwnerTable

_BEHIND = 1.0  # seconds that a list waits for the writer
_LOOK = 0.02


class SpoolObjects:
    """`Objects` with its claims among the ledger's records in files."""

    def __init__(self, log: SpoolLog, database: Database) -> None:
        self._log = log
        self._table = OwnerTable(database)
        self._claims = Claims()
        # What Postgres does not have yet: the record's number, by which both are in order, and whose it is.
        self._claimed: dict[str, tuple[int, Owner]] = {}
        self._released: dict[tuple[bytes, str], int] = {}  # by client and id
        self._last = 0

    async def start(self) -> None:
        """See `Objects.start`."""
        await self._table.start()

    async def close(self) -> None:
        """See `Objects.close`."""
        await self._table.close()

    async def find(self, client_id: bytes, ids: Sequence[str]) -> Mapping[str, Owner]:
        """See `Objects.find`."""
        wanted = possible_ids(ids)
        self._forget_committed()
        found = {id: self._claimed[id][1] for id in wanted if id in self._claimed}
        missing = [id for id in wanted if id not in found]
        if missing:
            older, told = await self._table.find(missing)
            found |= older
            if len(found) < len(wanted) and not told:
                raise OwnersUnavailable(retry_after=1.0)
        if self._released:
            for id, owner in found.items():
                if (owner.client_id, id) in self._released:
                    found[id] = replace(owner, removed=True)
        return found

    async def claim(self, call: Call, made: Sequence[NewObject]) -> None:
        """See `Objects.claim`."""
        records = self._claims.made(call, made)
        if not records:
            return
        self._forget_committed()
        try:
            number = self._log.claim(records)
        except (LedgerUnavailable, LedgerFull) as error:
            raise OwnersUnavailable(error.retry_after) from error
        self._last = number
        for record in records:
            self._claimed.setdefault(record.id, (number, owner_of(record)))

    async def release(self, call: Call, id: str) -> None:
        """See `Objects.release`."""
        if not is_object_id(id):
            return
        self._table.forget(id)
        try:
            self._last = self._log.release(self._claims.gone(call, id))
        except LedgerFull:
            return
        self._released.setdefault((call.client_id, id), self._last)

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
        await self._wait_for_the_writer()
        return await self._table.page(Part(app_id, kind, after, before, limit, ascending))

    async def _wait_for_the_writer(self) -> None:
        """Until what this process has claimed and released before is in Postgres."""
        loop = asyncio.get_running_loop()
        last, until = self._last, loop.time() + _BEHIND
        while self._log.look() < last and loop.time() < until:  # noqa: ASYNC110 - another process raises it
            await asyncio.sleep(_LOOK)

    def _forget_committed(self) -> None:
        """What Postgres has need not be remembered; what it said before it had it holds no longer."""
        committed = self._log.committed
        while self._claimed:
            id = next(iter(self._claimed))
            if self._claimed[id][0] > committed:
                break
            del self._claimed[id]
            self._table.forget(id)
        while self._released:
            client, id = next(iter(self._released))
            if self._released[client, id] > committed:
                break
            del self._released[client, id]
            self._table.forget(id)
