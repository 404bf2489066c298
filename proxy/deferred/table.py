"""The table of what is to be accounted for, in SQL: claimed by one proxy at a time, put off, ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from core.ids import admitted_at
from core.ledger.records import Call
from core.store.pool import Connection
from proxy.deferred import Due

_LONGEST = 500  # characters of a problem

_COLUMNS = "object_id, kind, record, upstream, path, attempts"
_CLAIM = f"""
UPDATE deferred_usage SET claimed_until = now() + %(lease)s * interval '1 second', attempts = attempts + 1
WHERE object_id IN (
    SELECT object_id FROM deferred_usage
    WHERE ended_at IS NULL AND due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
    ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
RETURNING {_COLUMNS}
"""  # noqa: S608 - nothing of it is given
_CLAIM_AT = f"""
UPDATE deferred_usage SET claimed_until = now() + %(lease)s * interval '1 second', attempts = attempts + 1
WHERE ended_at IS NULL AND (path = %(path)s OR starts_with(path, %(path)s || '/'))
  AND (claimed_until IS NULL OR claimed_until < now())
RETURNING {_COLUMNS}
"""  # noqa: S608
_KEEP = """
UPDATE deferred_usage SET claimed_until = now() + %(lease)s * interval '1 second'
WHERE object_id = ANY(%(ids)s) AND ended_at IS NULL
"""
_PUT_OFF = """
UPDATE deferred_usage
SET due_at = now() + %(pause)s * interval '1 second', claimed_until = NULL, problem = %(problem)s
WHERE object_id = %(id)s AND attempts = %(attempt)s AND ended_at IS NULL
"""
_END = """
UPDATE deferred_usage SET ended_at = now(), claimed_until = NULL, problem = %(problem)s
WHERE object_id = %(id)s AND attempts = %(attempt)s
"""
_WRITTEN = """
SELECT id FROM usage_events WHERE id = ANY(%(ids)s) AND admitted_at = ANY(%(at)s) AND usage_source <> 'estimated'
"""
_FIGURES = """
SELECT count(*), count(*) FILTER (WHERE due_at < now() - %(late)s * interval '1 second'),
       count(*) FILTER (WHERE problem IS NOT NULL)
FROM deferred_usage WHERE ended_at IS NULL
"""

_decode_call = msgspec.msgpack.Decoder(Call).decode


@dataclass(frozen=True, slots=True)
class Figures:
    """How many objects wait to be accounted for."""

    pending: int = 0
    overdue: int = 0  # nobody looked although it was time
    failing: int = 0  # could not be accounted for the last time


async def claim(connection: Connection, most: int, lease: float) -> list[Due]:
    """Take what is due, the oldest first, for `lease` seconds: nobody else gets it until then."""
    cursor = await connection.execute(_CLAIM, {"most": most, "lease": lease})
    return [_due(row) for row in await cursor.fetchall()]


async def claim_at(connection: Connection, path: str, lease: float) -> list[Due]:
    """The same of what is at a path or below it, whether it is due or not."""
    cursor = await connection.execute(_CLAIM_AT, {"path": path, "lease": lease})
    return [_due(row) for row in await cursor.fetchall()]


async def keep(connection: Connection, object_ids: Sequence[str], lease: float) -> None:
    """Go on having what was claimed."""
    await connection.execute(_KEEP, {"ids": list(object_ids), "lease": lease})


async def put_off(connection: Connection, due: Due, pause: float, problem: str | None) -> None:
    """Give it back until `pause` seconds from now, unless it works on since."""
    where = {"id": due.object_id, "attempt": due.attempt}
    await connection.execute(_PUT_OFF, {**where, "pause": pause, "problem": _clean(problem)})


async def end(connection: Connection, due: Due, problem: str | None) -> None:
    """It is accounted for, unless it works on since."""
    where = {"id": due.object_id, "attempt": due.attempt}
    await connection.execute(_END, {**where, "problem": _clean(problem)})


async def written(connection: Connection, event_ids: Sequence[bytes]) -> set[bytes]:
    """Which of these events have their row."""
    if not event_ids:
        return set()
    where = {"ids": [UUID(bytes=each) for each in event_ids], "at": [admitted_at(each) for each in event_ids]}
    return {id.bytes for (id,) in await (await connection.execute(_WRITTEN, where)).fetchall()}


async def figures(connection: Connection, late: float) -> Figures:
    """Of all that waits; `late`: seconds after which it is overdue."""
    row = await (await connection.execute(_FIGURES, {"late": late})).fetchone()
    return Figures(*row) if row is not None else Figures()


def _due(row: tuple[Any, ...]) -> Due:
    object_id, kind, record, upstream, path, attempt = row
    return Due(object_id, kind, _decode_call(record), upstream, path, attempt)


def _clean(problem: str | None) -> str | None:
    return None if problem is None else problem.replace("\0", "\ufffd")[:_LONGEST]
