"""Commits what a stream holds, in one transaction: rows, open calls, rollups and the watermark, or nothing of it.

Exactly once rests on that: a record at or below its incarnation's watermark is in Postgres and is left out. Which stream
is whose is settled by a row lock; nothing here reads Redis or files.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from core.ledger import rows
from core.ledger.records import Admitted, Gone, Made, Record, Settled, Unreadable, Voided, encode
from core.ledger.rollups import Rollups
from core.objects import store as objects

_log = logging.getLogger("aduana.writer")

_LOCK = "SELECT 1 FROM ledger_streams WHERE stream = %(stream)s FOR UPDATE SKIP LOCKED"
_ADD_STREAM = "INSERT INTO ledger_streams (stream) VALUES (%(stream)s) ON CONFLICT DO NOTHING"
_WATERMARKS = """
SELECT incarnation, seq FROM ledger_watermarks WHERE stream = %(stream)s AND incarnation = ANY(%(incarnations)s)
"""
_RAISE_WATERMARKS = """
INSERT INTO ledger_watermarks (stream, incarnation, seq, heard_at)
SELECT %(stream)s, incarnation, seq, now() FROM unnest(%(incarnations)s::uuid[], %(seqs)s::bigint[]) w (incarnation, seq)
ON CONFLICT (stream, incarnation) DO UPDATE SET seq = excluded.seq, heard_at = excluded.heard_at
"""
_ALL_WATERMARKS = "SELECT incarnation, seq FROM ledger_watermarks WHERE stream = %(stream)s"
_CLOSE_CALLS = "DELETE FROM admitted_calls WHERE id = ANY(%(ids)s) RETURNING id"
_COPY_OPEN = "COPY admitted_calls (id, stream, incarnation, record) FROM STDIN (FORMAT binary)"
_OPEN_CALL = """
INSERT INTO admitted_calls (id, stream, incarnation, record) VALUES (%(id)s, %(stream)s, %(incarnation)s, %(record)s)
ON CONFLICT DO NOTHING
"""
_REJECT = """
INSERT INTO ledger_rejects (stream, incarnation, seq, reason, record)
VALUES (%(stream)s, %(incarnation)s, %(seq)s, %(reason)s, %(record)s)
"""


FOREIGN = UUID(int=0)
"""The incarnation of what no proxy wrote: its numbers grow and have gaps."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that one incarnation numbered one after the other."""

    incarnation: UUID
    first_seq: int
    records: Sequence[Record | Unreadable]


@dataclass(frozen=True, slots=True)
class Committed:
    """What one transaction did."""

    watermarks: dict[UUID, int]  # of each incarnation in the batches, as Postgres has it now
    records: int = 0  # that were new
    calls: int = 0  # rows written
    corrected: int = 0  # estimates replaced
    ignored: int = 0  # settlements of calls whose row is there already
    rejected: int = 0
    missing: int = 0  # numbers that were skipped: records lost with a Redis and its proxy, or in a torn file
    objects: int = 0  # whose owner is known from here on


@dataclass(frozen=True, slots=True)
class _Before:
    """What is called before a transaction commits that changes what Redis has taken otherwise."""

    correction: Callable[[], None]
    contest: Callable[[Sequence[Made]], None]


class _Work:
    """The new records of some batches, sorted by what is to be done."""

    def __init__(self) -> None:
        self.settled: dict[bytes, Settled] = {}
        self.admitted: dict[bytes, tuple[UUID, Admitted]] = {}
        self.sure: set[bytes] = set()  # settled here, and admitted here: not in any table yet
        self.voided: set[bytes] = set()
        self.made: dict[str, Made] = {}
        self.gone: dict[str, Gone] = {}
        self.contested: list[Made] = []  # belong to somebody else
        self.owned: set[str] = set()  # objects whose owner is known from here on
        self.rejected: list[tuple[UUID, int, Unreadable]] = []
        self.ignored = 0  # settlements of calls that have their row
        self.records = 0
        self.missing = 0

    def take(self, incarnation: UUID, seq: int, record: Record | Unreadable) -> None:
        self.records += 1
        kind = type(record)
        if kind is Settled:
            event_id = record.call.id  # type: ignore[union-attr]
            if self.admitted.pop(event_id, None) is not None:
                self.sure.add(event_id)
            if self.settled.setdefault(event_id, record) is not record:  # type: ignore[arg-type]
                self.ignored += 1
        elif kind is Admitted:
            self.admitted[record.call.id] = (incarnation, record)  # type: ignore[union-attr,assignment]
        elif kind is Voided:
            event_id = record.id  # type: ignore[union-attr]
            if self.admitted.pop(event_id, None) is None:  # type: ignore[arg-type]
                self.voided.add(event_id)  # type: ignore[arg-type]
        elif kind is Made:
            self._take_made(record)  # type: ignore[arg-type]
        elif kind is Gone:
            self.gone[record.id] = record  # type: ignore[union-attr,assignment,index]
        elif kind is Unreadable:
            self.rejected.append((incarnation, seq, record))  # type: ignore[arg-type]

    def _take_made(self, record: Made) -> None:
        first = self.made.setdefault(record.id, record)
        if first is not record and objects.place(first) != objects.place(record):
            self.contested.append(record)


def lock(connection: psycopg.Connection[Any], stream: str) -> bool:
    """Take the stream for this transaction; False while another writer has it."""
    if connection.execute(_LOCK, {"stream": stream}).fetchone():
        return True
    connection.execute(_ADD_STREAM, {"stream": stream})  # waits for nobody: a locked row is no conflict to wait for
    return connection.execute(_LOCK, {"stream": stream}).fetchone() is not None


def watermarks_of(connection: psycopg.Connection[Any], stream: str) -> dict[UUID, int]:
    """How far each incarnation's records of a stream are in Postgres."""
    return dict(connection.execute(_ALL_WATERMARKS, {"stream": stream}).fetchall())


def commit(
    connection: psycopg.Connection[Any],
    stream: str,
    batches: Sequence[Batch],
    before_correction: Callable[[], None] = lambda: None,
    before_contest: Callable[[Sequence[Made]], None] = lambda _: None,
) -> Committed | None:
    """Bring a stream's oldest records into Postgres; None while another writer has the stream.

    `before_correction` is called before a transaction commits after which Redis counts what Postgres does not: it replaces
    estimates, or ignores settlements whose row is there already; `before_contest` before one commits after which Redis has
    the wrong owner of an object. Where they raise, nothing of the transaction happens. A record that Postgres refuses is
    mended or put aside, and never keeps the others back. Raises `psycopg.OperationalError` when Postgres went away: nothing,
    or all of it, has happened, and the watermark tells.
    """
    before = _Before(before_correction, before_contest)
    try:
        try:
            return _commit(connection, stream, batches, before, one_by_one=False)
        except psycopg.errors.CheckViolation:  # a row was on its way to the default partition when its month was made
            return _commit(connection, stream, batches, before, one_by_one=False)
    except Exception as error:
        if not _blames_a_record(error):
            raise
        _log.warning("a batch of %s was refused (%s); its records are taken one by one", stream, type(error).__name__)
        return _commit(connection, stream, batches, before, one_by_one=True)


def _commit(
    connection: psycopg.Connection[Any],
    stream: str,
    batches: Sequence[Batch],
    before: "_Before",
    *,
    one_by_one: bool,
) -> Committed | None:
    with connection.transaction():
        if not lock(connection, stream):
            return None
        incarnations = list({batch.incarnation for batch in batches})
        found = connection.execute(_WATERMARKS, {"stream": stream, "incarnations": incarnations})
        watermarks: dict[UUID, int] = dict.fromkeys(incarnations, 0) | dict(found.fetchall())
        work = _new_records(batches, watermarks)
        if not work.records:
            return Committed(watermarks)
        rollups = Rollups()
        if one_by_one:
            calls, corrected, rejected = _write_one_by_one(connection, stream, work, rollups)
        else:
            calls, corrected = _write(connection, stream, work, rollups)
            rejected = 0
        for incarnation, seq, record in work.rejected:
            reject(connection, stream, incarnation, seq, record.reason, record.data)
        rollups.write(connection)
        if corrected or work.ignored:
            before.correction()
        rejected += _settle_contests(connection, stream, work, before)
        connection.execute(
            _RAISE_WATERMARKS,
            {"stream": stream, "incarnations": list(watermarks), "seqs": list(watermarks.values())},
        )
        rejected += len(work.rejected)
        return Committed(
            watermarks, work.records, calls, corrected, work.ignored, rejected, work.missing, len(work.owned)
        )


def _new_records(batches: Sequence[Batch], watermarks: dict[UUID, int]) -> _Work:
    """What is above the watermarks, which are raised to what the batches hold."""
    work = _Work()
    for batch in batches:
        watermark = watermarks[batch.incarnation]
        if batch.first_seq > watermark + 1 and batch.incarnation != FOREIGN:
            work.missing += batch.first_seq - watermark - 1
        for seq, record in enumerate(batch.records, batch.first_seq):
            if seq > watermark:
                work.take(batch.incarnation, seq, record)
                watermark = seq
        watermarks[batch.incarnation] = watermark
    return work


def _write(connection: psycopg.Connection[Any], stream: str, work: _Work, rollups: Rollups) -> tuple[int, int]:
    """All of it in bulk. Returns how many rows were written and how many of them replaced an estimate."""
    closing = [event_id for event_id in (*work.settled, *work.voided) if event_id not in work.sure]
    sure = work.sure
    if closing:
        closed = connection.execute(_CLOSE_CALLS, {"ids": [UUID(bytes=each) for each in closing]}).fetchall()
        sure = sure.union(each[0].bytes for each in closed)
    fresh = [row for event_id, row in work.settled.items() if event_id in sure]
    # Neither open nor admitted here: the admission was superseded, or the call is there, perhaps as an estimate.
    unsure, corrected = rows.replace_estimates(
        connection, [row for event_id, row in work.settled.items() if event_id not in sure], rollups
    )
    new = fresh + unsure
    work.ignored += len(work.settled) - len(new)
    if new:
        rows.insert(connection, new, rollups)
    if work.admitted:
        with connection.cursor() as cursor, cursor.copy(_COPY_OPEN) as copy:
            copy.set_types(["uuid", "text", "uuid", "bytea"])
            for event_id, (incarnation, admission) in work.admitted.items():
                copy.write_row((UUID(bytes=event_id), stream, incarnation, encode(admission)))
    if work.made:
        work.owned, contested = objects.insert(connection, work.made.values())
        work.contested += contested
    if work.gone:
        objects.remove(connection, work.gone.values())
    return len(new), corrected


def _write_one_by_one(
    connection: psycopg.Connection[Any], stream: str, work: _Work, rollups: Rollups
) -> tuple[int, int, int]:
    """The same, a savepoint a record; returns also how many had to be put aside."""
    calls = corrected = rejected = 0
    ids = [UUID(bytes=each) for each in (*work.settled, *work.voided) if len(each) == 16]
    connection.execute(_CLOSE_CALLS, {"ids": ids})
    for row in work.settled.values():
        for attempt in (row, rows.mended(row)):
            tried = Rollups()
            try:
                with connection.transaction():
                    new, replaced = rows.replace_estimates(connection, [attempt], tried)
                    rows.insert(connection, new, tried)
                    tried.write(connection)
            except Exception as error:
                if not _blames_a_record(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
                continue
            calls, corrected = calls + len(new), corrected + replaced
            work.ignored += 1 - len(new)
            break
        else:
            rejected += 1
            reject(connection, stream, None, None, reason, encode(row))
    for event_id, (incarnation, admission) in work.admitted.items():
        open_call = {"id": event_id.hex(), "stream": stream, "incarnation": incarnation, "record": encode(admission)}
        try:
            with connection.transaction():
                connection.execute(_OPEN_CALL, open_call)
        except Exception as error:
            if not _blames_a_record(error):
                raise
            rejected += 1
            reject(connection, stream, incarnation, None, f"{type(error).__name__}: {error}", encode(admission))
    return calls, corrected, rejected + _write_objects_one_by_one(connection, stream, work)


def _write_objects_one_by_one(connection: psycopg.Connection[Any], stream: str, work: _Work) -> int:
    """The objects' part of it; returns how many had to be put aside."""
    rejected = 0
    for record in work.made.values():
        for attempt in (record, objects.mended(record)):
            try:
                with connection.transaction():
                    new, contested = objects.insert(connection, [attempt])
            except Exception as error:
                if not _blames_a_record(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
                continue
            work.owned |= new
            work.contested += contested
            break
        else:
            rejected += 1
            reject(connection, stream, None, None, reason, encode(record))
    for gone in work.gone.values():
        try:
            with connection.transaction():
                objects.remove(connection, [gone])
        except Exception as error:
            if not _blames_a_record(error):
                raise
            rejected += 1
            reject(connection, stream, None, None, f"{type(error).__name__}: {error}", encode(gone))
    return rejected


def _settle_contests(connection: psycopg.Connection[Any], stream: str, work: _Work, before: _Before) -> int:
    """An owner never changes: whoever claims an object after its owner gets nothing. Returns how many did."""
    for record in work.contested:
        reason = f"{record.kind} {record.id!r} belongs to another app, or to another upstream, already"
        reject(connection, stream, None, None, reason, encode(record))
    # Of two in this transaction Redis, too, has taken the first.
    known = [record for record in work.contested if record.id not in work.owned]
    if known:
        before.contest(known)
    return len(work.contested)


def reject(
    connection: psycopg.Connection[Any],
    stream: str,
    incarnation: UUID | None,
    seq: int | None,
    reason: str,
    data: bytes,
) -> None:
    """Put a record aside that cannot become a row, in the caller's transaction."""
    _log.error("a ledger record was put aside: stream %s, incarnation %s, seq %s", stream, incarnation, seq)
    clean = reason.replace("\0", "\ufffd")[:500]
    connection.execute(
        _REJECT, {"stream": stream, "incarnation": incarnation, "seq": seq, "reason": clean, "record": data}
    )


def _blames_a_record(error: Exception) -> bool:
    """Whether the data are at fault, and not Postgres, its schema or the line to it."""
    if isinstance(error, psycopg.Error):
        if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
            return True
        return (error.sqlstate or "").startswith("54")  # program limit exceeded: too long for an index
    return isinstance(error, ValueError | OverflowError | TypeError | ArithmeticError)
