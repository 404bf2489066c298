"""Monthly partitions of the ledger's tables, made ahead by whichever writer comes first. Months are UTC's."""

import logging
from datetime import UTC, datetime
from typing import Any

import psycopg

_log = logging.getLogger("aduana.writer")

TABLES = ("usage_events", "usage_attempts")
MONTHS_AHEAD = 2

_THERE = """
SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = %(name)s AND relnamespace = current_schema()::regnamespace)
"""
# Rows moved; null: another writer made it meanwhile. The writer's role owns none of these tables.
_MAKE = "SELECT make_usage_partition(%(table)s, %(first)s)"


def ensure(connection: psycopg.Connection[Any], now: datetime) -> list[str]:
    """Make this month's partitions and those of the next two. Returns the names of those it made.

    Rows of a month that wait in the default partition move into the month's own in the same transaction.
    """
    made = []
    for ahead in range(MONTHS_AHEAD + 1):
        first = _month(now, ahead)
        for table in TABLES:
            name = f"{table}_{first:%Y_%m}"
            if not _is_there(connection, name) and _make(connection, table, name, first):
                made.append(name)
    return made


def _month(now: datetime, ahead: int) -> datetime:
    now = now.astimezone(UTC)
    years, month = divmod(now.month - 1 + ahead, 12)
    return datetime(now.year + years, month + 1, 1, tzinfo=UTC)


def _is_there(connection: psycopg.Connection[Any], name: str) -> bool:
    row = connection.execute(_THERE, {"name": name}).fetchone()
    return row is not None and bool(row[0])


def _make(connection: psycopg.Connection[Any], table: str, name: str, first: datetime) -> bool:
    with connection.transaction():
        row = connection.execute(_MAKE, {"table": table, "first": first}).fetchone()
    moved = row[0] if row is not None else None
    if moved is None:
        return False
    _log.info("made the partition %s (%d rows waited for it)", name, moved)
    return True
