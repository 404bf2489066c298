"""A caller's connection: uvicorn's HTTP/1.1 protocol with what a public edge needs on top: a bound on a request's head,
patience with slow senders that ends, word of a hang-up the moment it comes, and errors in OpenAI's shape.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from core.ids import new_event_id
from proxy.errors import error_body
from proxy.headers import Headers, read_request_head

CONNECTION_KEY = "aduana.connection"
ANSWER_KEY = "aduana.answer"
HEAD_KEY = "aduana.head"

MAX_HEAD_BYTES = 64 * 1024
# Longer than Container Apps' ingress keeps its own connections idle.
KEEP_ALIVE_SECONDS = 75.0
# A caller that reads nothing for so long has gone, or means harm.
STALLED_SECONDS = 120.0
# A body may take its time as long as it comes at this rate.
MIN_BODY_BYTES_PER_SECOND = 16 * 1024


class Answer:
    """What a hot endpoint answers with in place of ASGI's `send`: the same bytes, head and body in one write.

    Two writes are two system calls here and two wake-ups at the caller; the figures are in docs/decisions/0003.
    """

    __slots__ = ("_chunked", "_cycle")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._chunked = False

    @property
    def started(self) -> bool:
        return self._cycle.response_started

    def take_body(self) -> bytes | None:
        """The request's body, where all of it is there and nothing of it was received; None where it has to be waited for."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected:
            return None
        cycle.flow.resume_reading()
        body = bytes(cycle.body)
        cycle.body = bytearray()
        return body

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer; `headers` without any that frame it. Does not wait: see `unblocked`."""
        cycle = self._cycle
        if cycle.disconnected:
            return
        content = self._head(status, headers)
        content.append(b"content-length: %d\r\n\r\n" % len(body))
        if cycle.scope["method"] != "HEAD":
            content.append(body)
        cycle.transport.write(b"".join(content))
        self._complete()

    async def unblocked(self) -> None:
        """Returns when the caller has read enough of earlier answers: one that pipelines and does not read has to wait."""
        if self._cycle.flow.write_paused:
            await self._cycle.flow.drain()

    async def start(self, status: int, headers: Headers, first: bytes, content_length: bytes | None = None) -> None:
        """The head of an answer and its first piece; chunked unless its length is known."""
        cycle = self._cycle
        if cycle.flow.write_paused:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        content = self._head(status, headers)
        if content_length is not None:
            content += (b"content-length: ", content_length, b"\r\n\r\n", first)
        else:
            self._chunked = cycle.scope["http_version"] != "1.0"
            content.append(b"transfer-encoding: chunked\r\n\r\n" if self._chunked else b"\r\n")
            content.append(self._framed(first))
        cycle.transport.write(b"".join(content))

    async def piece(self, data: bytes) -> None:
        """A further piece; waits while the caller does not read."""
        cycle = self._cycle
        if cycle.flow.write_paused:
            await cycle.flow.drain()
        if not cycle.disconnected:
            cycle.transport.write(self._framed(data))

    async def end(self, last: bytes = b"") -> None:
        """The last piece."""
        cycle = self._cycle
        if cycle.flow.write_paused:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        data = self._framed(last) if last else b""
        cycle.transport.write(data + b"0\r\n\r\n" if self._chunked else data)
        self._complete()

    def abort(self) -> None:
        """Break the connection: the answer cannot be finished, and its caller has to see that."""
        self._cycle.response_started = True
        self._complete_quietly()
        self._cycle.transport.abort()

    def _head(self, status: int, headers: Headers) -> list[bytes]:
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        content = [STATUS_LINE[status]]
        for name, value in cycle.default_headers:
            content += (name, b": ", value, b"\r\n")
        for name, value in headers:
            content += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive or cycle.scope["http_version"] == "1.0":
            cycle.keep_alive = False
            content.append(b"connection: close\r\n")
        return content

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def _complete(self) -> None:
        cycle = self._cycle
        self._complete_quietly()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def _complete_quietly(self) -> None:
        self._cycle.response_complete = True
        self._cycle.message_event.set()

    def hang_up_after(self) -> None:
        """This connection cannot be used again: something of the request was not read."""
        self._cycle.keep_alive = False


class Connection(HttpToolsProtocol):
    """One caller's connection. `scope["aduana.connection"]` is it, `scope["aduana.head"]` what a request's head says,
    `scope["aduana.answer"]` speaks to its caller."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.task: asyncio.Task[None]  # of the request that is being served
        self.interrupt: Callable[[], Any] | None = None  # called when the caller hangs up or is too slow
        self.lost = False  # the caller hung up
        self.slow = False  # the caller did not send its body in time
        self.heard_at = self.began_at = self.loop.time()
        self.idle_since = self.heard_at
        self.in_head = True
        self.received = 0  # bytes of the request under way
        self.framing = 0  # bytes of it in a row that were no body: chunk lines, their extensions, trailers
        self.blocked_at = self.heard_at  # since when its caller has not read
        self.steady: Headers = []  # of the request under way, all but its length
        self.known_fields: Headers = []  # the same of the last request, and what they said
        self.known_head = read_request_head(())

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        self.received += len(data)
        self.framing = framing = self.framing + len(data)
        super().data_received(data)
        if self.in_head and self.received > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.refuse(431, "headers_too_large", f"The request's head is over {MAX_HEAD_BYTES} bytes.")
        elif self.framing == framing and framing > MAX_HEAD_BYTES and not self.in_head:
            self.refuse(431, "headers_too_large", f"The request's trailers are over {MAX_HEAD_BYTES} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_head:
            return  # a trailer, and no trailer is a header (RFC 9110, section 6.5.1)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        pair = (name, value)
        self.headers.append(pair)
        if name != b"content-length":
            self.steady.append(pair)

    def on_body(self, body: bytes) -> None:
        self.framing = 0
        super().on_body(body)

    def pause_writing(self) -> None:
        self.blocked_at = self.loop.time()
        super().pause_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.steady = []
        self.in_head = True
        self.began_at = self.heard_at
        self.scope[CONNECTION_KEY] = self  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        self.in_head = False
        scope: Any = self.scope
        steady = self.steady
        if steady != self.known_fields:
            self.known_fields, self.known_head = steady, read_request_head(steady)
        scope[HEAD_KEY] = self.known_head
        super().on_headers_complete()
        scope[ANSWER_KEY] = Answer(self.cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # As uvicorn's own, but the task is kept: asking asyncio for the current one costs more than all of this.
        # With a name, for making one up is a piece of text a call.
        self.task = task = asyncio.Task(cycle.run_asgi(app), loop=self.loop, name="call")
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        # As uvicorn's own, but without a timer a call: `check_patience` ends what idles.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self.idle_since = self.loop.time()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.received = self.framing = 0
        self.in_head = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        super().connection_lost(exc)
        if self.interrupt is not None:
            self.interrupt()

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, "invalid_request", msg)

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer what never became a request, and hang up; where another answer is under way, hang up at once."""
        cycle = self.cycle
        if self.pipeline or (cycle is not None and cycle.response_started and not cycle.response_complete):
            self.transport.abort()
            return
        body = error_body(message, "invalid_request_error", code)
        request_id = b"req_" + new_event_id().hex().encode("ascii")
        head = (
            b"content-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\nconnection: close\r\n\r\n"
            % (len(body), request_id)
        )
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def check_patience(self, now: float, header_timeout: float, body_timeout: float) -> None:
        """End a request that is sent too slowly. `now` is the loop's time; all in seconds."""
        if self.flow.write_paused and now - self.blocked_at > STALLED_SECONDS:
            self.transport.abort()  # it holds an upstream's connection and does not read
        elif self.in_head and self.received:
            if now - self.began_at > header_timeout:
                self.refuse(408, "request_timeout", "The request's head did not arrive in time.")
        elif self.cycle is None:
            if now - self.heard_at > header_timeout:
                self.transport.close()  # a connection on which nothing was ever asked
        elif self.cycle.response_complete:
            if now - self.idle_since > KEEP_ALIVE_SECONDS:
                self.transport.close()
        elif self.cycle.more_body and not self.slow and not self.pipeline:
            idle = now - self.heard_at > body_timeout
            dripping = now - self.began_at > body_timeout + self.received / MIN_BODY_BYTES_PER_SECOND
            if (
                idle or dripping
            ) and not self.flow.read_paused:  # an upstream that takes it slowly is not the caller's fault
                self.slow = True
                if self.interrupt is not None:
                    self.interrupt()
                else:
                    self.transport.close()


async def watch_patience(connections: set[Any], header_timeout: float, body_timeout: float) -> None:
    """End slow requests for ever, with a second's grain at most."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, header_timeout / 4, body_timeout / 4))
        now = loop.time()
        for connection in list(connections):
            if isinstance(connection, Connection):
                connection.check_patience(now, header_timeout, body_timeout)
