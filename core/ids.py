"""Event ids: UUIDv7 (RFC 9562, section 5.7), whose first 48 bits are the time of admission in milliseconds."""

import hashlib
import os
import time
from datetime import UTC, datetime
from random import Random
from uuid import UUID

_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)


# Ids have to be unique, not secret: a generator seeded by the system spares a system call a call.
_generator = Random()  # noqa: S311
_random_bits = _generator.getrandbits
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_generator.seed)


def new_event_id() -> bytes:
    """Sixteen bytes of a UUIDv7 for now."""
    random = _random_bits(76)
    # 12 random bits follow the version, 62 the variant (RFC 9562: rand_a, rand_b).
    value = (
        (time.time_ns() // 1_000_000 << 80)
        | _VERSION_AND_VARIANT
        | ((random >> 68) << 64)
        | (random & 0x3FFF_FFFF_FFFF_FFFF)
    )
    return value.to_bytes(16, "big")


def share_id(of: bytes, *names: str) -> bytes:
    """The id of what is accounted for apart from event `of`, later: a UUIDv7 of the same time, and always the same one."""
    digest = hashlib.sha256("\0".join((of.hex(), *names)).encode("utf-8", "replace")).digest()
    bits = int.from_bytes(digest[:10], "big")
    value = (
        (int.from_bytes(of[:6], "big") << 80)
        | _VERSION_AND_VARIANT
        | ((bits >> 62 & 0xFFF) << 64)
        | (bits & 0x3FFF_FFFF_FFFF_FFFF)
    )
    return value.to_bytes(16, "big")


def admitted_at(event_id: bytes) -> datetime:
    """The time of admission that an event id carries, in UTC, to the millisecond."""
    return datetime.fromtimestamp(int.from_bytes(event_id[:6], "big") / 1000, tz=UTC)


def as_uuid(event_id: bytes) -> UUID:
    """The id as Postgres and people write it."""
    return UUID(bytes=event_id)
