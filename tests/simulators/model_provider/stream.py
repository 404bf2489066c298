"""A stream of server-sent events, with the faults that befall streams.

What carries text is a chunk and is counted; what frames it (roles, finish reasons, usage) is not.
"""

from typing import Any

import msgspec

from tests.simulators.model_provider.exchange import Exchange

DONE = b"data: [DONE]\n\n"


class Failed(Exception):
    """A fault wants the stream to end with an error event."""


class EventStream:
    """The stream that answers an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._faults = exchange.faults
        configured = exchange.provider.configuration.chunk_delay
        self._delay = configured if self._faults.chunk_delay is None else self._faults.chunk_delay
        self._delicate = any(
            after is not None for after in (self._faults.cut_after, self._faults.hang_after, self._faults.fail_after)
        )
        self.chunks = 0

    async def start(self) -> None:
        """Send the head."""
        await self._exchange.start_stream()

    async def event(self, data: bytes) -> None:
        """Send an event that carries no text."""
        if self._delicate:
            await self._break()
        await self._write(data)

    async def chunk(self, data: bytes, tokens: int) -> None:
        """Send an event that carries text, and charge its tokens."""
        await self.event(data)
        self.chunks += 1
        self._exchange.seen.chunks = self.chunks
        if self._exchange.charge is not None:
            self._exchange.charge.completion_tokens += tokens
        await self._exchange.pause(self._delay)

    async def fail(self, data: bytes) -> None:
        """Send the error event that ends the stream, past all faults."""
        await self._write(data)
        await self._exchange.end_stream()

    async def end(self) -> None:
        """End the stream."""
        if self._delicate:
            await self._break()
        await self._exchange.end_stream()

    async def _break(self) -> None:
        if self.chunks == self._faults.cut_after:
            await self._exchange.cut()
        if self.chunks == self._faults.hang_after:
            await self._exchange.wait_for_hang_up()
        if self.chunks == self._faults.fail_after:
            raise Failed

    async def _write(self, data: bytes) -> None:
        size = self._faults.split_bytes
        if not size:
            await self._exchange.write(data)
            return
        for start in range(0, len(data), size):
            await self._exchange.write(data[start : start + size])
            await self._exchange.pause(0)


def event(value: Any) -> bytes:
    """An event of a chat or completions stream."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def named_event(kind: str, value: dict[str, Any]) -> bytes:
    """An event that says its type twice, as the newer streams do."""
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **value}) + b"\n\n"


_MARK = "\x1f"
_ENCODED_MARK = msgspec.json.encode(_MARK)


class Template:
    """An event that differs by one string from one to the next: encoded once, filled in many times."""

    MARK = _MARK
    """What stands for the string in the value."""

    def __init__(self, value: Any) -> None:
        self._before, self._after = event(value).split(_ENCODED_MARK)

    def filled(self, text: str) -> bytes:
        """The event with the string."""
        return self._before + msgspec.json.encode(text) + self._after
