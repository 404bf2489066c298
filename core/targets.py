"""What proxies tell each other of targets: one notice a change, and a board in Redis for those who come later.

Clocks differ, so a notice says how long, not until when; on the board a field ends by Redis's own clock. The proxy writes
and hears it (proxy.targets.sharing), `aduana upstreams` reads it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

CHANNEL = b"aduana:{targets}:notices"
BOARD = b"aduana:{targets}:board"
"""A hash: a field a target, kind of notice and replica; its value is when it ends, in milliseconds of Redis's clock."""


class Change(StrEnum):
    """What may be said of a target."""

    OPEN = "open"  # its circuit opened, for so long
    CLOSED = "closed"  # its circuit closed again
    COOLING = "cooling"  # it asked not to be called for so long
    SPILLED = "spilled"  # it is used over its mark: others are asked first, for so long
    SPARE = "spare"  # it is below its mark again


LASTING = frozenset({Change.OPEN, Change.COOLING, Change.SPILLED})
"""What holds for a time; the others end one of them."""

ENDS: Mapping[Change, Change] = {Change.CLOSED: Change.OPEN, Change.SPARE: Change.SPILLED}


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """One replica's word on one target."""

    replica: str
    upstream: str
    deployment: str
    change: Change
    seconds: float = 0.0  # that it lasts, from now


_encode = msgspec.json.Encoder().encode
_decode_notice = msgspec.json.Decoder(Notice).decode
_decode_field = msgspec.json.Decoder(tuple[str, str, Change, str]).decode


def encode_notice(notice: Notice) -> bytes:
    """As the channel carries it."""
    return _encode(notice)


def decode_notice(data: bytes) -> Notice:
    """From the channel. Raises `msgspec.MsgspecError`."""
    return _decode_notice(data)


def board_field(notice: Notice) -> bytes:
    """The field of the board that a notice sets, or ends."""
    lasting = ENDS.get(notice.change, notice.change)
    return _encode((notice.upstream, notice.deployment, lasting, notice.replica))


def read_board(fields: Mapping[bytes, bytes], now_ms: int) -> list[Notice]:
    """What still holds at `now_ms` (Redis's clock); a field that cannot be read, of another version, is left out."""
    notices = []
    for field, until in fields.items():
        try:
            upstream, deployment, change, replica = _decode_field(field)
            left = (int(until) - now_ms) / 1000
        except (msgspec.MsgspecError, ValueError):
            continue
        if left > 0:
            notices.append(Notice(replica, upstream, deployment, change, left))
    return notices


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a target stands by all that its replicas say of it."""

    state: str  # closed | open | cooling | spilled
    seconds: float  # until it may be called again, or is asked first again
    replicas: tuple[str, ...]  # that say so


def sighting_of(notices: Iterable[Notice]) -> Sighting:
    """What several replicas' notices of one target come to: what keeps calls away longest goes first."""
    found = list(notices)
    for change in (Change.COOLING, Change.OPEN, Change.SPILLED):
        same = [notice for notice in found if notice.change is change]
        if same:
            replicas = tuple(sorted({notice.replica for notice in same}))
            return Sighting(change.value, max(notice.seconds for notice in same), replicas)
    return Sighting("closed", 0.0, ())
