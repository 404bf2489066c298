"""A caller's WebSocket: uvicorn's protocol with what a public edge needs on top of it.

A drain does not end its session: that is told when the drain time is over. A caller that does not read is dropped.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_MOST_EARLY_BYTES = 64 * 1024  # before the handshake is over: nothing can be asked yet
_MOST_FRAGMENTS = 4096  # of one message; empty ones would be held without end


class Socket(WebSocketsSansIOProtocol):
    """One caller's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._early = 0

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated and not self.handshake_complete:
            self._early += len(data)
            if self._early > _MOST_EARLY_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    def handle_cont(self, event: Any) -> None:
        if len(self.frames) >= _MOST_FRAGMENTS:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def shutdown(self) -> None:
        """The process drains: the session goes on until its application is cancelled, which closes it."""
        if not self.handshake_initiated:
            self.transport.close()

    def keepalive_timeout(self) -> None:
        self.transport.abort()  # closing would wait for a reader that is not there
