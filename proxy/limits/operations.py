"""The operations on the counters as MessagePack, written by hand: they are encoded per call, and their parts that do not
change are encoded once (docs/decisions/0004-limits.md)."""

import struct
from collections.abc import Iterable

import msgspec

from proxy.limits import Claim

# Redis's cmsgpack knows no byte strings: an event id goes as a string of 16 bytes (0xb0), numbers as 64 bits (0xd3).
_HEAD = struct.Struct(">cc c16s cq cq").pack
_VOID = struct.Struct(">cc c16s").pack
_NUMBER = struct.Struct(">cq").pack
_NIL = b"\xc0"
_MOST = 2**62

NONE = b"\x91\x05"
"""A record that counts nothing."""

_encode = msgspec.msgpack.Encoder().encode


def admit(claim: Claim) -> bytes:
    """Ask whether the claim may pass, and reserve it."""
    head = _HEAD(b"\x96", b"\x01", b"\xb0", claim.id, b"\xd3", claim.tokens, b"\xd3", min(claim.cost, _MOST))
    cheaper = claim.downshift_cost
    return head + claim.plan.encoded + (_NIL if cheaper is None else _NUMBER(b"\xd3", min(cheaper, _MOST)))


def hold(claim: Claim) -> bytes:
    """Reserve it without asking: it was admitted before."""
    head = _HEAD(b"\x95", b"\x02", b"\xb0", claim.id, b"\xd3", claim.tokens, b"\xd3", min(claim.cost, _MOST))
    return head + claim.plan.encoded


def settle(id: bytes, tokens: int, cost: int, counters: bytes) -> bytes:
    """Put what was used (tokens, nano-dollars) in the place of what was reserved, and spend it in the counters."""
    head = _HEAD(b"\x95", b"\x03", b"\xb0", id, b"\xd3", min(tokens, _MOST), b"\xd3", min(cost, _MOST))
    return head + counters


def void(id: bytes) -> bytes:
    """Give back all of it."""
    return _VOID(b"\x92", b"\x04", b"\xb0", id)


BUCKET, CALENDAR, LIVE = 1, 2, 3
REFUSES, THROTTLES, DOWNSHIFTS = 0, 1, 2

CheckArray = tuple[int, str, int, int, int] | tuple[int, str, int]


def bucket(field: str, unit: int, limit: int, condition: int = 0) -> CheckArray:
    """A limit per minute; `condition`: the check (from 1) that has to be exceeded for it to count."""
    return (BUCKET, field, unit, limit, condition)


def calendar(field: str, unit: int, limit: int, mode: int = REFUSES) -> CheckArray:
    """A limit per period; -1 counts only."""
    return (CALENDAR, field, unit, limit, mode)


def live(field: str, limit: int) -> CheckArray:
    """A limit on live calls."""
    return (LIVE, field, limit)


def encode_checks(checks: Iterable[CheckArray]) -> bytes:
    """The checks of an operation."""
    return _encode(list(checks))


def encode_counters(counters: Iterable[tuple[str, int]]) -> bytes:
    """Where a settlement is spent: fields and units."""
    return _encode(list(counters))
