"""Carries an `Order` out: the open loop, the closed loop, and what is read from `/proc` at both ends of the window."""

import asyncio
import ctypes
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bench import machine
from bench.loader import Core, Order, Report, percentiles
from bench.loader.connections import Connection, Streams, WholeAnswers, now
from bench.loader.tally import Tally, question
from bench.traffic import CREDIT, CREDIT_GREETING


class LoaderError(Exception):
    """The run could not begin."""


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    answered: int
    chunks: int
    reads: int
    subject: float
    upstream: float
    backing: float
    loader: float
    subject_core: machine.CoreTimes
    loader_core: machine.CoreTimes


class Run:
    """One order under way."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.tally = self._tally = Tally()
        self._questions = [question(order, marker) for marker in range(2 * order.connections)]
        self._connections: dict[int, Connection] = {}
        self._free: deque[int] = deque()
        self._places: dict[Connection, int] = {}
        self._backlog: deque[float] = deque()  # when those were due for which no connection was free
        self._asking = True
        self._pressing = order.mode == "closed"  # a free connection asks again at once
        self._idle = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._credit: _CreditLink | None = None

    async def report(self) -> Report:
        """Do it. Raises `LoaderError` where the subject cannot be reached."""
        order, tally = self._order, self._tally
        await self._open_all()
        begun = now() + 0.05
        tally.from_time = begun + order.warm_up
        tally.to_time = tally.from_time + order.seconds
        if order.mode == "open":
            metronome = _Metronome(begun, order.rate, tally.to_time, self._due)
        else:
            metronome = None
            for place in range(order.connections):
                self._ask(place, now())
            self._free.clear()
        await asyncio.sleep(tally.from_time - now())
        first = self._sample()
        await asyncio.sleep(tally.to_time - now())
        last = self._sample()
        self._pressing = False
        self._asking = order.mode == "open"  # what is in the backlog is still to be asked
        if metronome is not None:
            await metronome.finished()
        unanswered = await self._wait_for_rest()
        for connection in self._connections.values():
            connection.question = None
            connection.close()
        for task in self._tasks:
            task.cancel()
        return self._made(first, last, unanswered)

    def _made(self, first: _Sample, last: _Sample, unanswered: int) -> Report:
        tally = self._tally
        return Report(
            sent=tally.sent,
            answered=tally.answered,
            wrong=tally.wrong,
            broken=tally.broken,
            unanswered=unanswered,
            window_seconds=last.at - first.at,
            window_answered=last.answered - first.answered,
            window_chunks=last.chunks - first.chunks,
            window_reads=last.reads - first.reads,
            latency=percentiles(tally.latencies),
            first_byte=percentiles(tally.first_bytes),
            lag=percentiles(tally.lags),
            subject_cpu_seconds=last.subject - first.subject,
            upstream_cpu_seconds=last.upstream - first.upstream,
            backing_cpu_seconds=last.backing - first.backing,
            loader_cpu_seconds=last.loader - first.loader,
            subject_core=_shares(last.subject_core.since(first.subject_core), last.at - first.at),
            loader_core=_shares(last.loader_core.since(first.loader_core), last.at - first.at),
            complaints=tally.complaints,
        )

    def _sample(self) -> _Sample:
        order, tally = self._order, self._tally
        return _Sample(
            at=now(),
            answered=tally.answered,
            chunks=tally.chunks,
            reads=tally.reads,
            subject=machine.cpu_seconds(order.subject_pids),
            upstream=machine.cpu_seconds(order.upstream_pids),
            backing=machine.cpu_seconds(order.backing_pids),
            loader=machine.cpu_seconds([os.getpid()]),
            subject_core=machine.core_times(order.subject_core),
            loader_core=machine.core_times(order.loader_core),
        )

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _due(self, due: float) -> None:
        """A request of the open loop is due: now, or as soon as a connection is free."""
        while self._free:
            place = self._free.popleft()
            if self._ask(place, due):
                return
        self._backlog.append(due)

    def _ask(self, place: int, due: float) -> bool:
        connection = self._connections.get(place)
        if connection is None or not connection.connected:
            self._reopen(place)
            return False
        connection.ask(due)
        return True

    def _freed(self, connection: Connection) -> None:
        """A connection's answer ended, one way or another."""
        if self._pressing and connection.connected:
            connection.ask(now())
            return
        place = self._places[connection]
        if not connection.connected:
            self._reopen(place)
        else:
            self._offer(place)

    def _offer(self, place: int) -> None:
        if self._backlog:
            if not self._ask(place, self._backlog[0]):
                return
            self._backlog.popleft()
        elif self._asking and self._order.mode == "closed":
            self._ask(place, now())
        else:
            self._free.append(place)
            if len(self._free) == self._order.connections:
                self._idle.set()

    async def _wait_for_rest(self) -> int:
        """Wait for what is in flight; give back how many requests stayed without an answer."""
        deadline = now() + self._order.patience
        while self._in_flight() or self._backlog:
            left = deadline - now()
            if left <= 0:
                break
            self._idle.clear()
            try:
                await asyncio.wait_for(self._idle.wait(), min(left, 0.1))
            except TimeoutError:
                continue
        waiting = [c.due for c in self._connections.values() if c.question is not None] + list(self._backlog)
        for due in waiting:  # they waited at least this long: leaving them out would flatter
            if self._tally.from_time <= due < self._tally.to_time:
                self._tally.latencies.append(now() - due)
                self._tally.first_bytes.append(now() - due)
        if waiting:
            self._tally.complain(f"{len(waiting)} requests had no answer {self._order.patience:g} s after the end")
        return len(waiting)

    def _in_flight(self) -> int:
        return sum(connection.question is not None for connection in self._connections.values())

    # ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _open_all(self) -> None:
        order = self._order
        try:
            if order.chunks and order.pace_ms == CREDIT:
                self._credit = await _CreditLink.open(order.host, order.credit_port)
            for start in range(0, order.connections, 50):
                places = range(start, min(start + 50, order.connections))
                await asyncio.gather(*(self._open(place) for place in places))
        except OSError as error:
            raise LoaderError(f"{order.host}:{order.port} cannot be reached: {error}") from error
        self._free.extend(range(order.connections))

    async def _open(self, place: int) -> None:
        questions = (self._questions[2 * place], self._questions[2 * place + 1])
        connection: Connection
        if self._order.chunks:
            grant = self._credit.grant if self._credit is not None else None
            connection = Streams(questions, self._tally, self._freed, grant)
        else:
            connection = WholeAnswers(questions, self._tally, self._freed)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, self._order.host, self._order.port)
        previous = self._connections.get(place)
        if previous is not None:
            del self._places[previous]
        self._connections[place] = connection
        self._places[connection] = place

    def _reopen(self, place: int) -> None:
        task = asyncio.get_running_loop().create_task(self._open_again(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_again(self, place: int) -> None:
        while True:
            try:
                await self._open(place)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self._offer(place)
            return


class _CreditLink:
    """Says to the upstream which streams may go on: once a turn of the loop, for all of them."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._granted: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, host: str, port: int | None) -> "_CreditLink":
        if port is None:
            raise LoaderError("streams by credit need the upstream's port (credit_port)")
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
        transport.write(CREDIT_GREETING)
        await asyncio.sleep(0.05)  # the greeting must be a read of its own
        return cls(transport)

    def grant(self, credit: bytes) -> None:
        if not self._granted:
            self._loop.call_soon(self._flush)
        self._granted.append(credit)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._granted))
        self._granted.clear()


class _Metronome:
    """Calls at a fixed rate by a `timerfd`: the loop's own timers are good to a millisecond only.

    An idle core takes a few hundred microseconds to wake, so where requests are far apart it wakes early and spins.
    """

    def __init__(self, begun: float, rate: float, until: float, due: Callable[[float], None]) -> None:
        self._begun, self._rate, self._until, self._call = begun, rate, until, due
        self._count = 0
        self._spin = 0.0003 if rate < 500 else 0.0  # seconds
        self._loop = asyncio.get_running_loop()
        self._finished = self._loop.create_future()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = self._libc.timerfd_create(1, os.O_NONBLOCK | os.O_CLOEXEC)  # 1: CLOCK_MONOTONIC
        if self._timer < 0:
            raise LoaderError(f"timerfd_create: {os.strerror(ctypes.get_errno())}")
        self._loop.add_reader(self._timer, self._tick)
        self._set(begun)

    def finished(self) -> "asyncio.Future[None]":
        """Done when the last request was due."""
        return self._finished

    def _set(self, at: float) -> None:
        seconds, rest = divmod(int(at * 1e9), 1_000_000_000)
        value = (ctypes.c_long * 4)(0, 0, seconds, max(rest, 1))
        self._libc.timerfd_settime(self._timer, 1, value, None)  # 1: TFD_TIMER_ABSTIME

    def _tick(self) -> None:
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return
        while True:
            due = self._begun + self._count / self._rate
            if due >= self._until:
                self._loop.remove_reader(self._timer)
                os.close(self._timer)
                self._finished.set_result(None)
                return
            if due > now():
                if due - now() > self._spin:
                    self._set(due - self._spin)
                    return
                while due > now():
                    pass
            self._count += 1
            self._call(due)


def _shares(spent: machine.CoreTimes, seconds: float) -> Core:
    return Core(busy=spent.busy / seconds, idle=spent.idle / seconds, steal=spent.steal / seconds)
