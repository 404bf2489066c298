"""The meter of chat completions and completions.

A stream whose caller did not ask for usage loses exactly what the gateway asked for in its place: the one event with empty
`choices` and a `usage` object, and the `"usage": null` of the others. Azure's first event (`prompt_filter_results`, empty
`choices`, no usage object) stays.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from proxy.metering import Tokens
from proxy.metering.events import EventSplitter, data_of, events
from proxy.metering.figures import ABSENT, Units, Usage, under
from proxy.metering.meters import DONE, GarbledStream, Texts, unless_garbled, without
from proxy.unreadable import UNREADABLE


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
    service_tier: Raw = ABSENT


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class ChatMeter:
    """Chat completions and completions: chunks with `choices`, a last one with `usage`, then [DONE]."""

    __slots__ = ("_hide", "_splitter", "_texts", "_tier", "finished", "pending", "usage")

    def __init__(self, hide_usage: bool) -> None:
        self._hide = hide_usage
        self._splitter = EventSplitter()
        self._texts = Texts()
        self._tier = ABSENT
        self.usage: Tokens | None = None
        self.finished = False
        self.pending = False

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

    def units(self) -> Units:
        return ()

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
        if data == DONE:
            self.finished = True
            return event
        try:
            chunk = _decode_chunk(data)
        except UNREADABLE:
            return unless_garbled(event, data)
        for choice in chunk.choices:
            self._choice(choice)
        if chunk.service_tier is not ABSENT:
            self._tier = chunk.service_tier  # every chunk has it, or the first one
        usage = chunk.usage
        if usage is UNSET:
            return event
        if isinstance(usage, Usage):
            self.usage = under(usage.tokens(), self._tier) or self.usage
            return b"" if self._hide and not chunk.choices else event
        return without(event, data, "usage") if self._hide else event

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
