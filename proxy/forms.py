"""Multipart forms (RFC 7578) on their way through: small fields are read, files pass by.

A form that may name a model or an object is kept (on disk, where it is large) until all of its fields are known: callers may
put them behind the file. Any other streams through as it comes. Either goes on under a boundary of ours,
its parts' heads written anew: no upstream can find other parts in it than were judged here.
"""

import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from proxy.bodies import DETAILS, LONGEST_PURPOSE, Sent
from proxy.errors import Refusal
from proxy.headers import content_length
from proxy.intake import CallerGone
from proxy.references import FIELDS, WORDS, References

_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]").fullmatch
_LONGEST_FIELD = 256 * 1024  # bytes
_MOST_FIELDS = 256
_LONGEST_FIELDS = 1024 * 1024  # bytes of all of them: they are held in memory
_IN_MEMORY = 256 * 1024  # bytes of a kept form; what is beyond goes to disk
_READ = 64 * 1024  # bytes of a kept file that are sent at once
_NAMING = FIELDS - WORDS
# Fields that decide what becomes of a call: none may come when its file is on its way already.
_DECIDING = frozenset({"model", "stream", "purpose"})
_SAID = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False, "": False, None: False}
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]").search


class Part(msgspec.Struct):
    """One part: a field with its value, or a file with its place in what was kept."""

    name: str
    head: bytes  # its header lines, as they are sent on
    value: bytes | None  # None: a file
    start: int = 0
    length: int = 0


class _Parsed(msgspec.Struct):
    """What the bytes fed so far amount to."""

    parts: list[Part] = msgspec.field(default_factory=list)
    pieces: list[tuple[Part, bytes]] = msgspec.field(default_factory=list)  # of files, taken by whoever feeds
    ended: bool = False


class _Splitter:
    """Cuts a form into its parts. Raises `Refusal` for what is none."""

    def __init__(self, boundary: bytes) -> None:
        self.found = _Parsed()
        self._header: list[bytearray] = [bytearray(), bytearray()]
        self._headers: dict[bytes, bytes] = {}
        self._part: Part | None = None
        self._value = bytearray()
        self._fields = 0  # bytes of the fields that have ended
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_begin": self._begin_header,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._end_of_form,
            },
        )

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise _no_form(f"it cannot be read ({error})") from None

    def finish(self) -> None:
        if not self.found.ended:
            raise _no_form("it ends before its last boundary")

    def _begin(self) -> None:
        self._headers = {}
        if len(self.found.parts) >= _MOST_FIELDS:
            raise _no_form(f"it has more than {_MOST_FIELDS} parts")

    def _begin_header(self) -> None:
        self._header = [bytearray(), bytearray()]

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header[0]).strip().lower()] = bytes(self._header[1]).strip()

    def _headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        name = options.get(b"name")
        if kind != b"form-data" or name is None:
            raise _no_form("a part has no name (Content-Disposition: form-data; name=…)")
        text = name.decode("utf-8", "replace")
        filename = options.get(b"filename")
        if filename is not None and (text in _DECIDING or _names_object(text)):
            raise _no_form(f"the field '{text[:64]}' is a file")  # which an upstream may read as a value all the same
        head = _head_of(name, filename, self._headers.get(b"content-type"))
        self._part = Part(text, head, None if filename is not None else b"")
        self._value = bytearray()
        self.found.parts.append(self._part)

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        assert part is not None
        if part.value is None:
            part.length += end - start
            self.found.pieces.append((part, data[start:end]))
            return
        self._value += data[start:end]
        if len(self._value) > _LONGEST_FIELD:
            raise _no_form(f"the field '{part.name[:64]}' is longer than {_LONGEST_FIELD} bytes")
        if self._fields + len(self._value) > _LONGEST_FIELDS:
            raise _no_form(f"its fields are longer than {_LONGEST_FIELDS} bytes together")

    def _end(self) -> None:
        if self._part is not None and self._part.value is not None:
            self._part.value = bytes(self._value)
            self._fields += len(self._value)
        self._part = None

    def _end_of_form(self) -> None:
        self.found.ended = True


class FormBody:
    """A form, or as much of it as has come."""

    data = b""

    def __init__(self, boundary: bytes, receive: Any, limit: int, directory: Path) -> None:
        self._boundary = b"aduana-" + secrets.token_hex(16).encode()  # no caller can put it into a file
        self._receive = receive
        self._limit = limit  # bytes of all of it
        self._size = 0
        self._over = False  # the caller has sent all of it
        self._splitter = _Splitter(boundary)
        self._kept: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(directory))  # noqa: SIM115 - it lives as long as the call
        self._kept_bytes = 0
        self._keeping: Part | None = None  # whose content was kept last
        self._begun = False  # what came was given away: it cannot be sent a second time
        self.estimate: dict[str, Any] = {}  # of a batch's lines
        self.upstream: str | None = None  # the one that its content was made for

    @property
    def parts(self) -> Sequence[Part]:
        """Those that have begun."""
        return self._splitter.found.parts

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self._over

    @property
    def resendable(self) -> bool:
        return not self._begun

    async def keep_until_file(self, *names: str) -> None:
        """Keep what comes until its file begins and fields of these names are here, or the end. Raises `Refusal`,
        `CallerGone`."""
        while not self._over and not (self._file_began() and all(self._whole(name) for name in names)):
            await self._more()
            self._keep()

    async def keep(self) -> None:
        """Keep all of it."""
        while not self._over:
            await self._more()
            self._keep()

    # ── What it says ────────────────────────────────────────────────────────────────────────────────────────────────

    def field(self, name: str) -> str | None:
        """A field's text; None where it is not there (yet). One that stands twice is refused (400)."""
        values = [part.value for part in self.parts if part.name == name and part.value is not None]
        if len(values) > 1:
            raise _no_form(f"the field '{name}' stands twice")
        try:
            return values[0].decode("utf-8") if values else None
        except UnicodeDecodeError:
            raise _no_form(f"the field '{name}' is not UTF-8") from None

    def texts(self) -> dict[str, str]:
        """Its fields, as far as they are here."""
        return {part.name: part.value.decode("utf-8", "replace") for part in self.parts if part.value is not None}

    def file_bytes(self) -> Sequence[int]:
        """How long its files are, as far as they are here."""
        return [part.length for part in self.parts if part.value is None]

    def names_model(self) -> bool:
        return bool(self.field("model"))

    def model(self) -> str:
        model = self.field("model")
        if not model:
            raise Refusal(
                400,
                "missing_model",
                "You must provide a model: set 'model' to one of those that GET /v1/models lists.",
                param="model",
            )
        return model

    def streamed(self) -> bool:
        said = self.field("stream")
        if said not in _SAID:
            raise Refusal(400, "invalid_type", "'stream' must be true or false.", param="stream")
        return _SAID[said]

    def references(self) -> References:
        """The objects that its fields name: `file_id`, `input_reference[file_id]`, `file_ids[]`, …; a form's prompt is text."""
        own = {}
        for part in self.parts:
            if part.value and _names_object(part.name):
                own[part.value.decode("utf-8", "replace")] = part.name
        return References(own)

    def details(self) -> dict[str, Any]:
        """The purpose of what is uploaded, how long a video is asked for, and what a batch's lines may use."""
        said = {name: self.field(name) for name in DETAILS}
        return {**{name: text[:LONGEST_PURPOSE] for name, text in said.items() if text is not None}, **self.estimate}

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def sent(self, model: bytes, cap_field: str) -> Sent:
        name = msgspec.json.decode(model, type=str).encode() if model else None
        content_type = b"content-type: multipart/form-data; boundary=%b\r\n" % self._boundary
        if self._over:
            parts = self._whole_parts(name)
            length = sum(len(self._head(part)) + self._length(part, name) + 2 for part in parts)
            return Sent(self._whole_form(parts, name), content_type, length + len(self._boundary) + 6)
        return Sent(self._as_it_comes(name), content_type)

    async def file(self) -> AsyncIterator[bytes]:
        """The file of a form that is kept whole."""
        for part in self.parts:
            if part.value is None:
                self._kept.seek(part.start)
                left = part.length
                while left:
                    piece = self._kept.read(min(left, _READ))
                    left -= len(piece)
                    yield piece

    def replace_file(self, content: IO[bytes], length: int) -> None:
        """Send something else in the place of its file."""
        self._kept.close()
        self._kept = content
        for part in self.parts:
            if part.value is None:
                part.start, part.length = 0, length

    def _head(self, part: Part) -> bytes:
        return b"--%b\r\n%b\r\n" % (self._boundary, part.head)

    def _length(self, part: Part, model: bytes | None) -> int:
        return part.length if part.value is None else len(self._value(part, model))

    @staticmethod
    def _value(part: Part, model: bytes | None) -> bytes:
        assert part.value is not None
        return model if model is not None and part.name == "model" else part.value

    def _whole_parts(self, model: bytes | None) -> Sequence[Part]:
        """Its parts, and the model that a caller named by its path alone: not every upstream looks for it there."""
        if model is None or any(part.name == "model" for part in self.parts):
            return self.parts
        return [*self.parts, Part("model", _head_of(b"model", None, None), model)]

    async def _whole_form(self, parts: Sequence[Part], model: bytes | None) -> AsyncIterator[bytes]:
        for part in parts:
            yield self._head(part)
            async for piece in self._content(part, model):
                yield piece
            yield b"\r\n"
        yield b"--%b--\r\n" % self._boundary

    async def _content(self, part: Part, model: bytes | None) -> AsyncIterator[bytes]:
        if part.value is not None:
            yield self._value(part, model)
            return
        self._kept.seek(part.start)
        left = part.length
        while left:
            piece = self._kept.read(min(left, _READ))
            left -= len(piece)
            yield piece

    async def _as_it_comes(self, model: bytes | None) -> AsyncIterator[bytes]:
        """What was kept, and then what comes, each piece as soon as it is here."""
        self._begun = True
        between, at = b"", 0
        for part in self.parts:
            if part.value is not None and part is self.parts[-1]:
                break  # it has not ended yet
            yield between + self._head(part)
            async for piece in self._content(part, model):
                yield piece
            between, at = b"\r\n", at + 1
        open_part = self.parts[at - 1] if at else None
        while not self._over:
            await self._more()
            for part, piece in self._take():
                if part is not open_part:
                    for head in self._heads(at, part):
                        yield between + head
                        between = b"\r\n"
                    at, open_part = self.parts.index(part) + 1, part
                yield piece
        for head in self._heads(at, None):
            yield between + head
            between = b"\r\n"
        yield b"\r\n--%b--\r\n" % self._boundary

    def _heads(self, at: int, until: Part | None) -> Iterator[bytes]:
        """Fields that came behind a file, and the head of the file that follows them."""
        for part in self.parts[at:]:
            name = _last_name(part.name)
            if part.value is not None and (name in _NAMING or name == "id" or part.name in _DECIDING):
                raise _no_form(f"the field '{part.name[:64]}' stands behind the file; put it in front")
            yield self._head(part) + (part.value or b"")
            if part is until:
                return

    # ── Receiving ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _file_began(self) -> bool:
        return any(part.value is None for part in self.parts)

    def _whole(self, name: str) -> bool:
        """Whether a field of that name has come to its end."""
        return any(part.name == name and part.value is not None and part is not self.parts[-1] for part in self.parts)

    def _take(self) -> list[tuple[Part, bytes]]:
        pieces, self._splitter.found.pieces = self._splitter.found.pieces, []
        return pieces

    async def _more(self) -> None:
        message = await self._receive()
        if message["type"] != "http.request":
            raise CallerGone
        data = message["body"]
        self._size += len(data)
        if self._size > self._limit:
            raise Refusal(
                413,
                "request_too_large",
                f"The form is over the limit of {self._limit} bytes. Send a smaller one, or ask your Aduana administrator "
                "to raise ADUANA_MAX_UPLOAD_BYTES.",
                close=True,
            )
        self._splitter.feed(data)
        if not message["more_body"]:
            self._splitter.finish()
            self._over = True

    def _keep(self) -> None:
        for part, piece in self._take():
            if part is not self._keeping:
                self._keeping, part.start = part, self._kept_bytes
            self._kept.seek(self._kept_bytes)
            self._kept.write(piece)
            self._kept_bytes += len(piece)


def open_form(headers: Sequence[tuple[bytes, bytes]], receive: Any, limit: int, directory: Path) -> FormBody:
    """The form of a request. Raises `Refusal` for one that is none, or that is announced too large."""
    content_type = next((value for name, value in headers if name == b"content-type"), b"")
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not _BOUNDARY(boundary):
        raise Refusal(
            415,
            "unsupported_media_type",
            "This endpoint takes a form (multipart/form-data) with a boundary. Your SDK sends one where it is given a file.",
        )
    announced = content_length(headers)
    if announced is not None and announced > limit:
        raise Refusal(
            413,
            "request_too_large",
            f"The form is over the limit of {limit} bytes. Send a smaller one, or ask your Aduana administrator to raise "
            "ADUANA_MAX_UPLOAD_BYTES.",
            close=True,
        )
    return FormBody(boundary, receive, limit, directory)


def _head_of(name: bytes, filename: bytes | None, content_type: bytes | None) -> bytes:
    """A part's head, in one spelling: what the parser makes of the caller's is what every other one makes of this."""
    if b"\\" in name or any(_CONTROL(value) for value in (name, filename or b"", content_type or b"")):
        raise _no_form("a part's head holds a backslash or a control character")
    head = b'content-disposition: form-data; name="%b"' % name.replace(b'"', b"%22")
    if filename is not None:
        head += b'; filename="%b"' % filename.replace(b"\\", b"_").replace(b'"', b"%22")
    return head + (b"\r\ncontent-type: %b\r\n" % content_type if content_type is not None else b"\r\n")


def _names_object(name: str) -> bool:
    last = _last_name(name)
    return last in _NAMING or (last == "id" and "[" in name)


def _last_name(name: str) -> str:
    """The word that says what a field is: `file_id` of `input_reference[file_id]`, `file_ids` of `file_ids[]`."""
    words = [word for word in re.split(r"[\[\].]", name) if word]
    return words[-1] if words else ""


def _no_form(why: str) -> Refusal:
    return Refusal(400, "invalid_form", f"The request's body is not a form that can be used: {why}.", close=True)
