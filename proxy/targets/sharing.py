"""The board's line to other replicas: notices by Redis PUBLISH, and a hash for those who come later.

It has connections of its own and is waited for by nobody. While Redis is away each process goes by what it sees itself;
when it is back, what holds is told again.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.redis.login import Login, LoginUnavailable
from core.targets import BOARD, CHANNEL, LASTING, Notice, board_field, decode_notice, encode_notice, read_board
from proxy.targets.board import Board
from proxy.targets.opening import Open, Opened

_log = logging.getLogger("aduana.targets")

_SHARE = (Path(__file__).parent / "share.lua").read_text()
_MOST_WAITING = 1000  # notices; the oldest make room
_PAUSES = (0.2, 2.0)  # seconds before connecting again: the first, and the longest
_LOOK = 1.0  # seconds between two looks for a renewed login
_SILENCE = 5.0  # seconds after which a line that says nothing is asked whether it is there


class _Renewed(Exception):
    """There is another login than the one that the line was opened with."""


class Sharing:
    """Tells and hears. One a process; `run` is its task."""

    def __init__(self, board: Board, open_redis: Open, login: Login) -> None:
        self._board = board
        self._open = open_redis
        self._login = login
        self._waiting: deque[Notice] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self.connected = False
        board.share = self._take

    async def run(self) -> None:
        """Until cancelled."""
        pause = _PAUSES[0]
        while True:
            opened: Opened | None = None
            renewed = False
            try:
                opened = await self._open()
                await self._exchange(opened)
            except _Renewed:
                renewed = True
            except (RedisError, OSError, LoginUnavailable) as error:
                if self.connected or pause == _PAUSES[0]:
                    why = type(error).__name__
                    _log.warning("targets are not shared between replicas now: Redis cannot be reached (%s)", why)
                pause = _PAUSES[0] if self.connected else min(pause * 2, _PAUSES[1])
                self.connected = False
            finally:
                if opened is not None:
                    with contextlib.suppress(RedisError, OSError):
                        await opened.redis.aclose()
            if not renewed:
                await asyncio.sleep(pause)

    async def _exchange(self, opened: Opened) -> None:
        client = opened.redis
        async with client.pubsub() as listening:
            # Listening comes first, so that nothing falls between the board and the first notice.
            await listening.subscribe(CHANNEL)
            await self._read_board(client)
            self.connected = True
            self._waiting.extend(self._board.notices())
            self._wake.set()
            work = (self._tell(client), self._hear(listening), self._watch(opened))
            tasks = [asyncio.create_task(each) for each in work]
            try:  # no TaskGroup: one that fails while it is cancelled forgets, in Python 3.11, that it was
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_board(self, client: Redis) -> None:
        seconds, micros = await client.time()
        fields = await cast(Awaitable[Mapping[bytes, bytes]], client.hgetall(BOARD.decode()))
        for notice in read_board(fields, seconds * 1000 + micros // 1000):
            self._board.hear(notice)

    async def _watch(self, opened: Opened) -> None:
        """Redis drops who was let in by a token that ran out: a renewed one is used ahead of that."""
        while True:
            await asyncio.sleep(_LOOK)
            ready = self._login.ready()
            if ready is not None and ready is not opened.credentials:
                raise _Renewed

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

    async def _tell(self, client: Redis) -> None:
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
