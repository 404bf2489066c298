"""The table of objects as the proxy asks it: a small pool of its own, a bounded wait, and no second wait within a second
for a Postgres that did not answer."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TypeVar

import psycopg

from core.objects import Owner, is_object_id, store
from core.store.connection import StoreUnavailable
from core.store.database import Database
from core.store.pool import Connection, Store, open_store
from proxy.objects import CursorUnknown, OwnersUnavailable, Page

_log = logging.getLogger("aduana.objects")

_CONNECTIONS = 4
_PATIENCE = 2.0  # seconds for an answer
_LEFT_ALONE = 1.0  # seconds after an answer that did not come
_KNOWN = 10_000  # ids
_KNOWN_FOR = 60.0  # seconds: an owner never changes; that it was removed may have to be heard
_UNKNOWN_FOR = 1.0

Answer = TypeVar("Answer")


class OwnerTable:
    """`objects` in Postgres, and for a while what it said."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store: Store | None = None
        self._known: OrderedDict[str, tuple[float, Owner | None]] = OrderedDict()  # until when, and whose
        self._asked: set[asyncio.Task[object]] = set()
        self._away_until = 0.0

    async def start(self) -> None:
        """Waits for nobody."""
        self._store = await open_store(
            self._database, application_name="aduana-proxy-objects", max_connections=_CONNECTIONS
        )

    async def close(self) -> None:
        for task in self._asked:
            task.cancel()
        if self._store is not None:
            await self._store.close()

    async def find(self, ids: Sequence[str]) -> tuple[dict[str, Owner], bool]:
        """The known ones, whoever owns them; and whether those that are not among them are none that Postgres knows."""
        found: dict[str, Owner] = {}
        missing = []
        now = monotonic()
        for id in ids:
            until, owner = self._known.get(id, (0.0, None))
            if until < now:
                missing.append(id)
            elif owner is not None:
                found[id] = owner
        if not missing:
            return found, True
        try:
            rows = await self._ask(lambda connection: store.find(connection, missing))
        except OwnersUnavailable:
            return found, False
        for id in missing:
            self._remember(id, rows.get(id))
        return found | rows, True

    def forget(self, id: str) -> None:
        """What was said of an object holds no longer."""
        self._known.pop(id, None)

    async def page(self, part: store.Part) -> Page:
        """See `Objects.page`."""
        for cursor in (part.after, part.before):
            if cursor is not None and not is_object_id(cursor):
                raise CursorUnknown(cursor)
        try:
            owners, more = await self._ask(lambda connection: store.page(connection, part))
        except KeyError as error:
            raise CursorUnknown(error.args[0]) from None
        return Page(owners, more)

    def _remember(self, id: str, owner: Owner | None) -> None:
        self._known[id] = (monotonic() + (_UNKNOWN_FOR if owner is None else _KNOWN_FOR), owner)
        self._known.move_to_end(id)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    async def _ask(self, question: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        if monotonic() < self._away_until:
            raise OwnersUnavailable(_LEFT_ALONE)
        # A task of its own: a connection that hangs is given up in its own time, not in the caller's.
        task = asyncio.get_running_loop().create_task(self._answer(question))
        self._asked.add(task)
        task.add_done_callback(self._done)
        await asyncio.wait((task,), timeout=_PATIENCE)
        try:
            if not task.done():
                raise StoreUnavailable(f"Postgres did not say within {_PATIENCE:g} s whose an object is")
            return task.result()
        except (StoreUnavailable, psycopg.Error) as error:
            if self._away_until < monotonic():
                _log.warning("the owners of objects cannot be asked: %s", error)
            self._away_until = monotonic() + _LEFT_ALONE
            raise OwnersUnavailable(_LEFT_ALONE) from error

    async def _answer(self, question: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        assert self._store is not None, "it was not started"
        async with self._store.transaction(wait=_PATIENCE) as connection:
            return await question(connection)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone
