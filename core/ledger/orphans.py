"""Calls whose proxy is gone: each becomes an estimated row.

An incarnation that was not heard for a lease is taken for dead only where its stream has been readable, and read to its
end, all that time: an outage of the writer, Redis or Postgres must make no orphans.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import psycopg

from core.ledger import rows
from core.ledger.records import Admitted, decode
from core.ledger.rollups import Rollups
from core.ledger.store import lock, reject

_STREAMS_WITH_OPEN_CALLS = "SELECT DISTINCT stream FROM admitted_calls"

# Looks that lie more than half a lease apart are no continuous watch.
_LOOK = """
UPDATE ledger_streams SET
    drained_since = CASE WHEN drained_at > now() - %(lease)s * interval '0.5 second' THEN drained_since ELSE now() END,
    drained_at = now()
WHERE stream = %(stream)s
RETURNING drained_since < now() - %(lease)s * interval '1 second'
"""
_TAKE = """
DELETE FROM admitted_calls WHERE id IN (
    SELECT c.id FROM admitted_calls c JOIN ledger_watermarks w USING (stream, incarnation)
    WHERE c.stream = %(stream)s AND w.heard_at < now() - %(silence)s * interval '1 second'
    LIMIT %(limit)s)
RETURNING record
"""
_MOST = 2000  # in one transaction
_FORGOTTEN = 86_400.0  # seconds: a stream that no writer reads any more (its spool's disk is gone)


def streams_with_open_calls(connection: psycopg.Connection[Any]) -> set[str]:
    """Where an orphan could be."""
    return {stream for (stream,) in connection.execute(_STREAMS_WITH_OPEN_CALLS).fetchall()}


def estimate(
    connection: psycopg.Connection[Any], stream: str, lease: float, before_commit: Callable[[], None] = lambda: None
) -> int:
    """Turn the orphans of a stream whose end was just reached into rows. `lease`: seconds. Returns how many.

    `before_commit` is called where there are any; where it raises, nothing has happened.
    """
    with connection.transaction():
        if not lock(connection, stream):
            return 0
        looked = connection.execute(_LOOK, {"stream": stream, "lease": lease}).fetchone()
        if looked is None or not looked[0]:
            return 0
        count = _estimate(connection, stream, lease)
        if count:
            before_commit()
        return count


def estimate_forgotten(
    connection: psycopg.Connection[Any],
    streams: Iterable[str],
    lease: float,
    before_commit: Callable[[str], None] = lambda _: None,
) -> int:
    """The same for streams that no writer can read, after a day of silence."""
    count = 0
    for stream in streams:
        with connection.transaction():
            if lock(connection, stream):
                found = _estimate(connection, stream, max(_FORGOTTEN, 4 * lease))
                if found:
                    before_commit(stream)
                count += found
    return count


def _estimate(connection: psycopg.Connection[Any], stream: str, silence: float) -> int:
    taken = connection.execute(_TAKE, {"stream": stream, "silence": silence, "limit": _MOST}).fetchall()
    orphans = []
    for (data,) in taken:
        try:
            record = decode(data)
        except msgspec.DecodeError as error:  # an older or a newer proxy's
            reject(connection, stream, None, None, str(error), data)
            continue
        if isinstance(record, Admitted):
            orphans.append(rows.mended(rows.orphaned(record)))
    rollups = Rollups()
    new, _ = rows.replace_estimates(connection, orphans, rollups)
    if new:
        rows.insert(connection, new, rollups)
    rollups.write(connection)
    return len(new)
