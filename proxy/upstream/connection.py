"""One connection to an upstream: writes a request, parses the answer (llhttp, strict), keeps its deadlines.

It carries one exchange at a time and belongs to one pool. Anything that arrives while no answer is due ends it.
"""

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import httptools

from proxy.upstream.answer import UpstreamResponse
from proxy.upstream.delivery import acknowledged
from proxy.upstream.errors import (
    AnswerTimedOut,
    BadAnswer,
    ConnectionReset,
    CutShort,
    FirstByteTimedOut,
    IdleTimedOut,
)
from proxy.upstream.head import HOP_BY_HOP, Header
from proxy.upstream.hop import HopOptions

if TYPE_CHECKING:
    from proxy.upstream.pool import Pool
    from proxy.upstream.upload import Upload

_HTTP_1 = b"HTTP/1."
_OPENING = len(_HTTP_1)
_FOREVER = float("inf")
_JOIN_BELOW = 64 * 1024  # bytes of a body that are cheaper to copy behind the head than to write apart


class Connection(asyncio.Protocol):
    """Times are the loop's seconds; `deadline` is looked at by the client's ticker."""

    __slots__ = (
        "_acked_before",
        "_answer",
        "_bad",
        "_chunked",
        "_counted_by_kernel",
        "_extra",
        "_fields",
        "_finished",
        "_framing",
        "_head_only",
        "_hop",
        "_idle_limit",
        "_in_head",
        "_interim",
        "_keep",
        "_large",
        "_limit",
        "_loop",
        "_max_head",
        "_opening",
        "_parser",
        "_paused",
        "_pool",
        "_sock",
        "_transport",
        "_upload",
        "_write_waiter",
        "_writing_paused",
        "_written",
        "closed",
        "deadline",
        "keep_idle",
        "reused",
    )

    def __init__(
        self, pool: "Pool", sock: socket.socket, loop: asyncio.AbstractEventLoop, *, counted_by_kernel: bool
    ) -> None:
        self._pool = pool
        self._sock = sock
        self._loop = loop
        self._counted_by_kernel = counted_by_kernel  # the bytes on the wire are not ours alone (TLS)
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._max_head = pool.options.max_header_bytes
        self.closed = False
        self.reused = False
        self.keep_idle = pool.options.max_idle_seconds  # seconds in the pool; less where the server announces less
        self.deadline = _FOREVER
        self._limit = _FOREVER  # when the whole answer is due
        self._idle_limit: float = 0.0  # seconds
        self._answer: UpstreamResponse | None = None
        self._upload: Upload | None = None
        self._written = 0  # bytes over the connection's life
        self._acked_before: int | None = None
        self._paused = False
        self._writing_paused = False
        self._write_waiter: asyncio.Future[None] | None = None
        self._fields: list[Header] = []
        self._reset_parse(False)

    def _reset_parse(self, head_only: bool) -> None:
        self._opening = b""  # the first bytes of the answer, until they are known to say HTTP/1.
        self._in_head = True
        self._interim = False  # a 1xx answer is being passed over
        self._head_only = head_only
        self._hop: list[Header] = []
        self._finished = False
        self._keep = False
        self._chunked = False
        self._extra = False  # something came after the end
        self._large = False  # this head may be over the limit
        self._framing = 0  # bytes in a row that were no body: head, chunk lines, trailers
        self._bad: str | None = None

    def begin(
        self,
        answer: UpstreamResponse,
        head: bytes,
        body: bytes,
        head_only: bool,
        first_byte_timeout: float | None,
        answer_timeout: float | None,
        idle_timeout: float | None,
    ) -> None:
        """Write a request and expect its answer."""
        now = self._loop.time()
        self._limit = limit = _FOREVER if answer_timeout is None else now + answer_timeout
        due = _FOREVER if first_byte_timeout is None else now + first_byte_timeout
        self.deadline = due if due < limit else limit
        self._idle_limit = _FOREVER if idle_timeout is None else idle_timeout
        self._reset_parse(head_only)
        self._answer = answer
        self._acked_before = acknowledged(self._sock) if self._counted_by_kernel else 1 + self._written
        self._written += len(head) + len(body)
        if len(body) < _JOIN_BELOW:
            self._transport.write(head + body if body else head)
        else:
            self._transport.writelines([head, body])

    def attach(self, upload: "Upload") -> None:
        """The body comes piece by piece; the answer's first byte is due after the last piece is sent."""
        self._upload = upload
        self.touch()

    def write(self, piece: bytes) -> None:
        """A piece of the request's body."""
        self._written += len(piece)
        self._transport.write(piece)
        self.touch()

    async def writable(self) -> None:
        """Returns when the transport takes more, or when the connection is gone."""
        while self._writing_paused and not self.closed:
            self._write_waiter = self._loop.create_future()
            try:
                await self._write_waiter
            finally:
                self._write_waiter = None

    def touch(self) -> None:
        """Something moved: the idle time starts anew."""
        # While the caller does not take, or does not give, the silence is not the upstream's.
        callers_turn = self._paused or (self._upload is not None and not self._writing_paused)
        due = _FOREVER if callers_turn else self._loop.time() + self._idle_limit
        self.deadline = due if due < self._limit else self._limit

    def uploaded(self, first_byte_timeout: float | None) -> None:
        """The request's body is written."""
        self._upload = None
        if self._answer is not None:
            self.touch()
            if self._in_head:
                due = _FOREVER if first_byte_timeout is None else self._loop.time() + first_byte_timeout
                self.deadline = due if due < self._limit else self._limit

    def resume(self) -> None:
        """The caller took what had piled up."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self.touch()

    def expire(self, now: float) -> None:
        """`deadline` has passed."""
        if self._answer is None:
            self.drop()
        elif now >= self._limit:
            self.fail(AnswerTimedOut("the upstream's whole answer was not there in time"))
        elif self._upload is not None:
            self.fail(IdleTimedOut("the upstream stopped taking the request's body"))
        elif self._in_head:
            self.fail(FirstByteTimedOut("the upstream did not begin its answer in time"))
        else:
            self.fail(IdleTimedOut("the upstream stopped in the middle of its answer"))

    def fail(self, error: BaseException) -> None:
        """End the exchange, if there is one, with an error, and the connection."""
        answer = self._answer
        if answer is not None:
            self._answer = None
            answer._connection = None
            answer._fault = error
            answer._wake()
        self.drop()

    def drop(self) -> None:
        """Hang up at once. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self.deadline = _FOREVER
        self._parser = None  # it holds us: a cycle
        self._stop_upload()
        self._pool.lost(self)
        if self._transport is not None:
            self._transport.abort()

    @property
    def busy(self) -> bool:
        """An answer is due."""
        return self._answer is not None

    def _stop_upload(self) -> None:
        upload = self._upload
        if upload is not None:
            self._upload = None
            upload.stop()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self._upload is not None:
            self.touch()

    def resume_writing(self) -> None:
        self._writing_paused = False
        waiter = self._write_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._upload is not None:
            self.touch()

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.drop()  # nobody asked
            return
        in_head = self._in_head
        if in_head:
            if len(self._opening) < _OPENING:
                # llhttp would also take RTSP and ICE, and empty lines before the answer.
                self._opening += data[: _OPENING - len(self._opening)]
                if not _HTTP_1.startswith(self._opening):
                    self.fail(BadAnswer("the upstream's answer is not HTTP/1.x"))
                    return
            self._large = self._framing + len(data) > self._max_head
        unread = answer._unread
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._bad = "the upstream switched protocols unasked"
        except httptools.HttpParserError as error:
            if self._bad is None:
                self._bad = f"the upstream's answer is not well-formed HTTP/1.x: {error}"
        if self._bad is not None or self._extra:
            self.fail(BadAnswer(self._bad or "the upstream sent bytes after the end of its answer"))
            return
        if self._finished:
            self._finish(answer)
            return
        size = answer._unread
        if size == unread:
            self._framing += len(data)
            if self._framing > self._max_head:
                self.fail(
                    BadAnswer(f"the upstream sent over {self._max_head} bytes of header, chunk lines or trailers")
                )
                return
        else:
            self._framing = 0
        if self._in_head:
            return
        if size > answer._limit:
            answer._whole = False
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
        if in_head or size != unread:
            self.touch()
            if not answer._whole:
                answer._wake()

    def eof_received(self) -> None:
        self._ended(in_order=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(in_order=False)

    # `delivery` says why only an end of file can prove that the request was not read.
    def _ended(self, in_order: bool) -> None:
        answer = self._answer
        if self.closed or answer is None:
            self.drop()
        elif not self._opening:
            untouched = in_order and self._acked_before is not None and acknowledged(self._sock) == self._acked_before
            self.fail(
                ConnectionReset(
                    "the upstream closed the connection without an answer", may_have_been_processed=not untouched
                )
            )
        elif in_order and not self._in_head and not self._chunked and answer.header(b"content-length") is None:
            self._finish(answer)  # RFC 9112 §6.3, case 8
        else:
            self.fail(CutShort("the upstream closed the connection in the middle of its answer"))

    def _finish(self, answer: UpstreamResponse) -> None:
        """The answer is whole: the connection goes back, or ends."""
        self._answer = None
        answer._connection = None
        answer.complete = True
        if self._keep and self._upload is None and self._transport.get_write_buffer_size() == 0:
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self.reused = True
            self.deadline = self._loop.time() + self.keep_idle
            self._pool.release(self)
        else:
            self.drop()
        waiter = answer._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # httptools' callbacks: they note, and raise nothing.

    def on_message_begin(self) -> None:
        if self._finished:
            self._extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            name = name.lower()
            if name in HOP_BY_HOP:
                self._hop.append((name, value))
            else:
                self._fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        fields = self._fields
        hop = self._hop
        self._fields = []
        if hop:
            self._hop = []
        answer = self._answer
        if self._large and sum(len(name) + len(value) + 4 for name, value in fields + hop) > self._max_head:
            self._bad = f"the upstream's header is over {self._max_head} bytes"
        elif not 200 <= status < 600:
            self._interim = True
            framed = any(name == b"content-length" for name, _ in fields)
            if not 100 <= status < 200 or status == 101 or framed or hop:
                self._bad = f"the upstream answered with the status {status}, which is none that was asked for"
        elif answer is not None:
            self._in_head = False
            answer.status = status
            answer.headers = self._without_named(fields, hop) if hop else fields
            if self._head_only:
                self._finished = True

    def _without_named(self, fields: list[Header], hop: list[Header]) -> list[Header]:
        """Obey the connection-level fields, and remove those that `Connection` names."""
        options = HopOptions.of(hop)
        if options.keep_alive is not None:
            # A second early: the server must not hang up just when a request goes out.
            self.keep_idle = min(self._pool.options.max_idle_seconds, max(0, options.keep_alive - 1))
        if options.codings:
            self._chunked = True
            if options.codings != [b"chunked"] or self._parser.get_http_version() != "1.1":
                self._bad = "the upstream's answer has a transfer coding other than chunked"
        named = options.named
        return [field for field in fields if field[0] not in named] if named else fields

    def on_body(self, data: bytes) -> None:
        answer = self._answer
        if self._finished or answer is None:
            self._extra = True
            return
        answer._pieces.append(data)
        answer._unread += len(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        else:
            self._finished = True
            self._keep = not self._head_only and self._parser.should_keep_alive()
