"""Rows of `usage_events` and `usage_attempts`: written in bulk, and replaced where an estimate proves wrong."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from core.ids import admitted_at
from core.ledger.records import Admitted, Attempt, Call, Settled, UsageSource
from core.ledger.rollups import Rollups
from core.money import nano_usd, usd

ORPHANED = "orphaned"  # the error code of a call whose proxy was not heard of again

_COPY_EVENTS = """
COPY usage_events (id, admitted_at, client_id, team_id, app_id, key_id, caller, request_id, endpoint, requested_model,
                   route, upstream, deployment, status, error_code, streamed, cancelled, input_tokens, cached_tokens,
                   output_tokens, reasoning_tokens, usage_source, cost_usd, unpriced, time_to_first_byte_ms, duration_ms,
                   kind, parent_id, units)
FROM STDIN (FORMAT binary)
"""
_EVENT_TYPES = (
    ["uuid", "timestamptz", "uuid", "uuid", "uuid"]
    + ["text"] * 8
    + ["int4", "text", "bool", "bool"]
    + ["int8"] * 4
    + ["text", "numeric", "bool", "float8", "float8"]
    + ["text", "uuid", "jsonb"]
)

_COPY_ATTEMPTS = """
COPY usage_attempts (event_id, admitted_at, attempt, upstream, deployment, status, error_code, upstream_request_id,
                     duration_ms)
FROM STDIN (FORMAT binary)
"""
_ATTEMPT_TYPES = ["uuid", "timestamptz", "int2", "text", "text", "int4", "text", "text", "float8"]

_FIND = """
SELECT id, client_id, team_id, app_id, key_id, caller, request_id, endpoint, requested_model, route, streamed,
       upstream, deployment, status, error_code, cancelled, input_tokens, cached_tokens, output_tokens,
       reasoning_tokens, usage_source, cost_usd, unpriced, units, kind, parent_id
FROM usage_events
WHERE id = ANY(%(ids)s) AND admitted_at BETWEEN %(first)s AND %(last)s
FOR UPDATE
"""
_REMOVE = "DELETE FROM usage_events WHERE id = ANY(%(ids)s) AND admitted_at BETWEEN %(first)s AND %(last)s"

Units = tuple[tuple[str, int], ...]

_NO_UNITS = Jsonb({}, dumps=lambda _: "{}")  # of nearly every row

_MOST = 2**62
_MOST_STATUS = 999
_MOST_NANO_USD = 10**19  # what numeric(20, 9) holds, less a digit
_LONGEST = 600  # characters: an indexed text of 2,704 bytes is the most that Postgres takes


def orphaned(admission: Admitted) -> Settled:
    """What is written for a call of which nobody knows the end: its reservation, flagged."""
    return Settled(
        call=admission.call,
        upstream=admission.upstream,
        deployment=admission.deployment,
        status=None,
        error_code=ORPHANED,
        cancelled=False,
        input_tokens=admission.input_tokens,
        cached_tokens=0,
        output_tokens=admission.output_tokens,
        reasoning_tokens=0,
        usage_source=UsageSource.ESTIMATED,
        cost_nano_usd=admission.cost_nano_usd,
        unpriced=admission.unpriced,
        time_to_first_byte_ms=None,
        duration_ms=None,
        attempts=[],
        kind=admission.kind,
        parent_id=admission.parent_id,
    )


def insert(connection: psycopg.Connection[Any], rows: Iterable[Settled], rollups: Rollups) -> None:
    """Write rows that are known not to be there. Raises `psycopg.errors.UniqueViolation` where one is."""
    attempts: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor, cursor.copy(_COPY_EVENTS) as copy:
        copy.set_types(_EVENT_TYPES)
        write = copy.write_row
        for row in rows:
            call = row.call
            event_id, at = UUID(bytes=call.id), admitted_at(call.id)
            write(
                (
                    event_id,
                    at,
                    _uuid(call.client_id),
                    _uuid(call.team_id),
                    _uuid(call.app_id),
                    call.key_id,
                    call.caller,
                    call.request_id,
                    call.endpoint,
                    call.requested_model,
                    call.route,
                    row.upstream,
                    row.deployment,
                    _status(row.status),
                    row.error_code,
                    call.streamed,
                    row.cancelled,
                    row.input_tokens,
                    row.cached_tokens,
                    row.output_tokens,
                    row.reasoning_tokens,
                    row.usage_source,
                    usd(row.cost_nano_usd),
                    row.unpriced,
                    row.time_to_first_byte_ms,
                    row.duration_ms,
                    row.kind,
                    _uuid(row.parent_id) if row.parent_id is not None else None,
                    _object(row.units) if row.units else _NO_UNITS,
                )
            )
            rollups.add(row)
            for number, one in enumerate(row.attempts, 1):
                attempts.append(
                    (
                        event_id,
                        at,
                        number,
                        one.upstream,
                        one.deployment,
                        _status(one.status),
                        one.error_code,
                        one.upstream_request_id,
                        one.duration_ms,
                    )
                )
    if attempts:
        with connection.cursor() as cursor, cursor.copy(_COPY_ATTEMPTS) as copy:
            copy.set_types(_ATTEMPT_TYPES)
            for attempt in attempts:
                copy.write_row(attempt)


def replace_estimates(
    connection: psycopg.Connection[Any], rows: Sequence[Settled], rollups: Rollups
) -> tuple[list[Settled], int]:
    """Of rows that may be there already: remove the estimates that they replace.

    Returns those that are now to be inserted, and how many estimates went. A row that is no estimate stays as it is.
    """
    if not rows:
        return [], 0
    times = [admitted_at(row.call.id) for row in rows]
    span = {"first": min(times), "last": max(times)}
    there: set[bytes] = set()
    estimates: list[UUID] = []
    found = connection.execute(_FIND, {"ids": [UUID(bytes=row.call.id) for row in rows], **span}).fetchall()
    for each in found:
        old = _read(each)
        if old.usage_source == UsageSource.ESTIMATED:
            estimates.append(each[0])
            rollups.take(old)
        else:
            there.add(old.call.id)
    if estimates:  # an estimate has no attempts
        connection.execute(_REMOVE, {"ids": estimates, **span})
    return [row for row in rows if row.call.id not in there], len(estimates)


def mended(row: Settled) -> Settled:
    """The row with what Postgres refuses taken out: NUL in a text, numbers and texts beyond its bounds."""
    fields = msgspec.structs.asdict(row)
    fields["call"] = Call(*[_mended(value) for value in msgspec.structs.astuple(row.call)])
    fields["attempts"] = [
        Attempt(*[_mended(value) for value in msgspec.structs.astuple(attempt)]) for attempt in row.attempts
    ]
    for name, value in fields.items():
        if name not in ("call", "attempts", "units"):
            fields[name] = _mended(value)
    fields["units"] = tuple((_mended(unit), _mended(quantity)) for unit, quantity in row.units)
    fields["cost_nano_usd"] = min(row.cost_nano_usd, _MOST_NANO_USD)
    return Settled(**fields)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return str(value).replace("\0", "\ufffd")[:_LONGEST]
    if type(value) is int:
        return max(0, min(value, _MOST))
    return value


def _status(status: int | None) -> int | None:
    """HTTP knows three digits; psycopg would cut what is beyond an int4 without a word."""
    return status if status is None or 0 <= status <= _MOST_STATUS else _MOST_STATUS


def _read(row: tuple[Any, ...]) -> Settled:
    event_id, client, team, app, *described = row[:11]
    upstream, deployment, status, error_code, cancelled, *tokens = row[11:20]
    source, cost, unpriced, units, kind, parent_id = row[20:]
    input_tokens, cached_tokens, output_tokens, reasoning_tokens = tokens
    return Settled(
        call=Call(event_id.bytes, client.bytes, team.bytes, app.bytes, *described),
        upstream=upstream,
        deployment=deployment,
        status=status,
        error_code=error_code,
        cancelled=cancelled,
        input_tokens=input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output_tokens,
        reasoning_tokens=reasoning_tokens,
        usage_source=source,
        cost_nano_usd=nano_usd(cost),
        unpriced=unpriced,
        time_to_first_byte_ms=None,
        duration_ms=None,
        attempts=[],
        units=tuple(units.items()),
        kind=kind,
        parent_id=parent_id.bytes if parent_id is not None else None,
    )


def _object(units: Units) -> Jsonb:
    """Units as the column has them; what stands twice is one sum."""
    sums: dict[str, int] = {}
    for unit, quantity in units:
        sums[unit] = sums.get(unit, 0) + quantity
    return Jsonb(sums)


@lru_cache(maxsize=4096)
def _uuid(data: bytes) -> UUID:
    return UUID(bytes=data)
