"""A caller's connection: uvicorn's HTTP/1.1 protocol with what a public edge needs on top: a bound on a request's head,
patience with slow senders that ends, word of a hang-up the moment it comes, and errors in OpenAI's shape.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from proxy.errors import error_body

SCOPE_KEY = "aduana.connection"

MAX_HEAD_BYTES = 64 * 1024
# A body may take its time as long as it comes at this rate.
MIN_BODY_BYTES_PER_SECOND = 16 * 1024


class Connection(HttpToolsProtocol):
    """One caller's connection. `scope["aduana.connection"]` is it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.interrupt: Callable[[], Any] | None = None  # called when the caller hangs up or is too slow
        self.lost = False  # the caller hung up
        self.slow = False  # the caller did not send its body in time
        self.heard_at = self.began_at = self.loop.time()
        self.in_head = True
        self.received = 0  # bytes of the request under way

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        self.received += len(data)
        super().data_received(data)
        if self.in_head and self.received > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.refuse(431, "headers_too_large", f"The request's head is over {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head = True
        self.began_at = self.heard_at
        self.scope[SCOPE_KEY] = self  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.received = 0
        self.in_head = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        super().connection_lost(exc)
        if self.interrupt is not None:
            self.interrupt()

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, "invalid_request", msg)

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer what never became a request, and hang up."""
        body = error_body(message, "invalid_request_error", code)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def check_patience(self, now: float, header_timeout: float, body_timeout: float) -> None:
        """End a request that is sent too slowly. `now` is the loop's time; all in seconds."""
        if self.in_head:
            # Nothing heard of a request yet is an idle connection: uvicorn's keep-alive timer has it, but for the first.
            waiting_for_first = self.cycle is None and self.received == 0
            if (self.received or waiting_for_first) and now - self.began_at > header_timeout:
                if self.received:
                    self.refuse(408, "request_timeout", "The request's head did not arrive in time.")
                else:
                    self.transport.close()
        elif self.cycle is not None and self.cycle.more_body and not self.slow:
            idle = now - self.heard_at > body_timeout and not self.flow.read_paused
            dripping = now - self.began_at > body_timeout + self.received / MIN_BODY_BYTES_PER_SECOND
            if idle or dripping:
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
