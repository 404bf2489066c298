"""The board's line to other replicas: notices by Redis PUBLISH, and a hash for those who come later.

It has connections of its own and is waited for by nobody. While Redis is away each process goes by what it sees itself;
when it is back, what holds is told again.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from redis import asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from core.targets import BOARD, CHANNEL, LASTING, Notice, board_field, decode_notice, encode_notice, read_board
from proxy.targets.board import Board

_log = logging.getLogger("aduana.targets")

_SHARE = (Path(__file__).parent / "share.lua").read_text()
_MOST_WAITING = 1000  # notices; the oldest make room
_PAUSES = (0.2, 2.0)  # seconds before connecting again: the first, and the longest
_SILENCE = 5.0  # seconds after which a line that says nothing is asked whether it is there

Open = Callable[[], "redis.Redis"]


class Sharing:
    """Tells and hears. One a process; `run` is its task."""

    def __init__(self, board: Board, open_redis: Open) -> None:
        self._board = board
        self._open = open_redis
        self._waiting: deque[Notice] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self.connected = False
        board.share = self._take

    async def run(self) -> None:
        """Until cancelled."""
        pause = _PAUSES[0]
        while True:
            client = self._open()
            try:
                await self._exchange(client)
            except* (RedisError, OSError) as errors:
                if self.connected or pause == _PAUSES[0]:
                    why = type(errors.exceptions[0]).__name__
                    _log.warning("targets are not shared between replicas now: Redis cannot be reached (%s)", why)
                pause = _PAUSES[0] if self.connected else min(pause * 2, _PAUSES[1])
                self.connected = False
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await client.aclose()
            await asyncio.sleep(pause)

    async def _exchange(self, client: "redis.Redis") -> None:
        async with client.pubsub() as listening:
            # Listening comes first, so that nothing falls between the board and the first notice.
            await listening.subscribe(CHANNEL)
            await self._read_board(client)
            self.connected = True
            self._waiting.extend(self._board.notices())
            self._wake.set()
            async with asyncio.TaskGroup() as together:
                together.create_task(self._tell(client))
                together.create_task(self._hear(listening))

    async def _read_board(self, client: "redis.Redis") -> None:
        seconds, micros = await client.time()
        fields = await cast(Awaitable[Mapping[bytes, bytes]], client.hgetall(BOARD.decode()))
        for notice in read_board(fields, seconds * 1000 + micros // 1000):
            self._board.hear(notice)

    async def _hear(self, listening: Any) -> None:
        asked = False
        while True:
            message = await listening.get_message(ignore_subscribe_messages=True, timeout=_SILENCE)
            if message is None:
                if asked:
                    raise ConnectionError("Redis says nothing")
                await listening.ping()
                asked = True
                continue
            asked = False
            if message["type"] != "message":
                continue
            try:
                self._board.hear(decode_notice(message["data"]))
            except msgspec.MsgspecError:
                _log.debug("a notice that this version cannot read")

    async def _tell(self, client: "redis.Redis") -> None:
        share = client.register_script(_SHARE)
        waiting = self._waiting
        while True:
            self._wake.clear()
            while waiting:
                notice = waiting[0]
                lasts = round(notice.seconds * 1000) if notice.change in LASTING else 0
                arguments: list[bytes | int] = [CHANNEL, encode_notice(notice), board_field(notice), lasts]
                await cast(Awaitable[Any], share(keys=[BOARD], args=arguments))
                if waiting and waiting[0] is notice:
                    waiting.popleft()
            await self._wake.wait()

    def _take(self, notice: Notice) -> None:
        self._waiting.append(notice)
        self._wake.set()


def opener(url: str, timeout: float, options: Mapping[str, Any] | None = None) -> Open:
    """Opens clients of a Redis; `timeout` in seconds."""

    def open_redis() -> "redis.Redis":
        return redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            client_name="aduana-targets",
            **(options or {}),
        )

    return open_redis
