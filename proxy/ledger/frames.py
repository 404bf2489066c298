"""What a spool file is made of: frames of a length, a checksum, a number and a record.

A frame that is not whole at the end of the newest file is being written, or was when its proxy died. Anything else that
does not check is corrupt, and reading goes on at the next frame that does.
"""

import struct
from dataclasses import dataclass
from zlib import crc32

_HEAD = struct.Struct("<IIQ")  # length of number and record, CRC-32 of them, number
_CHECKED_FROM = 8  # the number is part of what is checked
_NUMBER = struct.Struct("<Q")
_SHORTEST = _NUMBER.size + 1
LONGEST = 0xFFFF  # bytes: the upper half of a length is zero, which finds the next frame behind a corrupt one


def frame(number: int, record: bytes) -> bytes:
    """A record as it is spooled. Raises `ValueError` for one that is too long."""
    length = _NUMBER.size + len(record)
    if length > LONGEST:
        raise ValueError(f"a ledger record of {len(record)} bytes is too long for the spool")
    checksum = crc32(record, crc32(_NUMBER.pack(number)))
    return _HEAD.pack(length, checksum, number) + record


@dataclass(frozen=True, slots=True)
class Frame:
    """A record that checks."""

    number: int
    record: bytes


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Bytes between two frames that check, or behind the last one of a finished file."""

    data: bytes


def read_frames(data: bytes, *, finished: bool, limit: int) -> tuple[list[Frame | Corrupt], int]:
    """The frames at the start of `data`, `limit` at most, and how many bytes they are.

    `finished`: nothing will follow `data`, so what is left over is corrupt and not merely unfinished.
    """
    found: list[Frame | Corrupt] = []
    at = 0
    while at < len(data) and len(found) < limit:
        length = _valid_at(data, at)
        if length is None:
            following = _next_valid(data, at + 1)
            if following is None and not finished:
                break
            end = len(data) if following is None else following
            found.append(Corrupt(data[at:end]))
            at = end
            continue
        end = at + _CHECKED_FROM + length
        number = _NUMBER.unpack_from(data, at + _CHECKED_FROM)[0]
        found.append(Frame(number, data[at + _HEAD.size : end]))
        at = end
    return found, at


def _valid_at(data: bytes, at: int) -> int | None:
    if at + _HEAD.size > len(data):
        return None
    length, checksum, _ = _HEAD.unpack_from(data, at)
    if not _SHORTEST <= length <= LONGEST or at + _CHECKED_FROM + length > len(data):
        return None
    if crc32(data[at + _CHECKED_FROM : at + _CHECKED_FROM + length]) != checksum:
        return None
    return int(length)


def _next_valid(data: bytes, start: int) -> int | None:
    at = data.find(b"\0\0", start + 2)
    while at != -1:
        if _valid_at(data, at - 2) is not None:
            return at - 2
        at = data.find(b"\0\0", at + 1)
    return None
