"""What every meter of a stream does: it sees each event that passes and finds the usage that one of them reports."""

import contextlib
from typing import ClassVar, Protocol

import msgspec
from msgspec import Raw

from proxy.metering import Tokens
from proxy.metering.events import LIMIT, EventSplitter, data_of, events
from proxy.metering.figures import Units
from proxy.unreadable import UNREADABLE

DONE = b"[DONE]"
_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class GarbledStream(Exception):
    """An event of the stream is not what the endpoint sends."""


class StreamMeter(Protocol):
    """What a stream used."""

    usage: Tokens | None  # as reported; None until it is
    finished: bool  # the stream came to its own end
    pending: bool  # the work goes on without the stream: what it used is known when it has ended

    def pass_on(self, piece: bytes) -> bytes:
        """What of the bytes received goes to the caller now: whole events. Raises `GarbledStream`, `EventTooLarge`."""
        ...

    def received(self) -> list[str]:
        """The text that was received, a string for each choice, for the tokenizer."""
        ...

    def units(self) -> Units:
        """What was received beside text, where no usage was reported."""
        ...

    def rest(self) -> bytes:
        """What stood behind the last whole event when the stream ended."""
        ...


class Texts:
    """Text as it comes, a buffer a choice."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[int, bytearray] = {}

    def add(self, index: int, text: str) -> None:
        part = self._parts.get(index)
        if part is None:
            part = self._parts[index] = bytearray()
        part += text.encode("utf-8", "surrogatepass")

    def strings(self) -> list[str]:
        return [part.decode("utf-8", "replace") for part in self._parts.values()]


class EventMeter:
    """A meter of a stream that passes untouched: what it reads of an event is for the ones below to say."""

    __slots__ = ("_splitter", "_texts", "finished", "pending", "usage")

    limit: ClassVar[int] = LIMIT

    def __init__(self) -> None:
        self._splitter = EventSplitter(self.limit)
        self._texts = Texts()
        self.usage: Tokens | None = None
        self.finished = False
        self.pending = False

    def pass_on(self, piece: bytes) -> bytes:
        whole = self._splitter.feed(piece)
        for event in events(whole) if whole else ():
            self._event(event)
        return whole

    def received(self) -> list[str]:
        return self._texts.strings()

    def units(self) -> Units:
        return ()

    def rest(self) -> bytes:
        rest = self._splitter.rest()
        with contextlib.suppress(GarbledStream):
            self._event(rest)
        return rest

    def _event(self, event: bytes) -> None:
        data = data_of(event)
        if data is None:
            return
        if data == DONE:
            self._done()
            return
        try:
            self._read(data)
        except UNREADABLE:
            unless_garbled(event, data)

    def _read(self, data: bytes) -> None:
        """An event's data. Raises `UNREADABLE` where it has another shape than it ought to."""

    def _done(self) -> None:
        """The stream's last mark, where it has one."""


def unless_garbled(event: bytes, data: bytes) -> bytes:
    """An event of a shape that is not known passes as long as it is a JSON object."""
    try:
        _decode_fields(data)
    except UNREADABLE:
        raise GarbledStream from None
    return event


def without(event: bytes, data: bytes, field: str) -> bytes:
    """An event without a field."""
    fields = _decode_fields(data)
    del fields[field]
    return event.replace(data, _encode(fields), 1)
