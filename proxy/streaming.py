"""The caller's side of a stream: its head goes out with its first event, and comments keep it alive while nothing comes."""

import asyncio
import contextlib
from time import monotonic

from proxy.connection import Answer
from proxy.headers import Headers

# A comment by the standard of server-sent events: SDKs skip it.
_COMMENT = b": keep-alive\n\n"


class CallerStream:
    """Writes one stream to its caller."""

    __slots__ = ("_answer", "_headers", "_status", "ended", "started", "written_at")

    def __init__(self, answer: Answer, status: int, headers: Headers) -> None:
        self._answer = answer
        self._status = status
        self._headers = headers
        self.started = False
        self.ended = False
        self.written_at = monotonic()

    async def write(self, events: bytes) -> None:
        """Pass whole events on; waits while the caller does not read."""
        self.written_at = monotonic()
        if self.started:
            await self._answer.piece(events)
        else:
            self.started = True
            await self._answer.start(self._status, self._headers, events)

    async def comment(self) -> None:
        """Say that the stream is alive. Nothing may follow the end: on a kept connection it would be the next answer's."""
        if not self.ended:
            await self.write(_COMMENT)

    async def end(self, last: bytes) -> None:
        """The stream is over; `last` stood behind its last whole event."""
        self.ended = True
        await self._answer.end(last)


class KeepAlive:
    """Writes a comment to every stream that has been silent for a while (Container Apps' ingress ends a request that is
    silent for 240 seconds)."""

    def __init__(self, interval: float) -> None:
        self._interval = interval  # seconds
        self._streams: set[CallerStream] = set()

    def add(self, stream: CallerStream) -> None:
        self._streams.add(stream)

    def discard(self, stream: CallerStream) -> None:
        self._streams.discard(stream)

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._interval / 3)
            silent_since = monotonic() - self._interval
            for stream in [s for s in self._streams if not s.ended and s.written_at < silent_since]:
                # One caller that does not read must not hold up the others.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stream.comment(), 0.05)
