"""The loader's keep-alive connections: one that asks for whole answers, one that asks for streams.

Each has two questions of its own and asks them in turn, so an answer meant for another connection or for the request
before is not the expected one.
"""

import asyncio
import time
from collections.abc import Callable

import httptools

from bench.loader.tally import Question, Tally
from bench.wire import write

now = time.monotonic  # CLOCK_MONOTONIC, which the timer of the open loop runs on too


class Connection(asyncio.Protocol):
    """What both kinds share: asking, counting, and saying that it is free again."""

    def __init__(
        self, questions: tuple[Question, Question], tally: Tally, free: "Callable[[Connection], None]"
    ) -> None:
        self._questions = questions
        self._turn = 0
        self._tally = tally
        self._free = free
        self._transport: asyncio.WriteTransport | None = None
        self._fd = -1
        self._parser: httptools.HttpResponseParser | None = None
        self.question: Question | None = None  # in flight
        self.due = 0.0

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._fd = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._parser = None
        if self.question is not None:
            self.question = None
            self._tally.broken += 1
            self._tally.complain(f"the connection ended before the answer did ({exc or 'closed by the subject'})")
            self._free(self)

    def ask(self, due: float) -> None:
        """Write the next question; `due` is when it should have been written."""
        self._turn ^= 1
        self.question = question = self._questions[self._turn]
        self.due = due
        tally = self._tally
        tally.sent += 1
        write(self._transport, self._fd, question.request)  # type: ignore[arg-type]
        if tally.from_time <= due < tally.to_time:
            tally.lags.append(now() - due)

    def close(self) -> None:
        """Give the connection up; the run opens another in its place."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _unasked(self, data: bytes) -> None:
        self._tally.wrong += 1
        self._tally.complain(f"an answer that nobody asked for: {data[:120]!r}")
        self.close()

    def _right(self) -> None:
        """The answer in flight is complete and is the expected one."""
        tally = self._tally
        tally.answered += 1
        if tally.from_time <= self.due < tally.to_time:
            tally.latencies.append(now() - self.due)
        self.question = None
        self._free(self)

    def _wrong(self, why: str) -> None:
        """The answer in flight is not what was expected: the connection is not to be trusted any more."""
        self._tally.wrong += 1
        self._tally.complain(why)
        self.question = None
        self.close()
        self._free(self)


class WholeAnswers(Connection):
    """Asks for whole answers."""

    def __init__(
        self, questions: tuple[Question, Question], tally: Tally, free: "Callable[[Connection], None]"
    ) -> None:
        super().__init__(questions, tally, free)
        self._body = bytearray()

    def data_received(self, data: bytes) -> None:
        question = self.question
        if question is None:
            self._unasked(data)
            return
        if self._parser is None:
            # One read holds the whole answer, its length is declared and its body is the expected one: nearly always.
            head = data.find(b"\r\n\r\n")
            if (
                data.startswith(b"HTTP/1.1 200 ")
                and data.endswith(question.body)
                and len(data) == head + 4 + len(question.body)
                and data.find(question.length_field, 0, head + 2) > 0
                and data.find(b"onnection: close", 0, head) < 0
            ):
                self._right()
                return
            self._parser = httptools.HttpResponseParser(self)
            self._body.clear()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._wrong(f"not HTTP: {error}")

    def on_body(self, piece: bytes) -> None:
        self._body += piece

    def on_message_complete(self) -> None:
        parser, self._parser = self._parser, None
        if parser is None or self.question is None:
            return
        status = parser.get_status_code()
        if status != 200 or self._body != self.question.body:
            self._wrong(f"status {status}, {_difference(bytes(self._body), self.question.body)}")
        else:
            if not parser.should_keep_alive():
                self.close()
            self._right()


class Streams(Connection):
    """Asks for streams; grants events where the upstream waits for credit."""

    def __init__(
        self,
        questions: tuple[Question, Question],
        tally: Tally,
        free: "Callable[[Connection], None]",
        grant: Callable[[bytes], None] | None,
    ) -> None:
        super().__init__(questions, tally, free)
        self._grant = grant
        self._offset = 0
        self._events = 0
        self._spoilt: str | None = None

    def ask(self, due: float) -> None:
        self._offset = 0
        self._events = 0
        self._spoilt = None
        super().ask(due)

    def data_received(self, data: bytes) -> None:
        if self.question is None:
            self._unasked(data)
            return
        self._tally.reads += 1
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._wrong(f"not HTTP: {error}")

    def on_body(self, piece: bytes) -> None:
        question = self.question
        if question is None or self._spoilt is not None:
            return
        offset = self._offset
        if not question.body.startswith(piece, offset):
            self._spoilt = f"at byte {offset} of a stream came {piece[:120]!r}"
            return
        tally = self._tally
        if offset == 0:
            self.first_byte()
        self._offset = offset = offset + len(piece)
        ends = question.ends
        seen = self._events
        last = len(ends) - 1  # [DONE] is no chunk
        while seen < last and ends[seen] <= offset:
            seen += 1
            tally.chunks += 1
            if self._grant is not None and seen < last:
                self._grant(question.credit)
        self._events = seen

    def first_byte(self) -> None:
        tally = self._tally
        if tally.from_time <= self.due < tally.to_time:
            tally.first_bytes.append(now() - self.due)

    def on_message_complete(self) -> None:
        parser, question = self._parser, self.question
        if parser is None or question is None:
            return
        status = parser.get_status_code()
        if status != 200:
            self._wrong(f"status {status} to a stream, {self._spoilt or 'no body'}")
        elif self._spoilt is not None:
            self._wrong(self._spoilt)
        elif self._offset != len(question.body):
            self._wrong(
                f"a stream ended after {self._events} of {len(question.ends) - 1} events, "
                f"{'without' if self._offset < len(question.body) else 'with'} [DONE]"
            )
        else:
            if not parser.should_keep_alive():
                self.close()
            self._right()


def _difference(found: bytes, wanted: bytes) -> str:
    """Where a body is not what it must be."""
    at = next((at for at, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other), None)
    if at is None:
        return f"{len(found)} bytes of body instead of {len(wanted)}"
    near = slice(max(0, at - 40), at + 80)
    return f"at byte {at} of the body {found[near]!r} instead of {wanted[near]!r}"
