"""The tables of a tenant as the database itself lists them: their columns, what must be there before them, their months."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql

LEFT_OUT = frozenset(("alembic_version", "sole_proxy"))
"""Of the running system, not of the tenant."""

_TABLES = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum), array_agg(format_type(a.atttypid, NULL) ORDER BY a.attnum)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND a.attgenerated = ''
 GROUP BY c.relname ORDER BY c.relname
"""
_REFERENCES = """
SELECT DISTINCT child.relname, parent.relname
  FROM pg_constraint k JOIN pg_class child ON child.oid = k.conrelid JOIN pg_class parent ON parent.oid = k.confrelid
 WHERE k.contype = 'f' AND child.relnamespace = current_schema()::regnamespace AND child.oid <> parent.oid
"""
_MONTHS = """
SELECT substring(relname from '_(\\d{4}_\\d\\d)$') FROM pg_class
 WHERE relispartition AND relkind = 'r' AND relname ~ ('^' || %(table)s || '_\\d{4}_\\d\\d$')
   AND relnamespace = current_schema()::regnamespace ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One table and its columns, with their types."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]


def tables(connection: psycopg.Connection[Any]) -> list[Table]:
    """Every table of the tenant, those that are referred to first."""
    found = {
        name: Table(name, tuple(columns), tuple(types))
        for name, columns, types in connection.execute(_TABLES).fetchall()
        if name not in LEFT_OUT
    }
    needs: dict[str, set[str]] = {name: set() for name in found}
    for child, parent in connection.execute(_REFERENCES).fetchall():
        if child in needs and parent in found:
            needs[child].add(parent)
    ordered: list[Table] = []
    while needs:
        free = sorted(name for name, parents in needs.items() if not parents & needs.keys())
        assert free, "tables refer to each other in a circle"
        ordered += [found[name] for name in free]
        for name in free:
            del needs[name]
    return ordered


def months(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """The months that a table of the ledger has a partition for, as `2026_11`."""
    return [month for (month,) in connection.execute(_MONTHS, {"table": table}).fetchall()]


def names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


@contextmanager
def one_moment(connection: psycopg.Connection[Any]) -> Any:
    """A transaction in which nothing changes and nothing is changed."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield
