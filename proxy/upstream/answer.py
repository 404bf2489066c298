"""An upstream's answer in the caller's hands: status and headers at once, the body as it comes or whole."""

import asyncio
from typing import TYPE_CHECKING

from proxy.upstream.errors import BodyTooLarge, CutShort
from proxy.upstream.head import Header

if TYPE_CHECKING:
    from proxy.upstream.connection import Connection


class UpstreamResponse:
    """Made by `UpstreamClient.send`. Close it in a `finally`: an answer that is neither read to its end nor closed
    keeps its connection.

    `headers` have lower-case names and no connection-level fields. `complete` says that the whole body has arrived
    (which does not mean that it was received): the connection is back in its pool then.
    """

    __slots__ = (
        "_connection",
        "_fault",
        "_limit",
        "_pieces",
        "_taken",
        "_unread",
        "_waiter",
        "_whole",
        "complete",
        "headers",
        "status",
    )

    def __init__(self, connection: "Connection", whole: bool, limit: int) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.complete = False
        self._connection: Connection | None = connection
        self._whole = whole  # send() waits for the end
        self._limit = limit  # unread bytes above which reading pauses
        self._pieces: list[bytes] = []
        self._unread = 0  # bytes in `_pieces`
        self._taken = False  # receive() gave something away
        self._fault: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first field of that (lower-case) name."""
        for field, value in self.headers:
            if field == name:
                return value
        return None

    @property
    def body(self) -> bytes:
        """The whole body, without consuming it. Only where `complete` is true and nothing was received yet."""
        if not self.complete or self._taken:
            raise RuntimeError("the body is not there as a whole; use receive() or read()")
        pieces = self._pieces
        if len(pieces) > 1:
            pieces[:] = [b"".join(pieces)]
        return pieces[0] if pieces else b""

    async def receive(self) -> bytes:
        """All that has arrived since the last call, or the next piece; `b""` at the end. Raises `UpstreamError`.

        Cancelling this call closes the connection: to wait with a limit and go on, see `ready`.
        """
        while not self._pieces:
            if self._fault is not None:
                raise self._fault
            if self.complete:
                return b""
            await self._wait()
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        self._taken = True
        if self._connection is not None:
            self._connection.resume()
        return piece

    async def ready(self, within: float) -> bool:
        """True as soon as `receive` would return or raise at once; False when `within` seconds went by without.

        For what must be said to a caller while an upstream is silent (an SSE comment).
        """
        if self._pieces or self.complete or self._fault is not None:
            return True
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        timer = loop.call_later(within, _wake, waiter)
        try:
            await self._wait(waiter)
        finally:
            timer.cancel()
        return bool(self._pieces) or self.complete or self._fault is not None

    async def read(self, limit: int) -> bytes:
        """The rest of the body, at most `limit` bytes. Raises `UpstreamError`; `BodyTooLarge` closes the answer."""
        pieces = []
        size = 0
        while piece := await self.receive():
            size += len(piece)
            if size > limit:
                self.close()
                raise BodyTooLarge(f"the answer's body is over {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Idempotent. While the answer is not complete: hang up on the upstream at once, drop what was not received."""
        connection = self._connection
        if connection is None:
            return
        self._pieces.clear()
        self._unread = 0
        connection.fail(CutShort("the answer was closed before its end"))

    async def _wait(self, waiter: "asyncio.Future[None] | None" = None) -> None:
        if self._waiter is not None:
            raise RuntimeError("two tasks wait for the same answer")
        self._waiter = waiter if waiter is not None else asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
