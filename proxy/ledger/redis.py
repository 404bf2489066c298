"""The ledger log on Redis streams: one function call a turn of the event loop and client, exactly once, in order.

Every record is numbered and kept until the writer's watermark passes it, so what Redis forgets is sent again; see
docs/decisions/0002-ledger.md. This is the hot path: a call costs one future, no task and no timer.
"""

import asyncio
import hashlib
import logging
import random
import ssl
import time
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from core.ledger.records import Admitted, Heartbeat, Settled, Voided, encode, encode_settled
from core.settings import Settings
from proxy.ledger import LedgerFull, LedgerUnavailable
from proxy.ledger.connection import RedisConnection, RedisRefused, command, parse_redis_url
from proxy.ledger.stream import ClientStream

_log = logging.getLogger("aduana.ledger")

_APPEND = (Path(__file__).parent / "append.lua").read_bytes()
_APPEND_SHA = hashlib.sha1(_APPEND, usedforsecurity=False).hexdigest()  # Redis names scripts by it
_TICKS_A_TIMEOUT = 4
_CHUNK = 250  # records sent again in one command
_MOST_A_COMMAND = 1000
_POLL = 1.0  # seconds between questions for the watermark while nothing else is sent
_OOM_PATIENCE = 5.0  # seconds of Redis being out of memory before the buffer counts as full
_LONGEST_BACKOFF = 2.0
_CLOSING = 2.0


class RedisLog:
    """`LedgerLog` on Redis. One a process: its incarnation numbers the records."""

    def __init__(
        self,
        redis_url: str,
        settings: Settings,
        incarnation: UUID | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.incarnation = incarnation or uuid4()
        self._address = parse_redis_url(redis_url)
        self._tls = tls
        self._timeout = settings.redis_timeout
        self._tick_seconds = settings.redis_timeout / _TICKS_A_TIMEOUT
        self._poll_ticks = max(1, round(_POLL / self._tick_seconds))
        self._heartbeat_seconds = settings.lease_seconds / 4
        self._limit = settings.ledger_buffer_calls
        self._allow_unrecorded = settings.on_ledger_full == "allow"
        self._streams: dict[bytes, ClientStream] = {}
        self._dirty: list[ClientStream] = []
        self._held = 0
        self._dropped = 0
        self._tick = 0
        self._connection: RedisConnection | None = None
        self._lost_at = 0.0  # the loop's time when the connection was last lost
        self._oom_since: float | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._heartbeat_at = 0.0
        self._closing = False
        self._loop: asyncio.AbstractEventLoop

    # ── The port ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        """Whether records reach Redis now."""
        return self._connection is not None and self._oom_since is None

    @property
    def unacknowledged(self) -> int:
        """Calls held until the writer has committed them: the open ones, and the ended ones above the watermark."""
        return self._held

    @property
    def dropped(self) -> int:
        """Calls let through unrecorded since the start, the buffer being full."""
        return self._dropped

    async def start(self) -> None:
        """Connect, and go on trying where Redis is away; returns after the first attempt."""
        self._loop = asyncio.get_running_loop()
        self._lost_at = self._loop.time()
        self._heartbeat_at = self._loop.time() + self._heartbeat_seconds
        tried = asyncio.Event()
        self._keeper = self._loop.create_task(self._keep_connected(tried), name="ledger-connection")
        self._sweeper = self._loop.call_later(self._tick_seconds, self._sweep)
        await tried.wait()

    async def close(self) -> None:
        """Hand what is numbered to Redis, for two seconds at most, and stop."""
        self._flush()
        for _ in range(round(_CLOSING / 0.01)):
            if all(stream.acked == stream.next_seq - 1 for stream in self._streams.values()):
                break
            await asyncio.sleep(0.01)
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection is not None:
            self._connection.abort("closed")
        for stream in self._streams.values():
            stream.expire(self._tick + 1)

    async def admit(self, record: Admitted, *, required: bool) -> None:
        """See `LedgerLog.admit`. A call whose admission raised (or was cancelled) must not be settled."""
        if (self._held >= self._limit or self._oom_since is not None) and self._is_full():
            if not self._allow_unrecorded:
                raise LedgerFull(retry_after=5.0)
            self._dropped += 1
            return
        away = self._connection is None and self._loop.time() - self._lost_at > self._timeout
        if away and required:
            raise LedgerUnavailable(retry_after=1.0)

        call = record.call
        stream = self._streams.get(call.client_id) or self._new_stream(call.client_id)
        data = encode(record)
        seq = stream.number(data)
        stream.admissions[seq] = data
        stream.open[call.id] = seq
        self._held += 1
        if not stream.dirty:
            self._mark(stream)
        if away:
            return  # nobody is there to confirm it: it is sent when Redis is back

        waiter: asyncio.Future[bool] = self._loop.create_future()
        stream.waiters.append((seq, waiter, self._tick))
        try:
            confirmed = await waiter
        except asyncio.CancelledError:
            self._void(stream, call.id)
            raise
        if not confirmed and required:
            self._void(stream, call.id)
            raise LedgerUnavailable(retry_after=1.0)

    def settle(self, record: Settled) -> None:
        """See `LedgerLog.settle`. What was never recorded as admitted (the buffer was full) is left out."""
        call = record.call
        stream = self._streams.get(call.client_id)
        if stream is None:
            return
        admission = stream.open.pop(call.id, None)
        if admission is None:
            return
        self._end(stream, admission, encode_settled(record))

    # ── Numbering ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_full(self) -> bool:
        if self._held >= self._limit:
            return True
        return self._oom_since is not None and self._loop.time() - self._oom_since > _OOM_PATIENCE

    def _new_stream(self, client: bytes) -> ClientStream:
        stream = self._streams[client] = ClientStream(client, self.incarnation, _APPEND_SHA)
        stream.appended = partial(self._appended, stream)
        stream.asked = partial(self._asked, stream)
        stream.synced = self._connection is not None  # a new incarnation starts at 1 in every life of Redis
        return stream

    def _void(self, stream: ClientStream, event_id: bytes) -> None:
        admission = stream.open.pop(event_id, None)
        if admission is not None:
            self._end(stream, admission, encode(Voided(event_id)))

    def _end(self, stream: ClientStream, admission: int, data: bytes) -> None:
        stream.admissions.pop(admission, None)
        stream.ends[stream.number(data)] = data
        if not stream.dirty:
            self._mark(stream)

    def _mark(self, stream: ClientStream) -> None:
        stream.dirty = True
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(stream)

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _flush(self) -> None:
        """Send what this turn of the loop numbered, a command a client, in one write."""
        dirty, self._dirty = self._dirty, []
        commands = []
        connection = self._connection
        for stream in dirty:
            stream.dirty = False
            pending, stream.pending = stream.pending, []
            if connection is None or not stream.synced or not pending:
                continue  # it is taken from the tables when the stream is in step again
            first = stream.pending_from
            for start in range(0, len(pending), _MOST_A_COMMAND):
                commands.append(stream.append_command(first + start, pending[start : start + _MOST_A_COMMAND]))
                connection.expect(stream.appended)
        if commands and connection is not None:
            connection.write(commands[0] if len(commands) == 1 else b"".join(commands))

    def _appended(self, stream: ClientStream, reply: Any) -> None:
        stream.heard_tick = self._tick
        if type(reply) is not list:
            self._refused(stream, reply)
            return
        last, watermark = reply
        if watermark > stream.watermark:
            self._held -= stream.commit(watermark)
        if last > stream.acked:
            self._oom_since = None
            stream.acknowledge(last)
        elif last < stream.acked:
            self._resynchronise(stream)

    def _refused(self, stream: ClientStream, error: Any) -> None:
        """Nothing of the command was done: what it carried, and what follows it, is sent again."""
        text = str(error)
        stream.synced = stream.asking = False
        if text.startswith("OOM"):
            if self._oom_since is None:
                self._oom_since = self._loop.time()
                _log.error("Redis is out of memory and takes no ledger records; they wait here (%d calls)", self._held)
            stream.retry_tick = self._tick + self._poll_ticks
            return
        connection = self._connection
        if connection is None:
            return
        if text.startswith("NOSCRIPT"):
            connection.expect(lambda _: None)
            connection.write(command("SCRIPT", "LOAD", _APPEND))
            self._resynchronise(stream)
            return
        connection.abort(f"Redis refused a ledger record: {text}")  # READONLY, LOADING, ...: find the right one

    # ── Being in step with Redis ────────────────────────────────────────────────────────────────────────────────────

    def _resynchronise(self, stream: ClientStream) -> None:
        """Ask how far Redis has this stream, then send what follows."""
        stream.synced = False
        if not stream.asking and self._tick >= stream.retry_tick and self._connection is not None:
            stream.asking = True
            self._connection.expect(stream.asked)
            self._connection.write(stream.append_command(0, []))

    def _asked(self, stream: ClientStream, reply: Any) -> None:
        """Redis says how far it has the stream: send what follows, a chunk at a time, until nothing is left."""
        stream.asking = False
        stream.heard_tick = self._tick
        if type(reply) is not list:
            self._refused(stream, reply)
            return
        last, watermark = reply
        if watermark > stream.watermark:
            self._held -= stream.commit(watermark)
        if last > stream.acked:
            self._oom_since = None
        base = max(last, stream.watermark)
        stream.acknowledge(base)
        records = stream.after(base, _CHUNK)
        if not records:
            stream.synced = True
            return
        stream.asking = True
        assert self._connection is not None  # the reply has just come from it
        self._connection.expect(stream.asked)
        # Below the watermark nothing is kept: where Redis forgot that much, the stream goes on from there.
        self._connection.write(stream.append_command(base + 1, records, reset=last < base))

    async def _keep_connected(self, tried: asyncio.Event) -> None:
        backoff = 0.05
        silent = False
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await RedisConnection.open(self._address, self._tls)
                    await connection.call("SCRIPT", "LOAD", _APPEND)
            except (OSError, RedisRefused, TimeoutError) as error:
                if not silent:
                    _log.warning("the ledger's Redis at %r is away: %s", self._address, error or "no answer in time")
                    silent = True
                tried.set()
                await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                backoff = min(backoff * 2, _LONGEST_BACKOFF)
                continue
            if silent:
                _log.info("the ledger's Redis at %r is back", self._address)
            backoff, silent = 0.05, False
            self._connection = connection
            for stream in self._streams.values():
                stream.asking = False
                stream.retry_tick = 0
                self._resynchronise(stream)
            tried.set()
            reason = await connection.lost
            self._connection = None
            self._lost_at = self._loop.time()
            for stream in self._streams.values():
                stream.synced = stream.asking = False
            _log.warning("lost the ledger's Redis: %s; %d calls are kept here", reason, self._held)
            silent = True

    def _sweep(self) -> None:
        """The one timer: admissions that waited too long, a silent Redis, streams to ask about, heartbeats."""
        self._tick = tick = self._tick + 1
        self._sweeper = self._loop.call_later(self._tick_seconds, self._sweep)
        now = self._loop.time()
        connection = self._connection
        if connection is not None:
            since = connection.waits_since()
            if since is not None and now - since > self._timeout:
                connection.abort(f"no answer for {self._timeout} s")
        heartbeat = now >= self._heartbeat_at
        if heartbeat:
            self._heartbeat_at = now + self._heartbeat_seconds
        for stream in self._streams.values():
            stream.expire(tick - _TICKS_A_TIMEOUT)
            if heartbeat and stream.open:
                beat = encode(Heartbeat(time.time_ns() // 1_000_000))
                stream.admissions[stream.number(beat)] = beat
                if not stream.dirty:
                    self._mark(stream)
            if connection is None:
                continue
            if not stream.synced:
                self._resynchronise(stream)
            elif not stream.settled and tick - stream.heard_tick >= self._poll_ticks:
                stream.heard_tick = tick
                connection.expect(stream.appended)
                connection.write(stream.append_command(0, []))
