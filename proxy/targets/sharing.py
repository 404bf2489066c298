"""The board's line to other replicas: notices by Redis PUBLISH, and a hash for those who come later.

It has connections of its own and is waited for by nobody. While Redis is away each process goes by what it sees itself;
when it is back, what holds is told again.
"""

import asyncio
import logging
from collections import deque
from pathlib import Path

import msgspec

from core.redis.login import Login, LoginUnavailable
from core.targets import BOARD, CHANNEL, LASTING, Notice, board_field, decode_notice, encode_notice, read_board
from proxy.ledger.connection import RedisConnection, RedisRefused
from proxy.targets.board import Board
from proxy.targets.opening import Lines, ListeningConnection, Open

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

    def __init__(self, board: Board, open_lines: Open, login: Login, timeout: float) -> None:
        """`timeout`: seconds that an answer may take."""
        self._board = board
        self._open = open_lines
        self._login = login
        self._timeout = timeout
        self._waiting: deque[Notice] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self.connected = False
        board.share = self._take

    async def run(self) -> None:
        """Until cancelled."""
        pause = _PAUSES[0]
        while True:
            lines: Lines | None = None
            renewed = False
            try:
                lines = await self._open()
                await self._exchange(lines)
            except _Renewed:
                renewed = True
            except (RedisRefused, OSError, LoginUnavailable) as error:
                if self.connected or pause == _PAUSES[0]:
                    why = type(error).__name__
                    _log.warning("targets are not shared between replicas now: Redis cannot be reached (%s)", why)
                pause = _PAUSES[0] if self.connected else min(pause * 2, _PAUSES[1])
                self.connected = False
            finally:
                if lines is not None:
                    lines.close()
            if not renewed:
                await asyncio.sleep(pause)

    async def _exchange(self, lines: Lines) -> None:
        # Listening comes first, so that nothing falls between the board and the first notice.
        lines.listening.listen(CHANNEL, self._heard)
        await self._read_board(lines.asking)
        self.connected = True
        self._waiting.extend(self._board.notices())
        self._wake.set()
        work = (self._tell(lines.asking), self._listen(lines.listening), self._watch(lines))
        tasks = [asyncio.create_task(each) for each in work]
        try:  # no TaskGroup: one that fails while it is cancelled forgets, in Python 3.11, that it was
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_board(self, line: RedisConnection) -> None:
        async with asyncio.timeout(self._timeout):
            seconds, micros = await line.call("TIME")
            told = await line.call("HGETALL", BOARD)
        fields = dict(zip(told[::2], told[1::2], strict=True))
        for notice in read_board(fields, int(seconds) * 1000 + int(micros) // 1000):
            self._board.hear(notice)

    async def _watch(self, lines: Lines) -> None:
        """Redis drops who was let in by a token that ran out: a renewed one is used ahead of that."""
        while True:
            await asyncio.sleep(_LOOK)
            ready = self._login.ready()
            if ready is not None and ready is not lines.credentials:
                raise _Renewed

    async def _listen(self, line: ListeningConnection) -> None:
        """Until the line is lost; one that says nothing is asked whether it is there."""
        loop = asyncio.get_running_loop()
        while True:
            done, _ = await asyncio.wait((line.lost,), timeout=_SILENCE)
            if done:
                raise ConnectionError("the line that listens is lost")
            silence = loop.time() - line.heard_at
            if silence > 2 * _SILENCE:
                raise ConnectionError("Redis says nothing")
            if silence > _SILENCE / 2:
                line.ping()

    def _heard(self, data: bytes) -> None:
        try:
            self._board.hear(decode_notice(data))
        except msgspec.MsgspecError:
            _log.debug("a notice that this version cannot read")

    async def _tell(self, line: RedisConnection) -> None:
        waiting = self._waiting
        while True:
            self._wake.clear()
            while waiting:
                notice = waiting[0]
                lasts = round(notice.seconds * 1000) if notice.change in LASTING else 0
                async with asyncio.timeout(self._timeout):
                    await line.call(
                        "EVAL", _SHARE, 1, BOARD, CHANNEL, encode_notice(notice), board_field(notice), lasts
                    )
                if waiting and waiting[0] is notice:
                    waiting.popleft()
            await self._wake.wait()

    def _take(self, notice: Notice) -> None:
        self._waiting.append(notice)
        self._wake.set()
