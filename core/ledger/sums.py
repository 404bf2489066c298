"""What a client has spent, by the families that it counts: sums of the ledger as the counters in Redis must have them.

Whole hours come from the rollups, which change with the rows in one transaction; a period that begins or ends within an
hour (a zone with half hours) takes that part from the rows.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from core.limits import Family, ScopeKind, Unit
from core.limits.calendar import FOREVER, Interval, interval
from core.limits.fields import counter_field
from core.money import nano_usd

_HOUR = 3600

_ROLLUPS = sql.SQL("""
SELECT {entity}, {model}, sum(calls)::bigint, sum(input_tokens + output_tokens)::bigint, sum(cost_usd)
FROM usage_rollups
WHERE client_id = %(client)s AND hour >= %(first)s AND hour < %(last)s
GROUP BY 1, 2
""")
_ROWS = sql.SQL("""
SELECT {entity}, {model}, count(*), sum(input_tokens + output_tokens)::bigint, sum(cost_usd)
FROM usage_events
WHERE client_id = %(client)s
  AND (admitted_at >= %(start)s AND admitted_at < %(first)s OR admitted_at >= %(last)s AND admitted_at < %(end)s)
GROUP BY 1, 2
""")
_NO_MODEL, _MODEL = (
    sql.SQL("NULL::text"),
    {"usage_rollups": sql.SQL("model"), "usage_events": sql.SQL("requested_model")},
)
_ENTITIES = {
    ScopeKind.CLIENT: sql.SQL("client_id::text"),
    ScopeKind.TEAM: sql.SQL("team_id::text"),
    ScopeKind.APP: sql.SQL("app_id::text"),
    ScopeKind.KEY: sql.SQL("key_id"),
}

Spent = tuple[int, int, int]  # requests, tokens, nano-dollars
_UNITS = {Unit.REQUESTS: 0, Unit.TOKENS: 1, Unit.COST: 2}


def sums(connection: psycopg.Connection[Any], client: UUID, families: Sequence[Family], now: float) -> dict[str, int]:
    """What is spent in the period of each family in which `now` (Unix seconds) lies, by the counter's field.

    Zeros are left out. Exact at the moment of the connection's transaction.
    """
    spent: dict[str, int] = {}
    known: dict[tuple[ScopeKind, bool, Interval], dict[tuple[str, str | None], Spent]] = {}
    for family in families:
        span = interval(family.period, family.time_zone, now)
        by_model = bool(family.model)
        at = (family.scope, by_model, span)
        if at not in known:
            known[at] = spent_in(connection, client, family.scope, span, by_model=by_model)
        for (entity, model), figures in known[at].items():
            amount = figures[_UNITS[family.unit]]
            if amount and (model is None or family.counts(model)):
                field = counter_field(family.scope, entity, family.unit, family.period, span, family.model)
                spent[field] = spent.get(field, 0) + amount
    return spent


def spent_in(
    connection: psycopg.Connection[Any], client: UUID, scope: ScopeKind, span: Interval, *, by_model: bool = False
) -> dict[tuple[str, str | None], Spent]:
    """Requests, tokens and nano-dollars of a client's calls admitted in a period, by entity's id and requested model
    (None where all models are one)."""
    first, last = -(-span.start // _HOUR) * _HOUR, span.end // _HOUR * _HOUR
    where = {"client": client, **{name: _time(at) for name, at in (("start", span.start), ("first", first))}}
    if span == FOREVER:
        where |= {"last": datetime.max.replace(tzinfo=UTC), "end": datetime.max.replace(tzinfo=UTC)}
    else:
        where |= {"last": _time(last), "end": _time(span.end)}
    rows = connection.execute(_query(_ROLLUPS, "usage_rollups", scope, by_model), where).fetchall()
    if first != span.start or last != span.end:
        rows += connection.execute(_query(_ROWS, "usage_events", scope, by_model), where).fetchall()
    return _added(rows)


def _query(query: sql.SQL, table: str, scope: ScopeKind, by_model: bool) -> sql.Composed:
    return query.format(entity=_ENTITIES[scope], model=_MODEL[table] if by_model else _NO_MODEL)


def _added(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[str, str | None], Spent]:
    added: dict[tuple[str, str | None], Spent] = {}
    for entity, model, requests, tokens, cost in rows:
        at = (entity.replace("-", "") if len(entity) == 36 else entity, model)
        before = added.get(at, (0, 0, 0))
        added[at] = (before[0] + requests, before[1] + tokens, before[2] + nano_usd(cost))
    return added


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
