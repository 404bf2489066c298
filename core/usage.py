"""What was used, summed from the ledger: by app, team, client, key, model or upstream, over any span of time.

Whole hours are read from the rollups; the hour in which a span begins or ends, where it does so in the middle, from the
events themselves. Names are those of today, of removed entities too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from psycopg import AsyncConnection

_SUMS: LiteralString = """
    sum(calls)::bigint, sum(errors)::bigint, sum(estimated)::bigint, sum(input_tokens)::bigint,
    sum(cached_tokens)::bigint, sum(output_tokens)::bigint, sum(reasoning_tokens)::bigint, sum(cost_usd)
"""

# `errors` and `estimated` as core.ledger.rollups counts them.
_SOURCE: LiteralString = """
    SELECT client_id, team_id, app_id, key_id, model, upstream, calls, errors, estimated,
           input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd
      FROM usage_rollups
     WHERE (%(hours_from)s::timestamptz IS NULL OR hour >= %(hours_from)s)
       AND (%(hours_until)s::timestamptz IS NULL OR hour < %(hours_until)s)
    UNION ALL
    SELECT client_id, team_id, app_id, key_id, requested_model, coalesce(upstream, ''), 1,
           (status IS NULL OR status >= 400)::int, (usage_source = 'estimated')::int,
           input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd
      FROM usage_events, unnest(%(edges_from)s::timestamptz[], %(edges_until)s::timestamptz[]) AS edge (start, stop)
     WHERE admitted_at >= edge.start AND admitted_at < edge.stop
"""

# A grouping: the column that is summed by, and the name that people know it under.
_GROUPS: dict[str, tuple[LiteralString, LiteralString, LiteralString]] = {
    "app": (
        "app_id",
        "concat_ws('/', c.name, t.name, a.name)",
        "LEFT JOIN apps a ON a.id = s.id LEFT JOIN teams t ON t.id = a.team_id LEFT JOIN clients c ON c.id = t.client_id",
    ),
    "team": (
        "team_id",
        "concat_ws('/', c.name, t.name)",
        "LEFT JOIN teams t ON t.id = s.id LEFT JOIN clients c ON c.id = t.client_id",
    ),
    "client": ("client_id", "c.name", "LEFT JOIN clients c ON c.id = s.id"),
    "key": (
        "key_id",
        "concat_ws('/', c.name, t.name, a.name, coalesce(k.name, i.name))",
        "LEFT JOIN api_keys k ON k.id = s.id LEFT JOIN identities i ON i.id = s.id "
        "LEFT JOIN apps a ON a.id = coalesce(k.app_id, i.app_id) LEFT JOIN teams t ON t.id = a.team_id "
        "LEFT JOIN clients c ON c.id = t.client_id",
    ),
    "model": ("model", "s.id", ""),
    "upstream": ("upstream", "s.id", ""),
}

GROUPS = tuple(_GROUPS)
"""What usage may be summed by."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Used:
    """The sums of one entity, or of all of them. Cached tokens are part of input, reasoning ones of output."""

    id: str
    name: str  # a path of names; '' for calls that reached no upstream
    calls: int
    errors: int  # answered with 400 or more, or not at all
    estimated: int  # calls whose proxy died: their tokens are reservations
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal


async def used(
    connection: AsyncConnection[Any], by: str, *, since: datetime | None = None, until: datetime | None = None
) -> list[Used]:
    """Sums by one of `GROUPS`, the dearest first, of calls admitted from `since` on and before `until`."""
    column, name, joins = _GROUPS[by]
    hours_from, hours_until, edges = _cut(since, until)
    cursor = await connection.execute(
        f"""
        SELECT s.id::text, coalesce(nullif({name}, ''), s.id::text), s.calls, s.errors, s.estimated, s.input_tokens,
               s.cached_tokens, s.output_tokens, s.reasoning_tokens, s.cost_usd
          FROM (SELECT {column}, {_SUMS} FROM ({_SOURCE}) AS source GROUP BY 1)
               AS s (id, calls, errors, estimated, input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd)
               {joins}
         ORDER BY s.cost_usd DESC, s.calls DESC, 2, 1
        """,  # noqa: S608 - the parts are constants of this module
        {
            "hours_from": hours_from,
            "hours_until": hours_until,
            "edges_from": [start for start, _ in edges],
            "edges_until": [stop for _, stop in edges],
        },
    )
    return [Used(*row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class UsedUnit:
    """How much of one unit was used (core.units); `calls` that used any of it, and those that have no price for it all."""

    unit: str
    quantity: int
    calls: int
    unpriced: int


_UNITS: LiteralString = """
    SELECT unit, sum(quantity::numeric)::bigint, count(*), count(*) FILTER (WHERE unpriced)
      FROM usage_events, jsonb_each_text(units) AS used (unit, quantity)
     WHERE units <> '{}'
       AND (%(since)s::timestamptz IS NULL OR admitted_at >= %(since)s)
       AND (%(until)s::timestamptz IS NULL OR admitted_at < %(until)s)
     GROUP BY 1 ORDER BY 1
"""


async def used_units(
    connection: AsyncConnection[Any], *, since: datetime | None = None, until: datetime | None = None
) -> list[UsedUnit]:
    """Sums by unit, of calls admitted in a span. They are read from the rows that have any: by an index of those alone."""
    cursor = await connection.execute(_UNITS, {"since": since, "until": until})
    return [UsedUnit(*row) for row in await cursor.fetchall()]


def total(rows: Sequence[Used]) -> Used:
    """All rows as one."""
    return Used(
        "",
        "total",
        sum(row.calls for row in rows),
        sum(row.errors for row in rows),
        sum(row.estimated for row in rows),
        sum(row.input_tokens for row in rows),
        sum(row.cached_tokens for row in rows),
        sum(row.output_tokens for row in rows),
        sum(row.reasoning_tokens for row in rows),
        sum((row.cost_usd for row in rows), Decimal(0)),
    )


def _cut(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None, list[tuple[datetime, datetime]]]:
    """The whole hours of a span, and the parts of hours at its ends."""
    first = since if since is None or since == _floor(since) else _floor(since) + _HOUR
    last = _floor(until) if until is not None else None
    if since is not None and until is not None and first is not None and last is not None and first > last:
        return last, last, [(since, until)]  # within one hour: none is whole
    edges = []
    if since is not None and first is not None and since < first:
        edges.append((since, first))
    if until is not None and last is not None and last < until:
        edges.append((last, until))
    return first, last, edges


def _floor(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
