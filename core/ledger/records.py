"""What a proxy tells the ledger about a call: the records on a stream or in a spool file.

Every record belongs to one stream (a client's, or a spool's), is numbered densely from 1 within one incarnation of one
proxy process, and is MessagePack. An admitted call ends as `Settled` or `Voided`; `Settled` holds all of its row, so
that a row needs no other record.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec


class UsageSource(StrEnum):
    """How a row's tokens are known."""

    REPORTED = "reported"  # by the provider
    COUNTED = "counted"  # by the tokenizer, from what was sent and received
    ESTIMATED = "estimated"  # from the reservation of a call whose proxy died
    NONE = "none"  # nothing was billed: no upstream did the work


class EventKind(StrEnum):
    """What a row is about."""

    CALL = "call"
    BATCH = "batch"  # a share of a batch, known when it has ended
    JOB = "job"  # fine-tuning
    RUN = "run"  # an assistant's, or an eval's
    RESPONSE = "response"  # in the background
    VIDEO = "video"
    CONTAINER = "container"
    REALTIME = "realtime"  # a share of a session
    CORRECTION = "correction"


class Call(msgspec.Struct, array_like=True, frozen=True):
    """Who called what: the part of the row that is known at admission."""

    id: bytes  # 16 bytes, core.ids
    client_id: bytes  # 16 bytes each
    team_id: bytes
    app_id: bytes
    key_id: str
    caller: str  # client/team/app/key
    request_id: str
    endpoint: str
    requested_model: str
    route: str
    streamed: bool


class Attempt(msgspec.Struct, array_like=True, frozen=True):
    """One try at one upstream."""

    upstream: str
    deployment: str
    status: int | None  # None: no answer came
    error_code: str | None
    upstream_request_id: str | None
    duration_ms: float


class Admitted(msgspec.Struct, array_like=True, frozen=True, tag="A"):
    """A call that may now be forwarded, and what it reserves."""

    call: Call
    upstream: str  # the first candidate
    deployment: str
    input_tokens: int  # estimated
    output_tokens: int  # the cap, or 0 where the caller set none
    cost_nano_usd: int  # of the two, by the dearest candidate
    unpriced: bool
    kind: str = EventKind.CALL
    parent_id: bytes | None = None  # 16 bytes, as `Settled.parent_id`


class Settled(msgspec.Struct, array_like=True, frozen=True, tag="S"):
    """How an admitted call ended: the whole of its row and its attempts."""

    call: Call
    upstream: str | None
    deployment: str | None
    status: int | None  # what the caller was answered; None: nothing
    error_code: str | None
    cancelled: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_source: str
    cost_nano_usd: int
    unpriced: bool
    time_to_first_byte_ms: float | None
    duration_ms: float | None  # None: an orphan's, nobody knows
    attempts: list[Attempt]
    # What came later stands at the end, with a default: records of an older proxy have none of it.
    units: tuple[tuple[str, int], ...] = ()  # billed units that are no text tokens (core.prices), and how many
    kind: str = EventKind.CALL
    parent_id: bytes | None = None  # 16 bytes: the event of which this one is a share


class Voided(msgspec.Struct, array_like=True, frozen=True, tag="V"):
    """A call whose admission could not be confirmed and that was refused: it leaves no row."""

    id: bytes


class Heartbeat(msgspec.Struct, array_like=True, frozen=True, tag="H"):
    """The incarnation lives: none of its open calls is an orphan."""

    at_ms: int  # Unix time by the proxy's clock


class Superseded(msgspec.Struct, array_like=True, frozen=True, tag="N"):
    """Stands for an `Admitted` that was never delivered and whose call has settled since: keeps the numbering dense."""


class Made(msgspec.Struct, array_like=True, frozen=True, tag="M"):
    """A call made an object at an upstream: whose it is (core.objects)."""

    call: Call
    id: str  # the provider's
    kind: str
    upstream: str
    model: str | None
    parent_id: str | None
    details: bytes  # JSON
    deferred_path: str | None  # where its usage is asked for when it has ended
    at_us: int  # Unix time in microseconds by the proxy's clock; grows from one to the next within a process


class Gone(msgspec.Struct, array_like=True, frozen=True, tag="G"):
    """An object of a client is not there any more."""

    client_id: bytes  # 16 bytes
    id: str
    at_us: int


Record = Admitted | Settled | Voided | Heartbeat | Superseded | Made | Gone

encode = msgspec.msgpack.Encoder().encode
"""A record as bytes. Raises `OverflowError` and `UnicodeEncodeError` for what MessagePack cannot hold."""

_MOST = 2**63 - 1


def encode_settled(record: Settled | Made) -> bytes:
    """A settlement (or whose an object is) as bytes, whatever an upstream put into it: a call that ended must not stay
    open for a text in it."""
    try:
        return encode(record)
    except (OverflowError, UnicodeEncodeError):
        return encode(_encodable(record))


def _encodable(value: Any) -> Any:
    """Numbers cut to 64 bits, halves of surrogate pairs (JSON may escape them) replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if type(value) is int:
        return max(-_MOST, min(value, _MOST))
    if isinstance(value, list | tuple):
        return type(value)(_encodable(each) for each in value)
    if isinstance(value, msgspec.Struct):
        return type(value)(*map(_encodable, msgspec.structs.astuple(value)))
    return value


_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def decode(data: bytes | msgspec.Raw) -> Record:
    """A record from bytes. Raises `msgspec.DecodeError` for what is none."""
    return _decoder.decode(data)


class Unreadable(msgspec.Struct, frozen=True):
    """Stands where a record was that does not decode."""

    data: bytes
    reason: str


_array_decoder: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[Record])
_raw_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])


def decode_array(data: bytes, count: int) -> Sequence[Record | Unreadable]:
    """The `count` records of a MessagePack array; those that are none come as `Unreadable`, each in its place."""
    records: Sequence[Record | Unreadable]
    try:
        records = _array_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        records = _one_by_one(data, count)
    if len(records) != count:
        return [Unreadable(data, f"an array of {len(records)} records where {count} were announced")] * count
    return records


def _one_by_one(data: bytes, count: int) -> Sequence[Record | Unreadable]:
    try:
        raws = _raw_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return [Unreadable(data, str(error))] + [Unreadable(b"", "part of the array before")] * (count - 1)
    return [decode_or_keep(bytes(raw)) for raw in raws]


def decode_or_keep(data: bytes) -> Record | Unreadable:
    """A record from bytes, or what is there instead."""
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unreadable(data, str(error))
