"""The writer's loop: read, commit, forget; months ahead, orphans and old watermarks now and then."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from core.ledger import orphans, partitions
from core.ledger.alerts import raise_alerts
from core.ledger.records import Made, Settled
from core.ledger.store import Batch, commit, lock, watermarks_of
from core.ledger.sums import sums
from core.limits.fields import parse_families
from proxy.writer import Gate, Piece, Source, SourceAway

_log = logging.getLogger("aduana.writer")

_SHORTEST_IDLE = 0.02  # seconds between two looks at empty streams
_LONGEST_IDLE = 0.25
_SHORTEST_BACKOFF = 0.1
_LONGEST_BACKOFF = 2.0
_HOUR = 3600.0
_ALERTS_EVERY = 1.0
_BUDGETS_EVERY = 60.0
_QUARTER = 900
_LAST_DRAIN = 5.0  # seconds after SIGTERM

_CLIENTS = "SELECT id FROM clients"
# A proxy that comes back after that long finds its numbering unknown and everything it holds is long committed or lost.
_PRUNE = """
DELETE FROM ledger_watermarks w
WHERE heard_at < now() - interval '35 days'
  AND NOT EXISTS (SELECT 1 FROM admitted_calls c WHERE c.stream = w.stream AND c.incarnation = w.incarnation)
"""
_PRUNE_STREAMS = """
DELETE FROM ledger_streams s
WHERE stream LIKE 'spool:%' AND NOT EXISTS (SELECT 1 FROM ledger_watermarks w WHERE w.stream = s.stream)
"""
# A piece at a time: nobody waits for the rows of a busy month.
_PRUNE_DEFERRED = """
DELETE FROM deferred_usage WHERE object_id IN (
    SELECT object_id FROM deferred_usage WHERE ended_at < now() - %(days)s * interval '1 day'
    ORDER BY ended_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
"""
_PRUNED_AT_ONCE = 5_000


@dataclass(slots=True)
class Totals:
    """What this writer has done since it started."""

    records: int = 0
    calls: int = 0
    corrected: int = 0
    ignored: int = 0  # settlements that came twice
    orphans: int = 0
    rejected: int = 0
    missing: int = 0
    objects: int = 0  # whose owner was written down
    transactions: int = 0
    gates: int = 0  # opened
    alerts: int = 0  # raised
    lag: float = 0.0  # seconds from handing on to commit, of the last piece
    reached_postgres_at: float = float("-inf")  # monotonic
    reached_sources_at: float = float("-inf")


class Writer:
    """One writer. `connect` opens a connection to Postgres in autocommit; `sources` are given who the clients are."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        sources: Callable[[Callable[[], list[UUID]]], Sequence[Source]],
        lease_seconds: float,
        deferred_kept_days: int,
    ) -> None:
        self._connect = connect
        self._lease = lease_seconds
        self._deferred_kept_days = deferred_kept_days
        self._orphans_every = min(max(lease_seconds / 8, 0.1), 10.0)
        self._connection: psycopg.Connection[Any] | None = None
        self._clients: list[UUID] = []
        self._sources = sources(lambda: self._clients)
        self._suspects: set[str] = set()  # streams with open calls, to be looked at in this pass
        self._looked = False  # in this pass
        self._look_at = 0.0
        self._chores_at = 0.0
        self._clients_at = 0.0
        self._alerts_at = 0.0
        self._budgets_at = 0.0
        self._admitted: dict[UUID, set[float]] = {}  # clients of new rows, and when they were admitted
        self._unreadable: Gate | None = None
        self.totals = Totals()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, drain once more, and return."""
        idle, backoff = _SHORTEST_IDLE, _SHORTEST_BACKOFF
        troubled: str | None = None
        while not stop.is_set():
            try:
                busy = self.drain()
            except (psycopg.Error, SourceAway) as error:
                text = f"{type(error).__name__}: {error}"
                if troubled is None:
                    _log.warning("the writer waits: %s", text)
                troubled = text
                if isinstance(error, psycopg.Error):
                    self._disconnect()
                stop.wait(backoff)
                backoff = min(backoff * 2, _LONGEST_BACKOFF)
                continue
            if troubled is not None:
                _log.info("the writer goes on")
                troubled, backoff = None, _SHORTEST_BACKOFF
            idle = _SHORTEST_IDLE if busy else min(idle * 1.5, _LONGEST_IDLE)
            if not busy:
                stop.wait(idle)
        self._drain_once_more()
        self._disconnect()

    def drain(self) -> bool:
        """One pass over all streams. Returns whether more waits. Raises `psycopg.Error` or `SourceAway`."""
        connection = self._connected()
        self._chores(connection)
        more = False
        away: SourceAway | None = None
        for source in self._sources:
            try:
                for piece in source.read():
                    try:
                        more |= self._take(connection, source, piece)
                    except SourceAway as error:  # the other streams are drained all the same
                        away = error
            except SourceAway as error:  # and the other source
                away = error
        if away is not None:
            raise away
        self.totals.reached_sources_at = time.monotonic()
        self._suspects.clear()
        self._looked = False
        self._raise_alerts(connection)
        return more

    def _take(self, connection: psycopg.Connection[Any], source: Source, piece: Piece) -> bool:
        """Returns whether there is reason to come back at once."""
        if piece.batches:
            if not source.counted:
                self._close_gates(_clients_of(piece.batches))
            done = commit(
                connection,
                piece.stream,
                piece.batches,
                before_correction=lambda: self._close_gates([piece.stream]),
                before_contest=lambda contested: _disown(source, contested),
            )
            self.totals.reached_postgres_at = time.monotonic()
            if done is None:
                return False
            self._touched(piece.batches)
            if not source.counted:  # it may have been opened between
                self._close_gates(_clients_of(piece.batches))
            source.forget(piece, done.watermarks)
            totals = self.totals
            totals.transactions += 1
            totals.records += done.records
            totals.calls += done.calls
            totals.corrected += done.corrected
            totals.ignored += done.ignored
            totals.rejected += done.rejected
            totals.objects += done.objects
            totals.missing += done.missing
            totals.lag = max(0.0, time.time() - piece.written_ms / 1000)
            if done.ignored:
                _log.warning("%d settlements of stream %s had their row already", done.ignored, piece.stream)
            if done.missing:
                _log.error("%d records of stream %s were lost before they got here", done.missing, piece.stream)
        elif piece.ended and self._looked and piece.stream not in self._suspects:
            source.retire(piece.stream)
        if piece.ended and piece.stream in self._suspects:
            self._suspects.discard(piece.stream)
            count = orphans.estimate(
                connection, piece.stream, self._lease, before_commit=lambda: self._close_gates([piece.stream])
            )
            self.totals.orphans += count
            if count:
                _log.warning("%d calls of stream %s lost their proxy and are estimated", count, piece.stream)
        if piece.gate is not None and piece.ended and not piece.batches:
            self._open_gate(connection, source, piece.stream, piece.gate)
        # Callers wait behind a closed gate: its stream is looked at again at once.
        return bool(piece.batches) or piece.gate is not None

    def _close_gates(self, streams: Iterable[str]) -> None:
        """Rows of these clients change that no proxy counts in Redis."""
        for stream in streams:
            if not stream.startswith("spool:"):
                for source in self._sources:
                    source.close_gate(UUID(stream))

    def _open_gate(self, connection: psycopg.Connection[Any], source: Source, stream: str, gate: Gate) -> None:
        """Sum what the client has spent and let its calls in again. Nobody else writes its rows meanwhile."""
        try:
            families = parse_families(gate.wanted.decode())
        except ValueError as error:
            if gate != self._unreadable:
                _log.error("the gate of client %s stays closed: %s", gate.client, error)
                self._unreadable = gate
            return
        with connection.transaction():
            if not lock(connection, stream):
                return
            spent = sums(connection, gate.client, families, time.time())
            if source.open_gate(gate, watermarks_of(connection, stream), spent):
                self.totals.gates += 1

    def _raise_alerts(self, connection: psycopg.Connection[Any]) -> None:
        """Once a second; what fails here is tried again and stops nothing."""
        now = time.monotonic()
        if not self._admitted or now < self._alerts_at:
            return
        self._alerts_at = now + _ALERTS_EVERY
        admitted, self._admitted = self._admitted, {}
        try:
            self.totals.alerts += raise_alerts(connection, admitted)
        except psycopg.Error as error:
            _log.warning("alerts wait: %s", type(error).__name__)
            for client, times in admitted.items():
                self._admitted.setdefault(client, set()).update(times)
            if isinstance(error, psycopg.OperationalError):
                raise

    def _touched(self, batches: Sequence[Batch]) -> None:
        """Remember whose budgets are to be looked at, in which quarter of an hour: periods begin on none between."""
        for batch in batches:
            for record in batch.records:
                if isinstance(record, Settled):
                    at = int.from_bytes(record.call.id[:6], "big") // 1000
                    self._admitted.setdefault(UUID(bytes=record.call.client_id), set()).add(at - at % _QUARTER)

    def _chores(self, connection: psycopg.Connection[Any]) -> None:
        now = time.monotonic()
        if now >= self._clients_at:
            self._clients = [client for (client,) in connection.execute(_CLIENTS).fetchall()]
            self._clients_at = now + 1.0
            self.totals.reached_postgres_at = now
        if now >= self._look_at:
            self._suspects = orphans.streams_with_open_calls(connection)
            self._looked = True
            self._look_at = now + self._orphans_every
        if now >= self._budgets_at:  # one that was lowered is reached though nobody calls
            self._budgets_at = now + _BUDGETS_EVERY
            for client in self._clients:
                self._admitted.setdefault(client, set()).add(time.time() // _QUARTER * _QUARTER)
        if now >= self._chores_at:
            self._chores_at = now + _HOUR
            try:
                partitions.ensure(connection, datetime.now(UTC))
            except psycopg.errors.LockNotAvailable:
                _log.info("the months ahead wait: the ledger's tables are in use")
                self._chores_at = now + 10.0
            except psycopg.errors.InsufficientPrivilege as error:  # rows go to the default partition meanwhile
                _log.error("the writer's role may not make the ledger's partitions: %s", error)
            connection.execute(_PRUNE)
            connection.execute(_PRUNE_STREAMS)
            self._prune_deferred(connection)
            self.totals.orphans += orphans.estimate_forgotten(
                connection,
                orphans.streams_with_open_calls(connection),
                self._lease,
                before_commit=lambda stream: self._close_gates([stream]),
            )

    def _prune_deferred(self, connection: psycopg.Connection[Any]) -> None:
        """Remove what was accounted for long ago; where there is much of it, the rest comes soon."""
        where = {"days": self._deferred_kept_days, "most": _PRUNED_AT_ONCE}
        if connection.execute(_PRUNE_DEFERRED, where).rowcount == _PRUNED_AT_ONCE:
            self._chores_at = time.monotonic() + 1.0

    def _drain_once_more(self) -> None:
        until = time.monotonic() + _LAST_DRAIN
        try:
            while self.drain() and time.monotonic() < until:
                pass
        except (psycopg.Error, SourceAway) as error:
            _log.warning("what is left waits for the next writer: %s: %s", type(error).__name__, error)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _disown(source: Source, contested: Sequence[Made]) -> None:
    by_client: dict[UUID, list[str]] = {}
    for record in contested:
        by_client.setdefault(UUID(bytes=record.call.client_id), []).append(record.id)
    for client, ids in by_client.items():
        source.disown(client, ids)


def _clients_of(batches: Sequence[Batch]) -> set[str]:
    return {
        str(UUID(bytes=record.call.client_id))
        for batch in batches
        for record in batch.records
        if isinstance(record, Settled)
    }
