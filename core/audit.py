"""The audit log: who changed what, when and by which door. Append-only, and hash-chained so that a change shows.

`record` writes within the caller's transaction, so that there is no change without its event and no event without its
change. Secrets are masked before they come near the database.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

FIRST_HASH = bytes(32)
"""What the first event is chained to."""

MASK = "***"

_LOCK = 0x61_75_64_69_74  # "audit"; held by a transaction that writes events until it ends, so that seq is dense
_SECRET_FIELDS = frozenset(
    {"digest", "ciphertext", "nonce", "secret", "value", "key", "api_key", "password", "token", "pepper", "master_key"}
)
_COLUMNS = "seq, at, actor, action, entity, entity_id, before, after, request_id, prev_hash, hash"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One administrative write."""

    seq: int  # dense from 1
    at: datetime
    actor: str  # who, and by which door: cli:root@host
    action: str  # create | update | remove | rotate | disable | ...
    entity: str  # client | team | app | api_key | policy | upstream | route | budget | price | secret
    entity_id: str
    before: Mapping[str, Any] | None  # secrets masked
    after: Mapping[str, Any] | None
    request_id: str | None
    prev_hash: bytes
    hash: bytes

    def computed_hash(self) -> bytes:
        """SHA-256 over the previous event's hash and this event's canonical JSON."""
        content = {
            "seq": self.seq,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": self.actor,
            "action": self.action,
            "entity": self.entity,
            "entity_id": self.entity_id,
            "before": self.before,
            "after": self.after,
            "request_id": self.request_id,
        }
        return hashlib.sha256(self.prev_hash + _canonical(content)).digest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: the log is whole, or the first event at which it is not."""

    events: int  # that were found in order
    broken_at: int | None = None  # seq
    reason: str | None = None

    @property
    def whole(self) -> bool:
        return self.broken_at is None


def masked(fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A row as the audit log may keep it: plain JSON values, and a mask over every secret.

    `secret_ref` stays: it says where a secret is, not what it is. Numbers with a fraction become texts, so that they read
    back from jsonb as they were hashed.
    """
    if fields is None:
        return None
    return {name: MASK if _is_secret(name, value) else _plain(value) for name, value in fields.items()}


async def record(
    connection: AsyncConnection[Any],
    *,
    actor: str,
    action: str,
    entity: str,
    entity_id: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    request_id: str | None = None,
) -> AuditEvent:
    """Append an event in the caller's transaction. Others that write events wait until that one ends.

    The transaction must be READ COMMITTED (Postgres's default): it has to see what was committed while it waited.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
    cursor = await connection.execute(
        """
        SELECT coalesce(last.seq, 0) + 1, coalesce(last.hash, %(first)s), clock_timestamp()
          FROM (SELECT 1) AS one
          LEFT JOIN (SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1) AS last ON true
        """,
        {"first": FIRST_HASH},
    )
    row = await cursor.fetchone()
    assert row is not None
    unhashed = AuditEvent(
        row[0], row[2], actor, action, entity, entity_id, masked(before), masked(after), request_id, row[1], b""
    )
    event = _with_hash(unhashed)
    await connection.execute(
        f"""
        INSERT INTO audit_events ({_COLUMNS})
        VALUES (%(seq)s, %(at)s, %(actor)s, %(action)s, %(entity)s, %(entity_id)s, %(before)s, %(after)s,
                %(request_id)s, %(prev_hash)s, %(hash)s)
        """,  # noqa: S608 the columns are a constant of this module
        {
            "seq": event.seq,
            "at": event.at,
            "actor": event.actor,
            "action": event.action,
            "entity": event.entity,
            "entity_id": event.entity_id,
            "before": Jsonb(event.before) if event.before is not None else None,
            "after": Jsonb(event.after) if event.after is not None else None,
            "request_id": event.request_id,
            "prev_hash": event.prev_hash,
            "hash": event.hash,
        },
    )
    return event


async def events(
    connection: AsyncConnection[Any],
    *,
    before_seq: int | None = None,
    limit: int = 100,
    entity: str | None = None,
    entity_id: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
) -> list[AuditEvent]:
    """A page of the log, newest first; the next page is `before_seq` the last one's seq."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM audit_events
         WHERE (%(before_seq)s::bigint IS NULL OR seq < %(before_seq)s)
           AND (%(entity)s::text IS NULL OR entity = %(entity)s)
           AND (%(entity_id)s::text IS NULL OR entity_id = %(entity_id)s)
           AND (%(actor)s::text IS NULL OR actor = %(actor)s)
           AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
         ORDER BY seq DESC LIMIT %(limit)s
        """,  # noqa: S608
        {
            "before_seq": before_seq,
            "limit": limit,
            "entity": entity,
            "entity_id": entity_id,
            "actor": actor,
            "since": since,
        },
    )
    return [AuditEvent(*row) for row in await cursor.fetchall()]


async def verify(connection: AsyncConnection[Any], *, expected: tuple[int, bytes] | None = None) -> Verdict:
    """Read the whole log in order and find the first event that was changed or removed.

    A chain cannot tell that its end was cut off: `expected`, a seq and its hash that were noted elsewhere (`aduana audit
    verify` prints them), lets it. Whoever may drop the table's trigger and rehash all that follows is found by that alone.
    """
    count = 0
    previous = FIRST_HASH
    async for event in _in_order(connection):
        if event.seq != count + 1:
            return Verdict(count, count + 1, f"event {count + 1} is missing")
        if event.prev_hash != previous:
            return Verdict(count, event.seq, f"event {event.seq} does not follow from event {count}: one was changed")
        if event.computed_hash() != event.hash:
            return Verdict(count, event.seq, f"event {event.seq} was changed after it was written")
        if expected is not None and expected[0] == event.seq and expected[1] != event.hash:
            return Verdict(count, event.seq, f"event {event.seq} is not the one that was noted: the log was rewritten")
        count, previous = event.seq, event.hash
    if expected is not None and expected[0] > count:
        return Verdict(
            count, count + 1, f"the log ends at event {count}, but event {expected[0]} was noted: it was cut"
        )
    return Verdict(count)


async def _in_order(connection: AsyncConnection[Any]) -> AsyncIterator[AuditEvent]:
    """Every event, in batches by seq: no cursor is held open, and memory stays small."""
    last = 0
    while True:
        cursor = await connection.execute(
            f"SELECT {_COLUMNS} FROM audit_events WHERE seq > %(last)s ORDER BY seq LIMIT %(batch)s",  # noqa: S608
            {"last": last, "batch": _BATCH},
        )
        rows = await cursor.fetchall()
        for row in rows:
            yield AuditEvent(*row)
        if len(rows) < _BATCH:
            return
        last = rows[-1][0]


def _with_hash(event: AuditEvent) -> AuditEvent:
    return replace(event, hash=event.computed_hash())


def _canonical(content: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8: one text for one value."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _is_secret(name: str, value: Any) -> bool:
    return name.lower() in _SECRET_FIELDS and value is not None and not isinstance(value, Mapping | list | tuple)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")  # jsonb holds no NUL
    if isinstance(value, Mapping):
        return {str(name): MASK if _is_secret(str(name), part) else _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        parts = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(part) for part in parts]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return MASK  # bytes are HMACs and ciphertext here, nothing that a reader of the log could use
    raise TypeError(f"the audit log cannot keep a {type(value).__name__}")
