"""The task that accounts for what has ended. One a process; any number of processes share the work by claims."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from time import monotonic, time

import psycopg

from core.ledger.records import Settled
from core.store.connection import StoreUnavailable
from core.store.database import Database
from core.store.pool import Store, open_store
from proxy.deferred import Due, NotAccounted, table
from proxy.deferred.asking import Gone, state_of
from proxy.deferred.batches import Batches
from proxy.deferred.schedule import pause
from proxy.deferred.shares import Share, Shares, events_of
from proxy.deferred.sold import sold_as
from proxy.deferred.table import Figures
from proxy.deferred.turns import Looked, Turns
from proxy.forwarding import Forwarder
from proxy.ledger import LedgerError, LedgerLog
from proxy.metering.deferred import CONTAINER, usage_of_object
from proxy.objects import Objects, OwnersUnavailable
from proxy.routing import RouteTable

_log = logging.getLogger("aduana.deferred")

_AT_ONCE = 8  # objects
_IDLE = 1.0  # seconds between two questions for what is due
_COUNT_EVERY = 15.0
_BEFORE_CHANGE = 10.0  # seconds that a deletion waits
_LATE = 300.0  # seconds after which what is due is overdue
_EXTENDS = "videos.extend"
_DELETED = "the provider has it no more (404): what it used is not known"


class Accounting:
    """Asks for objects that are due and writes down what they used."""

    def __init__(
        self,
        database: Database,
        ledger: LedgerLog,
        objects: Objects,
        forwarder: Forwarder,
        routes: Callable[[], RouteTable | None],
        lease: float,
    ) -> None:
        """`lease`: seconds after which another process takes up what this one had claimed."""
        self._database = database
        self._ledger = ledger
        self._forwarder = forwarder
        self._objects = objects
        self._batches = Batches(forwarder, objects)
        self._turns = Turns(forwarder)
        self._routes = routes
        self._lease = lease
        self._store: Store | None = None
        self._held: dict[str, asyncio.Task[None]] = {}  # what is being asked for
        self._counted_at = float("-inf")
        self.figures = Figures()

    async def run(self) -> None:
        """Until it is cancelled. Postgres may be away."""
        self._store = store = await open_store(
            self._database, application_name="aduana-proxy-deferred", max_connections=2
        )
        keeping = asyncio.get_running_loop().create_task(self._keep_claims(store))
        try:
            while True:
                busy = await self._once(store)
                if not busy:
                    await asyncio.sleep(_IDLE * random.uniform(0.7, 1.3))  # noqa: S311 - not all replicas at once
        finally:
            tasks = [keeping, *self._held.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await store.close()

    async def before_change(self, path: str) -> None:
        """What is at a path is about to be deleted or changed at its provider: what it used is asked for while it is there."""
        store, routes = self._store, self._routes()
        if store is None or routes is None:
            return
        try:
            async with asyncio.timeout(_BEFORE_CHANGE):
                async with store.transaction(wait=2.0) as connection:
                    found = await table.claim_at(connection, path, self._lease)
                for due in found:
                    await self._account(store, routes, due, leaves=True)
        except Exception as error:  # nothing fails for it
            _log.warning("%s changes before it could be accounted for: %s", path, type(error).__name__)

    async def _once(self, store: Store) -> bool:
        """Take up what is due. Returns whether there may be more."""
        routes = self._routes()
        room = _AT_ONCE - len(self._held)
        if routes is None or room <= 0:
            return False
        try:
            async with store.transaction() as connection:
                found = await table.claim(connection, room, self._lease)
                if monotonic() - self._counted_at > _COUNT_EVERY:
                    self.figures = await table.figures(connection, _LATE)
                    self._counted_at = monotonic()
        except (StoreUnavailable, psycopg.Error) as error:
            _log.warning("usage that comes later waits for Postgres: %s", type(error).__name__)
            return False
        for due in found:
            task = asyncio.get_running_loop().create_task(self._guarded(store, routes, due))
            self._held[due.object_id] = task
        return len(found) == room and room < _AT_ONCE

    async def _guarded(self, store: Store, routes: RouteTable, due: Due) -> None:
        try:
            await self._account(store, routes, due)
        except (StoreUnavailable, psycopg.Error) as error:  # the claim runs out, and it is asked for again
            _log.warning("%s %s waits for Postgres: %s", due.kind, due.object_id, type(error).__name__)
        finally:
            self._held.pop(due.object_id, None)

    async def _account(self, store: Store, routes: RouteTable, due: Due, *, leaves: bool = False) -> None:
        """One object: ended with its events, or put off. `leaves`: it is about to be deleted, or changed."""
        age = max(0.0, time() - due.made_at)
        problem: str | None = None
        over = True
        try:
            looked = await self._look(store, routes, due, leaves)
            over = looked.over
            await self._write(store, looked.events)
        except Gone:
            problem = _DELETED
            if due.kind == CONTAINER:  # it ends by itself: it did work, and nobody says how long
                await self._write(store, events_of(due, _unreported(routes, due, CONTAINER)))
            _log.warning("%s %s: %s", due.kind, due.object_id, problem)
        except Exception as error:
            if isinstance(error, StoreUnavailable | psycopg.Error):
                raise
            if isinstance(error, NotAccounted | LedgerError):
                problem = str(error)
            else:  # a fault of ours: one object must not be asked for in a circle, nor stop the others
                problem = f"the gateway failed ({type(error).__name__}); its log says where"
                _log.exception("%s %s could not be accounted for", due.kind, due.object_id)
            async with store.transaction() as connection:
                await table.put_off(connection, due, pause(due.kind, age, failed=True), problem)
            return
        async with store.transaction() as connection:
            if over:
                await table.end(connection, due, problem)
            else:
                await table.put_off(connection, due, pause(due.kind, age), None)

    async def _look(self, store: Store, routes: RouteTable, due: Due, leaves: bool) -> Looked:
        """What it used, and whether that is all. Raises `Gone`, `NotAccounted`."""
        body = await state_of(self._forwarder, routes, due)
        if due.kind == "agent_session":
            return await self._turns.look(routes, due, body, lambda ids: self._written(store, ids))
        shares = await self._shares(routes, due, body, leaves)
        return Looked(events_of(due, shares), True) if shares is not None else Looked((), False)

    async def _shares(self, routes: RouteTable, due: Due, body: bytes, leaves: bool) -> list[Share] | None:
        """What it used, by model; None while it goes on. Raises `Gone`, `NotAccounted`."""
        new_seconds = await self._extension(due) if due.call.endpoint == _EXTENDS else None
        found = usage_of_object(due.kind, body, new_seconds=new_seconds, now=time(), leaves=leaves)
        if found is None:
            raise NotAccounted(f"upstream {due.upstream} answered what is no {due.kind}")
        if not found.ended:
            return None
        if due.kind == "batch":
            return await self._batches.shares(due, routes, body)
        shares = Shares(lambda named: sold_as(routes, due, named))
        for named, tokens in found.shares:
            shares.add(named, tokens)
        return shares.all()

    async def _extension(self, due: Due) -> str | None:
        """The seconds that were asked for of a video that goes on from another one. Raises `NotAccounted`."""
        try:
            owner = (await self._objects.find(due.call.client_id, [due.object_id])).get(due.object_id)
        except OwnersUnavailable as error:
            raise NotAccounted(str(error)) from None
        return owner.details.get("seconds") if owner is not None else None

    async def _written(self, store: Store, event_ids: Sequence[bytes]) -> set[bytes]:
        async with store.transaction() as connection:
            return await table.written(connection, event_ids)

    async def _write(self, store: Store, events: Sequence[Settled]) -> None:
        """Into the ledger, once: a process before this one may have done it and died before it said so."""
        there = await self._written(store, [event.call.id for event in events])
        for event in events:
            if event.call.id not in there:
                await self._ledger.account(event)

    async def _keep_claims(self, store: Store) -> None:
        """A large batch takes longer than a claim lasts."""
        while True:
            await asyncio.sleep(self._lease / 3)
            if not self._held:
                continue
            try:
                async with store.transaction() as connection:
                    await table.keep(connection, list(self._held), self._lease)
            except (StoreUnavailable, psycopg.Error) as error:
                _log.warning("claims could not be kept: %s", type(error).__name__)


def _unreported(routes: RouteTable, due: Due, named: str) -> list[Share]:
    shares = Shares(lambda name: sold_as(routes, due, name))
    shares.add(named, None)
    return shares.all()
