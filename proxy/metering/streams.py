"""Meters of streams: each sees every event that passes, keeps what a count would need, and finds the reported usage.

A chat stream whose caller did not ask for usage loses exactly what the gateway asked for in its place: the one event with
empty `choices` and a `usage` object, and the `"usage": null` of the others. Azure's first event (`prompt_filter_results`,
empty `choices`, no usage object) stays.
"""

import contextlib
from typing import Protocol

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from proxy.endpoints import Endpoint, Metering
from proxy.metering import Tokens
from proxy.metering.events import EventSplitter, data_of, events
from proxy.metering.usage import Usage

_DONE = b"[DONE]"
_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class GarbledStream(Exception):
    """An event of the stream is not what the endpoint sends."""


class StreamMeter(Protocol):
    """What a stream used."""

    usage: Tokens | None  # as reported; None until it is
    finished: bool  # the stream came to its own end

    def pass_on(self, piece: bytes) -> bytes:
        """What of the bytes received goes to the caller now: whole events. Raises `GarbledStream`, `EventTooLarge`."""
        ...

    def received(self) -> list[str]:
        """The text that was received, a string for each choice, for the tokenizer."""
        ...

    def rest(self) -> bytes:
        """What stood behind the last whole event when the stream ended."""
        ...


def stream_meter(endpoint: Endpoint, *, hide_usage: bool) -> StreamMeter:
    """The meter of an endpoint's streams. `hide_usage`: its caller did not ask for the usage that the gateway forced."""
    if endpoint.metering is Metering.RESPONSES:
        return ResponsesMeter()
    return ChatMeter(hide_usage)


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct):
    function: _Function | None = None


class _Delta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None  # completions


class _Chunk(Struct):
    choices: list[_Choice] = []
    usage: Usage | UnsetType | None = UNSET


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class _Texts:
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


class ChatMeter:
    """Chat completions and completions: chunks with `choices`, a last one with `usage`, then [DONE]."""

    __slots__ = ("_hide", "_splitter", "_texts", "finished", "usage")

    def __init__(self, hide_usage: bool) -> None:
        self._hide = hide_usage
        self._splitter = EventSplitter()
        self._texts = _Texts()
        self.usage: Tokens | None = None
        self.finished = False

    def pass_on(self, piece: bytes) -> bytes:
        whole = self._splitter.feed(piece)
        if not whole:
            return b""
        passed: list[bytes] = []
        changed = False
        for event in events(whole):
            kept = self._event(event)
            if kept is not event:
                changed = True
            if kept:
                passed.append(kept)
        return b"".join(passed) if changed else whole

    def received(self) -> list[str]:
        return self._texts.strings()

    def rest(self) -> bytes:
        rest = self._splitter.rest()
        event = rest.rstrip(b"\r\n") + b"\n\n"
        try:
            kept = self._event(event)
        except GarbledStream:
            return rest  # cut in its middle: it passes as it came
        return rest if kept is event else kept

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None:
            return event
        if data == _DONE:
            self.finished = True
            return event
        try:
            chunk = _decode_chunk(data)
        except (msgspec.DecodeError, RecursionError):
            return _unless_garbled(event, data)
        for choice in chunk.choices:
            self._choice(choice)
        usage = chunk.usage
        if usage is UNSET:
            return event
        if isinstance(usage, Usage):
            self.usage = usage.tokens() or self.usage
            return b"" if self._hide and not chunk.choices else event
        return _without_null_usage(event, data) if self._hide else event

    def _choice(self, choice: _Choice) -> None:
        if choice.text:
            self._texts.add(choice.index, choice.text)
        delta = choice.delta
        if delta is None:
            return
        if delta.content:
            self._texts.add(choice.index, delta.content)
        if delta.reasoning_content:
            self._texts.add(choice.index, delta.reasoning_content)
        if delta.refusal:
            self._texts.add(choice.index, delta.refusal)
        for function in (call.function for call in delta.tool_calls or ()):
            if function is not None:
                self._texts.add(choice.index, (function.name or "") + (function.arguments or ""))
        if delta.function_call is not None:
            self._texts.add(choice.index, (delta.function_call.name or "") + (delta.function_call.arguments or ""))


class _Response(Struct):
    usage: Usage | None = None


class _ResponsesEvent(Struct):
    type: str = ""
    delta: str | Raw | None = None
    output_index: int = 0
    response: _Response | None = None


_decode_responses_event = msgspec.json.Decoder(_ResponsesEvent).decode
# The events whose `delta` is generated text; audio and the like are not tokens of text.
_TEXT_DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})


class ResponsesMeter:
    """Responses: typed events; the last one holds the response with its usage."""

    __slots__ = ("_splitter", "_texts", "finished", "usage")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._texts = _Texts()
        self.usage: Tokens | None = None
        self.finished = False

    def pass_on(self, piece: bytes) -> bytes:
        whole = self._splitter.feed(piece)
        for event in events(whole) if whole else ():
            self._event(event)
        return whole

    def received(self) -> list[str]:
        return self._texts.strings()

    def rest(self) -> bytes:
        rest = self._splitter.rest()
        with contextlib.suppress(GarbledStream):
            self._event(rest)
        return rest

    def _event(self, event: bytes) -> None:
        data = data_of(event)
        if data is None or data == _DONE:
            return
        try:
            parsed = _decode_responses_event(data)
        except (msgspec.DecodeError, RecursionError):
            _unless_garbled(event, data)
            return
        if parsed.type in _TEXT_DELTAS and isinstance(parsed.delta, str):
            self._texts.add(parsed.output_index, parsed.delta)
        elif parsed.type in _ENDS:
            self.finished = True
            if parsed.response is not None and parsed.response.usage is not None:
                self.usage = parsed.response.usage.tokens()


def _unless_garbled(event: bytes, data: bytes) -> bytes:
    """An event of a shape that is not known passes as long as it is a JSON object."""
    try:
        _decode_fields(data)
    except (msgspec.DecodeError, RecursionError):
        raise GarbledStream from None
    return event


def _without_null_usage(event: bytes, data: bytes) -> bytes:
    fields = _decode_fields(data)
    del fields["usage"]
    return event.replace(data, _encode(fields), 1)
