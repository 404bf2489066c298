"""A result on its way out of a container, among its log's lines: in pieces that no log collector cuts, each with its number.

It is no secret's way: whoever may read the workspace's logs reads it.
"""

import base64
import json
import re
import secrets
import sys
import time
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

_MARK = "aduana-result"
_PIECE = 8_000  # characters; containerd cuts lines at 16 KiB
_LINE = re.compile(rf"{_MARK} ([0-9a-f]{{8}}) (\d{{1,4}})/(\d{{1,4}}) ([A-Za-z0-9+/=]{{1,{_PIECE}}})\s*$")
_LARGEST = 16 * 1024 * 1024  # bytes unpacked


def print_result(document: Mapping[str, Any], out: TextIO | None = None, *, linger: float = 0.0) -> None:
    """Print a document (of plain JSON values) in pieces, and stay for `linger` seconds: a log is streamed only so long."""
    out = sys.stdout if out is None else out
    packed = base64.b64encode(zlib.compress(json.dumps(document, ensure_ascii=False, default=str).encode())).decode()
    pieces = [packed[start : start + _PIECE] for start in range(0, len(packed), _PIECE)]
    of = secrets.token_hex(4)
    for number, piece in enumerate(pieces, 1):
        out.write(f"{_MARK} {of} {number}/{len(pieces)} {piece}\n")
    out.flush()
    time.sleep(linger)


def read_result(lines: Iterable[str]) -> dict[str, Any] | None:
    """The last whole result among a log's lines, in whatever order they came; None where there is none."""
    found: dict[str, dict[int, str]] = {}
    counts: dict[str, int] = {}
    for line in lines:
        match = _LINE.search(line)
        if match is not None:
            of, number, count, piece = match.groups()
            found.setdefault(of, {})[int(number)] = piece
            counts[of] = int(count)
    for of in reversed(found):
        pieces = found[of]
        if set(pieces) == set(range(1, counts[of] + 1)):
            return _read("".join(pieces[number] for number in sorted(pieces)))
    return None


def is_part_of_one(line: str) -> bool:
    """Whether a line is not for people."""
    return _LINE.search(line) is not None


def _read(packed: str) -> dict[str, Any] | None:
    try:
        unpacker = zlib.decompressobj()
        document = json.loads(unpacker.decompress(base64.b64decode(packed, validate=True), _LARGEST))
    except (ValueError, zlib.error):  # binascii.Error and JSONDecodeError are ValueErrors
        return None
    return document if isinstance(document, dict) else None
