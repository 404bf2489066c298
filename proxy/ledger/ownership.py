"""Whose an object is, as Redis has it: the operations of apply.lua that write it, and the value that they write.

A value is MessagePack that only proxies read; a '-' in front of it (or alone) says that the object is gone
(docs/decisions/0005-objects.md).
"""

from typing import Any

import msgspec

from core.ledger.records import Gone, Made
from core.objects import Owner

KEPT = 6 * 3600
"""Seconds that Redis has an owner: it has to outlast Postgres' outages, not the object. Postgres has it for ever."""

_GONE = b"-"
_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class _Value(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    team_id: bytes
    app_id: bytes
    key_id: str
    upstream: str
    model: str | None
    parent_id: str | None
    details: bytes  # JSON
    created_us: int


_decode = msgspec.msgpack.Decoder(_Value).decode


def own(made: Made) -> bytes:
    """The operation that writes down whose an object is, where nobody's is written down."""
    call = made.call
    value = _Value(
        made.kind,
        call.team_id,
        call.app_id,
        call.key_id,
        made.upstream,
        made.model,
        made.parent_id,
        made.details,
        made.at_us,
    )
    return b"\x94\x06" + _text(made.id.encode("ascii")) + _text(_encode(value)) + _encode(KEPT)


def disown(gone: Gone) -> bytes:
    """The operation that marks an object as gone."""
    return b"\x93\x07" + _text(gone.id.encode("ascii")) + _encode(KEPT)


def value_of(owner: Owner) -> bytes:
    """What Redis is given to keep of an owner that Postgres knows."""
    value = _Value(
        owner.kind,
        owner.team_id,
        owner.app_id,
        owner.key_id,
        owner.upstream,
        owner.model,
        owner.parent_id,
        _json(owner.details),
        round(owner.created_at * 1e6),
    )
    return _GONE + _encode(value) if owner.removed else _encode(value)


def read_value(client_id: bytes, id: str, data: bytes) -> Owner | None:
    """The owner that a client's key says; None where it says only that the object is gone, or nothing that we know."""
    removed = data.startswith(_GONE)
    try:
        value = _decode(data[1:] if removed else data)
        details: dict[str, Any] = msgspec.json.decode(value.details)
    except (msgspec.DecodeError, UnicodeDecodeError):  # nothing, or an older or a newer proxy's
        return None
    return Owner(
        id,
        value.kind,
        client_id,
        value.team_id,
        value.app_id,
        value.key_id,
        value.upstream,
        value.model,
        value.parent_id,
        details,
        value.created_us / 1e6,
        removed,
    )


def is_gone(data: bytes) -> bool:
    """Whether a key's value says that the object is not there any more."""
    return data.startswith(_GONE)


def owner_of(made: Made) -> Owner:
    """The owner that a record says."""
    call = made.call
    return Owner(
        made.id,
        made.kind,
        call.client_id,
        call.team_id,
        call.app_id,
        call.key_id,
        made.upstream,
        made.model,
        made.parent_id,
        msgspec.json.decode(made.details),
        made.at_us / 1e6,
    )


def _text(data: bytes) -> bytes:
    """Redis's cmsgpack knows no byte strings: they go as strings, with a length of 16 bits."""
    return b"\xda" + len(data).to_bytes(2, "big") + data
