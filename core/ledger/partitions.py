"""Monthly partitions of the ledger's tables, made ahead by whichever writer comes first. Months are UTC's."""

import logging
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

_log = logging.getLogger("aduana.writer")

TABLES = ("usage_events", "usage_attempts")
MONTHS_AHEAD = 2

# Not to_regclass: it may answer from a cache of before the lock was waited for.
_THERE = """
SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = %(name)s AND relnamespace = current_schema()::regnamespace)
"""
# One writer at a time; the number is of our own choosing ("adp" for partitions).
_LOCK = "SELECT pg_advisory_xact_lock(6382704)"


def ensure(connection: psycopg.Connection[Any], now: datetime) -> list[str]:
    """Make this month's partitions and those of the next two. Returns the names of those it made.

    Rows of a month that wait in the default partition move into the month's own in the same transaction.
    """
    made = []
    for ahead in range(MONTHS_AHEAD + 1):
        first, after = _month(now, ahead), _month(now, ahead + 1)
        for table in TABLES:
            name = f"{table}_{first:%Y_%m}"
            if not _is_there(connection, name) and _make(connection, table, name, first, after):
                made.append(name)
    return made


def _month(now: datetime, ahead: int) -> datetime:
    now = now.astimezone(UTC)
    years, month = divmod(now.month - 1 + ahead, 12)
    return datetime(now.year + years, month + 1, 1, tzinfo=UTC)


def _is_there(connection: psycopg.Connection[Any], name: str) -> bool:
    row = connection.execute(_THERE, {"name": name}).fetchone()
    return row is not None and bool(row[0])


def _make(connection: psycopg.Connection[Any], table: str, name: str, first: datetime, after: datetime) -> bool:
    parent, default, partition = sql.Identifier(table), sql.Identifier(f"{table}_default"), sql.Identifier(name)
    span = {"first": sql.Literal(first.isoformat()), "after": sql.Literal(after.isoformat())}
    with connection.transaction():
        connection.execute(_LOCK)
        if _is_there(connection, name):
            return False
        # No row of the month may arrive in the default partition between the move and the attachment.
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(default))
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(partition, parent))
        moved = connection.execute(
            sql.SQL(
                "WITH moved AS (DELETE FROM {default} WHERE admitted_at >= {first} AND admitted_at < {after} RETURNING *) "
                "INSERT INTO {partition} SELECT * FROM moved"
            ).format(default=default, partition=partition, **span)
        )
        connection.execute(
            sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES FROM ({first}) TO ({after})").format(
                parent=parent, partition=partition, **span
            )
        )
        _log.info("made the partition %s (%d rows waited for it)", name, moved.rowcount)
    return True
