"""Multipart bodies, read as they come: fields are kept, a file is counted and hashed, and only its beginning is kept.

A body of any size costs no more memory than `KEPT` bytes a file.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

KEPT = 8 << 20
_LARGEST_FIELD = 1 << 20
_NESTED = re.compile(r"\[([^\]]*)\]")


class BadForm(Exception):
    """The body is no form; the message says why."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that a form brought."""

    filename: str
    content_type: str
    size: int
    sha256: str
    content: bytes
    """Its first `KEPT` bytes."""

    @property
    def whole(self) -> bool:
        """Whether nothing of it was dropped."""
        return len(self.content) == self.size

    def told(self) -> dict[str, Any]:
        """What the journal says of it."""
        return {
            "filename": self.filename,
            "content_type": self.content_type,
            "bytes": self.size,
            "sha256": self.sha256,
        }


@dataclass(slots=True)
class _Part:
    name: str = ""
    filename: str | None = None
    content_type: str = "application/octet-stream"
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    kept: bytearray = field(default_factory=bytearray)


class FormReader:
    """Takes a body piece by piece."""

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise BadForm("the content type names no boundary")
        self._parts: list[_Part] = []
        self._header = bytearray()
        self._value = bytearray()
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: self._parts.append(_Part()),
                "on_part_data": self._take,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._take_header,
                "on_end": self._end,
            },
        )

    def feed(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            BadForm: it cannot be one of a form.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadForm(str(error)) from error

    def fields(self) -> dict[str, Any]:
        """The fields, as JSON would have them: `a[]` a list, `a[b]` an object, a file a `SentFile`.

        Raises:
            BadForm: the body ended too early.
        """
        if not self._ended:
            raise BadForm("the body ends before its last boundary")
        found: dict[str, Any] = {}
        for part in self._parts:
            _put(found, part.name, _value_of(part))
        return found

    def _take_header(self) -> None:
        name, value = bytes(self._header).lower(), bytes(self._value)
        self._header.clear()
        self._value.clear()
        part = self._parts[-1]
        if name == b"content-type":
            part.content_type = value.decode("latin-1")
        elif name == b"content-disposition":
            _, options = parse_options_header(value)
            part.name = options.get(b"name", b"").decode()
            if b"filename" in options:
                part.filename = options[b"filename"].decode()

    def _take(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._parts[-1], memoryview(data)[start:end]
        part.size += len(piece)
        if part.filename is None and part.size > _LARGEST_FIELD:
            raise FormParserError(f"the field {part.name} is larger than {_LARGEST_FIELD} bytes")
        if part.filename is not None:
            part.digest.update(piece)
        part.kept += piece[: max(KEPT - len(part.kept), 0)]

    def _end(self) -> None:
        self._ended = True


def told(fields: Any) -> Any:
    """Fields as the journal shows them."""
    if isinstance(fields, SentFile):
        return fields.told()
    if isinstance(fields, dict):
        return {name: told(value) for name, value in fields.items()}
    return [told(value) for value in fields] if isinstance(fields, list) else fields


def _value_of(part: _Part) -> Any:
    if part.filename is None:
        return part.kept.decode("utf-8", "replace")
    return SentFile(part.filename, part.content_type, part.size, part.digest.hexdigest(), bytes(part.kept))


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    """`a`, `a[]`, `a[b]`, `a[b][]`; a name that comes again makes a list."""
    path = [name.split("[", 1)[0], *_NESTED.findall(name)]
    many = path[-1] == ""
    if many:
        path.pop()
    place = fields
    for step in path[:-1]:
        place = place.setdefault(step, {})
    last = path[-1]
    if many or last in place:
        before = place.get(last, [])
        place[last] = [*before, value] if isinstance(before, list) else [before, value]
    else:
        place[last] = value
