"""One pipelined connection to Redis: what is written leaves at once, replies come back to their handlers in order.

It knows RESP and nothing of the ledger. It never reconnects and never sends anything twice: whoever owns it does.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from core.redis import RedisAddress
from core.redis.login import Credentials

Handler = Callable[[Any], None]


class RedisRefused(Exception):
    """Redis answered a command with an error."""

    def __init__(self, command: bytes | str | int, reply: str) -> None:
        super().__init__(f"Redis refused {command!r}: {reply}")
        self.reply = reply


def command(*arguments: bytes | str | int) -> bytes:
    """A command in RESP."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class RedisConnection(asyncio.Protocol):
    """Commands and their reply handlers, in order. An error reply comes to its handler as a `hiredis.ReplyError`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._handlers: deque[Handler] = deque()
        self._transport: asyncio.Transport | None = None
        self._progress = 0.0
        self.lost: asyncio.Future[BaseException | None] = self._loop.create_future()

    @classmethod
    async def open(
        cls, address: RedisAddress, tls: ssl.SSLContext | None = None, credentials: Credentials | None = None
    ) -> "RedisConnection":
        """Connect, log in and choose the database. Raises `OSError` or `RedisRefused`."""
        loop = asyncio.get_running_loop()
        if address.path is not None:
            _, connection = await loop.create_unix_connection(cls, address.path)
        elif address.tls:
            context = tls or ssl.create_default_context()
            _, connection = await loop.create_connection(
                cls, address.host, address.port, ssl=context, server_hostname=address.server_name
            )
        else:
            _, connection = await loop.create_connection(cls, address.host, address.port)
        try:
            if credentials is not None:
                await connection.call("AUTH", *credentials.arguments)
            if address.database:
                await connection.call("SELECT", address.database)
        except BaseException:
            connection.abort()
            raise
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._progress = self._loop.time()
        reader, handlers = self._reader, self._handlers
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                handlers.popleft()(reply)
        except (hiredis.ProtocolError, IndexError) as error:  # not RESP, or a reply that nobody asked for
            self._fail(ConnectionError(f"Redis sent what is no reply: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("Redis closed the connection"))

    def write(self, data: bytes) -> None:
        """Send commands for which `expect` was called, in the same order."""
        if self._transport is not None:
            self._transport.write(data)

    def expect(self, handler: Handler) -> None:
        """Say who gets the next command's reply."""
        if not self._handlers:
            self._progress = self._loop.time()
        self._handlers.append(handler)

    async def call(self, *arguments: bytes | str | int) -> Any:
        """One command and its reply. Raises `RedisRefused` for an error, `ConnectionError` when the line breaks."""
        (reply,) = await self.call_all([arguments])
        if isinstance(reply, hiredis.ReplyError):
            raise RedisRefused(arguments[0], str(reply))
        return reply

    async def call_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """Several in one round trip; an error stands in its reply's place. Raises `ConnectionError` when the line breaks."""
        if not commands:
            return []
        replies: list[Any] = []
        answered: asyncio.Future[None] = self._loop.create_future()

        def take(reply: Any) -> None:
            replies.append(reply)
            if len(replies) == len(commands) and not answered.done():
                answered.set_result(None)

        for _ in commands:
            self.expect(take)
        self.write(b"".join(command(*each) for each in commands))
        await asyncio.wait((answered, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise ConnectionError(f"the connection broke: {self.lost.result()}")
        return replies

    def waits_since(self) -> float | None:
        """The loop's time since which a reply is awaited and none came; None when nothing is awaited."""
        return self._progress if self._handlers else None

    def abort(self, reason: str = "given up") -> None:
        """Break the connection at once."""
        self._fail(ConnectionError(reason))

    def _fail(self, error: Exception) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._handlers.clear()
        if not self.lost.done():
            self.lost.set_result(error)
