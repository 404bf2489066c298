"""Sums by hour of what the ledger's rows say, kept in step with them: they change in the transaction that changes rows."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from core.ledger.records import Settled, UsageSource
from core.money import usd

_HOUR_MS = 3_600_000
_FIRST_ERROR = 400

Key = tuple[int, bytes, bytes, bytes, str, str, str]  # the hour in ms, client, team, app, key, model, upstream

_ADD = """
INSERT INTO usage_rollups AS r (hour, client_id, team_id, app_id, key_id, model, upstream, calls, errors, estimated,
                                input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd)
SELECT * FROM unnest(%(hour)s::timestamptz[], %(client)s::uuid[], %(team)s::uuid[], %(app)s::uuid[], %(key)s::text[],
                     %(model)s::text[], %(upstream)s::text[], %(calls)s::bigint[], %(errors)s::bigint[],
                     %(estimated)s::bigint[], %(input)s::bigint[], %(cached)s::bigint[], %(output)s::bigint[],
                     %(reasoning)s::bigint[], %(cost)s::numeric[])
ON CONFLICT (hour, client_id, team_id, app_id, key_id, model, upstream) DO UPDATE SET
    calls = r.calls + excluded.calls, errors = r.errors + excluded.errors, estimated = r.estimated + excluded.estimated,
    input_tokens = r.input_tokens + excluded.input_tokens, cached_tokens = r.cached_tokens + excluded.cached_tokens,
    output_tokens = r.output_tokens + excluded.output_tokens,
    reasoning_tokens = r.reasoning_tokens + excluded.reasoning_tokens, cost_usd = r.cost_usd + excluded.cost_usd
"""

_REMOVE_EMPTY = """
DELETE FROM usage_rollups
WHERE calls = 0 AND hour = ANY(%(hours)s) AND client_id = ANY(%(clients)s)
"""


class Rollups:
    """What one transaction adds to the sums, and takes from them."""

    def __init__(self) -> None:
        self._sums: dict[Key, list[int]] = {}
        self._taken: set[Key] = set()

    def add(self, row: Settled) -> None:
        """A row was written."""
        self._count(row, 1)

    def take(self, row: Settled) -> None:
        """A row was removed."""
        self._taken.add(self._count(row, -1))

    def _count(self, row: Settled, sign: int) -> Key:
        call = row.call
        milliseconds = int.from_bytes(call.id[:6], "big")
        key = (
            milliseconds - milliseconds % _HOUR_MS,
            call.client_id,
            call.team_id,
            call.app_id,
            call.key_id,
            call.requested_model,
            row.upstream or "",
        )
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = [0] * 8
        sums[0] += sign
        if row.status is None or row.status >= _FIRST_ERROR:
            sums[1] += sign
        if row.usage_source == UsageSource.ESTIMATED:
            sums[2] += sign
        sums[3] += sign * row.input_tokens
        sums[4] += sign * row.cached_tokens
        sums[5] += sign * row.output_tokens
        sums[6] += sign * row.reasoning_tokens
        sums[7] += sign * row.cost_nano_usd
        return key

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Apply it, in the caller's transaction. Always in the same order, so that two writers never wait in a ring."""
        if not self._sums:
            return
        keys = sorted(self._sums)
        sums = [self._sums[key] for key in keys]
        names = ("calls", "errors", "estimated", "input", "cached", "output", "reasoning")
        connection.execute(
            _ADD,
            {
                "hour": _hours(keys),
                "client": _uuids(key[1] for key in keys),
                "team": _uuids(key[2] for key in keys),
                "app": _uuids(key[3] for key in keys),
                "key": [key[4] for key in keys],
                "model": [key[5] for key in keys],
                "upstream": [key[6] for key in keys],
                **{name: [each[index] for each in sums] for index, name in enumerate(names)},
                "cost": [usd(each[7]) for each in sums],
            },
        )
        if self._taken:
            connection.execute(
                _REMOVE_EMPTY, {"hours": _hours(self._taken), "clients": _uuids(key[1] for key in self._taken)}
            )


def _hours(keys: Iterable[Key]) -> list[datetime]:
    return [datetime.fromtimestamp(key[0] / 1000, tz=UTC) for key in keys]


def _uuids(ids: Iterable[bytes]) -> list[UUID]:
    return [UUID(bytes=each) for each in ids]
