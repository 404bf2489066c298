"""What the ledger's tests share: a client in Postgres, a writer that works when told, and what the ledger says."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from core.ledger.partitions import ensure  # noqa: F401 - the tests' door to it
from core.redis import parse_redis_url
from core.redis.clients import Clients
from proxy.writer import Source
from proxy.writer.drain import Writer
from proxy.writer.redis_source import RedisSource
from proxy.writer.spool_source import SpoolSource


def add_client(database_url: str, name: str = "contoso") -> bytes:
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute("INSERT INTO clients (name) VALUES (%s) RETURNING id", (name,)).fetchone()
        return row[0].bytes


@contextmanager
def a_writer(
    database_url: str, *, redis_url: str | None = None, spool: Path | None = None, lease: float = 60.0, kept: int = 30
):
    """A writer in this process: `drain()` it."""

    def sources(clients: Callable[[], list[UUID]]) -> Sequence[Source]:
        found: list[Source] = []
        if spool is not None:
            found.append(SpoolSource(spool))
        if redis_url is not None:
            found.append(RedisSource(Clients(parse_redis_url(redis_url), timeout=5.0, name="test"), clients))
        return found

    writer = Writer(lambda: psycopg.connect(database_url, autocommit=True), sources, lease, kept)
    try:
        yield writer
    finally:
        writer._disconnect()


def ask(database_url: str, query: str, *values) -> list[dict]:
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        return connection.execute(query, values or None).fetchall()


def events(database_url: str) -> dict[bytes, dict]:
    """The rows by id; a second row of one id fails."""
    rows = ask(database_url, "SELECT * FROM usage_events")
    by_id = {row["id"].bytes: row for row in rows}
    assert len(by_id) == len(rows), "a call has two rows"
    return by_id


_SUMS = """
SELECT date_trunc('hour', admitted_at, 'UTC') AS hour, client_id, team_id, app_id, key_id, requested_model AS model,
       coalesce(upstream, '') AS upstream, count(*) AS calls,
       count(*) FILTER (WHERE status IS NULL OR status >= 400) AS errors,
       count(*) FILTER (WHERE usage_source = 'estimated') AS estimated,
       sum(input_tokens)::bigint AS input_tokens, sum(cached_tokens)::bigint AS cached_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
       sum(cost_usd) AS cost_usd
FROM usage_events GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


def assert_rollups_are_the_sums_of_rows(database_url: str) -> None:
    def sort(rows: list[dict]) -> list[tuple]:
        return sorted(tuple(str(row[name]) for name in sorted(row)) for row in rows)

    assert sort(ask(database_url, "SELECT * FROM usage_rollups")) == sort(ask(database_url, _SUMS))
