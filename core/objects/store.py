"""The table of objects in SQL: what the writer brings in, whom an object belongs to, and pages of lists."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from core.ledger.records import Gone, Made, encode
from core.objects import Owner

_LONGEST = 600  # characters of a text that is no id
_FIRST_LOOK = 5.0  # seconds until usage that comes later is asked for the first time

_INSERT = """
INSERT INTO objects (id, kind, client_id, team_id, app_id, key_id, upstream, model, parent_id, details, created_at)
SELECT id, kind, client, team, app, key, upstream, model, parent, details::jsonb, created
FROM unnest(%(id)s::text[], %(kind)s::text[], %(client)s::uuid[], %(team)s::uuid[], %(app)s::uuid[], %(key)s::text[],
            %(upstream)s::text[], %(model)s::text[], %(parent)s::text[], %(details)s::text[], %(created)s::timestamptz[])
  AS new (id, kind, client, team, app, key, upstream, model, parent, details, created)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
"""
_PLACES = "SELECT id, client_id, app_id, upstream FROM objects WHERE id = ANY(%(ids)s)"
_DEFER = """
INSERT INTO deferred_usage (object_id, kind, stream, record, upstream, path, due_at)
SELECT id, kind, stream, record, upstream, path, now() + %(first_look)s * interval '1 second'
FROM unnest(%(id)s::text[], %(kind)s::text[], %(stream)s::text[], %(record)s::bytea[], %(upstream)s::text[],
            %(path)s::text[]) AS new (id, kind, stream, record, upstream, path)
ORDER BY id
ON CONFLICT (object_id) DO UPDATE
  SET record = EXCLUDED.record, due_at = EXCLUDED.due_at, attempts = deferred_usage.attempts + 1, claimed_until = NULL,
      ended_at = NULL, problem = NULL
  WHERE deferred_usage.kind = 'agent_session'  -- it works on: whoever looks at it now must not end it
"""
_REMOVE = """
UPDATE objects o SET removed_at = gone.at
FROM unnest(%(id)s::text[], %(client)s::uuid[], %(at)s::timestamptz[]) AS gone (id, client, at)
WHERE o.id = gone.id AND o.client_id = gone.client AND o.removed_at IS NULL
"""

_COLUMNS = """id, kind, client_id, team_id, app_id, key_id, upstream, model, parent_id, details,
       extract(epoch FROM created_at)::float8, removed_at IS NOT NULL"""
_FIND = f"SELECT {_COLUMNS} FROM objects WHERE id = ANY(%(ids)s)"  # noqa: S608 - nothing of it is given
_CURSORS = """
SELECT id, created_at FROM objects WHERE id = ANY(%(ids)s) AND app_id = %(app)s AND kind = %(kind)s
"""
_LIST = sql.SQL("""
SELECT {columns} FROM objects
WHERE app_id = %(app)s AND kind = %(kind)s AND removed_at IS NULL {after} {before}
ORDER BY created_at {order}, id {order} LIMIT %(limit)s
""")
_ABOVE = {
    name: sql.SQL(f"AND (created_at, id) > (%({name}_at)s, %({name}_id)s)")  # names of ours
    for name in ("after", "before")
}
_BELOW = {name: sql.SQL(f"AND (created_at, id) < (%({name}_at)s, %({name}_id)s)") for name in ("after", "before")}

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


# ── What the writer does, in the transaction that raises the watermark ──────────────────────────────────────────────────


def insert(connection: psycopg.Connection[Any], made: Iterable[Made]) -> tuple[set[str], list[Made]]:
    """Write down whose objects are, where nobody's is; and where usage comes later, that it is to be asked for.

    Each id once. Returns which were new, and those that belong to another app, or to another upstream, already.
    """
    by_id = {record.id: record for record in made}
    if not by_id:
        return set(), []
    new = {id for (id,) in connection.execute(_INSERT, _columns(by_id.values())).fetchall()}
    there = [id for id in by_id if id not in new]
    places = connection.execute(_PLACES, {"ids": there}).fetchall() if there else []
    contested = [
        by_id[id] for id, client, app, upstream in places if place(by_id[id]) != (client.bytes, app.bytes, upstream)
    ]
    foreign = {record.id for record in contested}
    deferred = [record for id, record in by_id.items() if record.deferred_path is not None and id not in foreign]
    if deferred:
        connection.execute(_DEFER, _deferred(deferred))
    return new, contested


def place(record: Made) -> tuple[bytes, bytes, str]:
    """Whose an object is and where it lives: what two claims of one object have to agree on."""
    return record.call.client_id, record.call.app_id, record.upstream


def remove(connection: psycopg.Connection[Any], gone: Iterable[Gone]) -> None:
    """Objects are not there any more; what another client owns stays."""
    records = sorted(gone, key=lambda record: record.id)
    if records:
        connection.execute(
            _REMOVE,
            {
                "id": [record.id for record in records],
                "client": [UUID(bytes=record.client_id) for record in records],
                "at": [_time(record.at_us) for record in records],
            },
        )


def mended(record: Made) -> Made:
    """The record with what Postgres refuses taken out; its id stays, for another one would name another object."""
    call = record.call
    milliseconds = int.from_bytes(call.id[:6], "big")
    try:
        _time(record.at_us)
        at_us = record.at_us
    except (OverflowError, ValueError, OSError):
        at_us = milliseconds * 1000
    texts = {name: _mended(getattr(record, name)) for name in ("kind", "upstream", "model", "deferred_path")}
    parent = None if record.parent_id is None or "\0" in record.parent_id else record.parent_id
    return Made(call=call, id=record.id, parent_id=parent, details=_mended_json(record.details), at_us=at_us, **texts)


def _columns(records: Iterable[Made]) -> dict[str, list[Any]]:
    rows = [
        (
            record.id,
            record.kind,
            UUID(bytes=record.call.client_id),
            UUID(bytes=record.call.team_id),
            UUID(bytes=record.call.app_id),
            record.call.key_id,
            record.upstream,
            record.model,
            record.parent_id,
            record.details.decode(),
            _time(record.at_us),
        )
        for record in records
    ]
    names = ("id", "kind", "client", "team", "app", "key", "upstream", "model", "parent", "details", "created")
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _deferred(records: Sequence[Made]) -> dict[str, Any]:
    return {
        "id": [record.id for record in records],
        "kind": [record.kind for record in records],
        "stream": [str(UUID(bytes=record.call.client_id)) for record in records],
        "record": [encode(record.call) for record in records],
        "upstream": [record.upstream for record in records],
        "path": [record.deferred_path for record in records],
        "first_look": _FIRST_LOOK,
    }


def _time(microseconds: int) -> datetime:
    """Exact: a float of seconds would round the order away."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC) + timedelta(microseconds=microseconds % 1_000_000)


def _mended(text: Any) -> Any:
    return text if text is None else str(text).replace("\0", "\ufffd")[:_LONGEST]


def _mended_json(data: bytes) -> bytes:
    """JSON that jsonb takes: no NUL, no half of a surrogate pair; where it is no JSON, nothing."""
    try:
        value = _mended_value(json.loads(data))
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return b"{}"


def _mended_value(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_mended_value(each) for each in value]
    if isinstance(value, dict):
        return {_mended_value(name): _mended_value(each) for name, each in value.items()}
    return value


# ── What the proxy asks ─────────────────────────────────────────────────────────────────────────────────────────────────


async def find(connection: Connection, ids: Sequence[str]) -> dict[str, Owner]:
    """The known ones, whoever owns them."""
    cursor = await connection.execute(_FIND, {"ids": list(ids)})
    return {row[0]: _owner(row) for row in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of which list is asked for."""

    app_id: bytes
    kind: str
    after: str | None  # ids, in the order of the list
    before: str | None
    limit: int
    ascending: bool


async def page(connection: Connection, part: Part) -> tuple[list[Owner], bool]:
    """A part of a list and whether more follows (with `before` alone: whether more precedes). Raises `KeyError` with the
    id of a cursor that is not in the list; one that was removed since still is."""
    cursors = await _cursors(connection, part)
    backwards = part.after is None and part.before is not None
    rising = part.ascending is not backwards  # the order in which the index is read
    behind, in_front = (_ABOVE, _BELOW) if part.ascending else (_BELOW, _ABOVE)
    query = _LIST.format(
        columns=sql.SQL(_COLUMNS),
        after=behind["after"] if part.after is not None else sql.SQL(""),
        before=in_front["before"] if part.before is not None else sql.SQL(""),
        order=sql.SQL("ASC" if rising else "DESC"),
    )
    where = {"app": UUID(bytes=part.app_id), "kind": part.kind, "limit": part.limit + 1, **cursors}
    rows = await (await connection.execute(query, where)).fetchall()
    owners = [_owner(row) for row in rows[: part.limit]]
    return owners[::-1] if backwards else owners, len(rows) > part.limit


async def _cursors(connection: Connection, part: Part) -> dict[str, Any]:
    wanted = {name: id for name, id in (("after", part.after), ("before", part.before)) if id is not None}
    if not wanted:
        return {}
    where = {"ids": list(wanted.values()), "app": UUID(bytes=part.app_id), "kind": part.kind}
    times: Mapping[str, datetime] = dict(await (await connection.execute(_CURSORS, where)).fetchall())
    return {key: value for name, id in wanted.items() for key, value in ((f"{name}_id", id), (f"{name}_at", times[id]))}


def _owner(row: tuple[Any, ...]) -> Owner:
    id, kind, client, team, app, *rest = row
    return Owner(id, kind, client.bytes, team.bytes, app.bytes, *rest)
