"""Opens the board's two lines: to the node that has the board, logged in as the ledger is. One asks and tells, one listens.

A renewed login is not sent on them (a connection that listens takes no command in RESP2): they are opened anew, and what
holds is read and told again, as after a broken connection.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import hiredis

from core.redis import RedisAddress
from core.redis.login import Credentials, Login
from core.redis.slots import key_slot, read_slots
from core.targets import BOARD
from proxy.ledger.connection import RedisConnection, RedisRefused, command


class ListeningConnection(RedisConnection):
    """A connection that listens to a channel: from `listen` on, whatever arrives is a notice, or an answer to `ping`."""

    def __init__(self) -> None:
        super().__init__()
        self._notices = hiredis.Reader()
        self._hear: Callable[[bytes], None] | None = None
        self.heard_at = self._loop.time()  # the loop's time of the last bytes

    def listen(self, channel: bytes, hear: Callable[[bytes], None]) -> None:
        """From here on `hear` is told what is published."""
        self._hear = hear
        self.write(command("SUBSCRIBE", channel))

    def ping(self) -> None:
        """Ask whether the line is there; any answer moves `heard_at`."""
        self.write(command("PING"))

    def data_received(self, data: bytes) -> None:
        if self._hear is None:
            super().data_received(data)
            return
        self.heard_at = self._loop.time()
        self._notices.feed(data)
        try:
            while (told := self._notices.gets()) is not False:
                if isinstance(told, hiredis.ReplyError):
                    self.abort(f"Redis refused to be listened to: {told}")
                elif isinstance(told, list) and len(told) == 3 and told[0] == b"message":
                    self._hear(told[2])
        except hiredis.ProtocolError as error:
            self.abort(f"Redis sent what is no reply: {error}")


@dataclass(frozen=True, slots=True)
class Lines:
    """Both lines, and what they were logged in with."""

    asking: RedisConnection
    listening: ListeningConnection
    credentials: Credentials | None

    def close(self) -> None:
        for line in (self.asking, self.listening):
            line.abort("closed")


Open = Callable[[], Awaitable[Lines]]


def opener(address: RedisAddress, login: Login, timeout: float, tls: ssl.SSLContext | None = None) -> Open:
    """Opens lines to a Redis; `timeout` in seconds. Raises `OSError` (a time-out among them), `RedisRefused` or
    `LoginUnavailable`."""

    async def open_lines() -> Lines:
        credentials = await login.obtain()
        async with asyncio.timeout(timeout):
            asking = await RedisConnection.open(address, tls, credentials)
            try:
                owner = await _owner(asking, address)
                if owner is not None and owner != address:
                    asking.abort("the board is elsewhere")
                    asking = await RedisConnection.open(owner, tls, credentials)
                listening = await ListeningConnection.open(owner or address, tls, credentials)
            except BaseException:
                asking.abort("closed")
                raise
        assert isinstance(listening, ListeningConnection)
        return Lines(asking, listening, credentials)

    return open_lines


async def _owner(line: RedisConnection, address: RedisAddress) -> RedisAddress | None:
    """Where the board is in a cluster; None: Redis is none, or nobody has it now."""
    try:
        told: Any = await line.call("CLUSTER", "SLOTS")
    except RedisRefused:
        return None
    drawn = read_slots(told, address)
    return None if drawn is None else drawn.owner(key_slot(BOARD))
