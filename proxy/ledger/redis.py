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
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from core.ledger.records import Admitted, Gone, Heartbeat, Made, Settled, Voided, encode, encode_settled
from core.settings import Settings
from core.snapshot import Snapshot
from proxy.ledger import LedgerFull, LedgerUnavailable, RulesChanged, ownership
from proxy.ledger.connection import RedisConnection, RedisRefused, command, parse_redis_url
from proxy.ledger.stream import AGAIN, ClientStream, Confirmation, OpenCall
from proxy.limits import UNLIMITED, Claim, Verdict, operations
from proxy.limits.memory import MemoryLimiter
from proxy.limits.plan import verdict_of

_log = logging.getLogger("aduana.ledger")

_APPLY = (Path(__file__).parent / "apply.lua").read_bytes()
_APPLY_SHA = hashlib.sha1(_APPLY, usedforsecurity=False).hexdigest()  # Redis names scripts by it
_TICKS_A_TIMEOUT = 4
_CHUNK = 250  # records sent again in one command
_MOST_A_COMMAND = 1000
_POLL = 1.0  # seconds between questions for the watermark while nothing else is sent
_OOM_PATIENCE = 5.0  # seconds of Redis being out of memory before the buffer counts as full
_LONGEST_BACKOFF = 2.0
_CLOSING = 2.0
_GATE_POLL = 0.02  # seconds between two looks at a closed gate
_RESENDING = 4.0  # seconds after Redis' return in which every other proxy has found it and sent again what it forgot
_CLAIMED = 2  # times the buffer: claims of calls that were admitted are taken beyond it


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
        self._lease_seconds = settings.lease_seconds
        self._heartbeat_seconds = settings.lease_seconds / 4
        self._limiter = MemoryLimiter(settings.lease_seconds)  # for callers who are served while Redis is away
        self._snapshot: Snapshot | None = None
        self._limit = settings.ledger_buffer_calls
        self._allow_unrecorded = settings.on_ledger_full == "allow"
        self._streams: dict[bytes, ClientStream] = {}
        self._dirty: list[ClientStream] = []
        self._held = 0
        self._dropped = 0
        self._tick = 0
        self._connection: RedisConnection | None = None
        self._lost_at = 0.0  # the loop's time when the connection was last lost
        self._back_at = float("-inf")  # the loop's time when Redis came back
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
        """What is held until the writer has committed it: open calls, and above the watermark ended ones, and objects."""
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

    def use(self, snapshot: Snapshot) -> None:
        """See `LedgerLog.use`."""
        self._snapshot = snapshot
        for stream in self._streams.values():
            if self._count(stream):
                self._out_of_step(stream)  # what waits to be sent was made for other counters

    async def admit(self, record: Admitted, claim: Claim, *, required: bool) -> Verdict:
        """See `LedgerLog.admit`. A call whose admission raised (or was cancelled, or denied) must not be settled."""
        if (self._held >= self._limit or self._oom_since is not None) and self._is_full():
            if not self._allow_unrecorded:
                raise LedgerFull(retry_after=5.0)
            self._dropped += 1
            return UNLIMITED
        stream = self._streams.get(record.call.client_id) or self._new_stream(record.call.client_id)
        if self._is_away(stream):
            if required:
                raise LedgerUnavailable(retry_after=1.0)
            return self._admit_here(stream, encode(record), claim)
        if claim.plan.families != stream.families:
            raise RulesChanged

        call = stream.admit(encode(record), claim, operations.admit(claim), self._tick)
        stream.pending_waiters.append(call)
        self._held += 1
        if not stream.dirty:
            self._mark(stream)
        call.waiter = self._loop.create_future()
        stream.waiters.append(call)
        try:
            raw = await call.waiter
        except asyncio.CancelledError:
            self._void(stream, call)
            raise
        if raw is None:
            if required:
                self._void(stream, call)
                raise LedgerUnavailable(retry_after=1.0)
            return self._ask_here(stream, call)
        if raw is AGAIN:
            raise RulesChanged
        return verdict_of(claim.plan, raw, time.time())

    def settle(self, record: Settled, claim: Claim) -> None:
        """See `LedgerLog.settle`. What was never recorded as admitted (the buffer was full) is left out."""
        stream = self._streams.get(record.call.client_id)
        call = None if stream is None else stream.open.pop(record.call.id, None)
        if stream is None or call is None:
            return
        data = encode_settled(record)
        tokens = record.input_tokens + record.output_tokens
        operation = operations.settle(claim.id, tokens, record.cost_nano_usd, stream.counters(claim, data))
        if call.limiter is not None:
            call.limiter.settle(operation, time.time_ns() // 1000)
        self._end(stream, call, data, operation)

    # ── Whose objects are ───────────────────────────────────────────────────────────────────────────────────────────

    async def claim(self, records: Sequence[Made]) -> None:
        """Write down whose the objects of one call are; returns when Redis has it, and this process until Postgres has it.

        Raises `LedgerUnavailable` where that is not heard in time: the records are delivered all the same, when it can be.
        Raises `LedgerFull` where even the room that admitted calls have beyond the buffer is used up.
        """
        client = records[0].call.client_id
        if self._held >= self._limit * _CLAIMED:
            raise LedgerFull(retry_after=5.0)
        stream = self._streams.get(client) or self._new_stream(client)
        seq = [self._note(stream, encode_settled(record), ownership.own(record)) for record in records][-1]
        if self._is_away(stream):
            raise LedgerUnavailable(retry_after=1.0)
        confirmation = Confirmation(seq, self._tick, self._loop.create_future())
        stream.confirmations.append(confirmation)
        if not await confirmation.waiter:
            raise LedgerUnavailable(retry_after=1.0)

    def release(self, record: Gone) -> None:
        """Write down that an object is gone. Never waits, never fails; where there is no room, it is not known."""
        if self._held < self._limit * _CLAIMED:
            stream = self._streams.get(record.client_id) or self._new_stream(record.client_id)
            self._note(stream, encode(record), ownership.disown(record))

    def _note(self, stream: ClientStream, record: bytes, operation: bytes) -> int:
        self._held += 1
        seq = stream.note(record, operation)
        if not stream.dirty:
            self._mark(stream)
        return seq

    async def ask(self, client: bytes, *arguments: bytes | str | int) -> Any:
        """One command on keys of a client. Raises `LedgerUnavailable` where Redis does not answer it in time."""
        if self._dirty:
            self._flush()  # what was written down before the question is part of the answer
        connection = self._connection
        if connection is None:
            raise LedgerUnavailable(retry_after=1.0)
        try:
            async with asyncio.timeout(self._timeout):
                return await connection.call(*arguments)
        except (OSError, RedisRefused) as error:  # a time-out is an OSError, too
            raise LedgerUnavailable(retry_after=1.0) from error

    def tell(self, client: bytes, *arguments: bytes | str | int) -> None:
        """One command on keys of a client, whose answer nobody needs."""
        connection = self._connection
        if connection is not None:
            connection.expect(lambda _: None)
            connection.write(command(*arguments))

    def knows_all(self, client: bytes) -> bool:
        """Whether what Redis does not have of a client's was never there, or is in Postgres: not for as long as other
        proxies may have to send again what it forgot."""
        stream = self._streams.get(client)
        in_step = stream is None or stream.shut_out_at is None
        return in_step and self._connection is not None and self._loop.time() - self._back_at > _RESENDING

    # ── While Redis is away ─────────────────────────────────────────────────────────────────────────────────────────

    def _is_away(self, stream: ClientStream) -> bool:
        """Whether Redis has not counted for this client for longer than a call waits."""
        since = self._lost_at if self._connection is None else stream.shut_out_at
        return since is not None and self._loop.time() - since > self._timeout

    def _admit_here(self, stream: ClientStream, record: bytes, claim: Claim) -> Verdict:
        """By the limits of this process alone; the record is sent when Redis is back."""
        verdict = self._ask_limiter(claim)
        if verdict.admitted:
            call = stream.admit(record, claim, operations.hold(claim), self._tick)
            call.limiter = self._limiter
            self._held += 1
            if not stream.dirty:
                self._mark(stream)
        return verdict

    def _ask_here(self, stream: ClientStream, call: OpenCall) -> Verdict:
        """The same for a call that is numbered already and was not answered in time."""
        verdict = self._ask_limiter(call.claim)
        if verdict.admitted:
            call.limiter = self._limiter
        else:
            self._void(stream, call)
        return verdict

    def _ask_limiter(self, claim: Claim) -> Verdict:
        now = time.time_ns() // 1000
        raw = self._limiter.admit(operations.admit(claim), str(self.incarnation), now)
        return verdict_of(claim.plan, raw, now / 1e6)

    # ── Numbering ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_full(self) -> bool:
        if self._held >= self._limit:
            return True
        return self._oom_since is not None and self._loop.time() - self._oom_since > _OOM_PATIENCE

    def _new_stream(self, client: bytes) -> ClientStream:
        stream = self._streams[client] = ClientStream(client, self.incarnation, _APPLY_SHA, self._lease_seconds)
        stream.answered = partial(self._answered, stream)
        stream.asked = partial(self._asked, stream)
        stream.synced = self._connection is not None  # a new incarnation starts at 1 in every life of Redis
        self._count(stream)
        return stream

    def _count(self, stream: ClientStream) -> bool:
        snapshot = self._snapshot
        if snapshot is None:
            return False
        return stream.count_by(snapshot.families.get(stream.client, ()), snapshot.version)

    def _void(self, stream: ClientStream, call: OpenCall) -> None:
        if stream.open.pop(call.claim.id, None) is not None:
            self._end(stream, call, encode(Voided(call.claim.id)), operations.void(call.claim.id))

    def _end(self, stream: ClientStream, call: OpenCall, record: bytes, operation: bytes) -> None:
        stream.end(call, record, operation)
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
            if connection is None or not stream.synced:
                stream.forget_pending()
                continue
            while stream.pending:
                first, arguments, waiters = stream.take(_MOST_A_COMMAND)
                commands.append(stream.command(first, arguments))
                stream.in_flight.append(waiters)
                connection.expect(stream.answered)
        if commands and connection is not None:
            connection.write(commands[0] if len(commands) == 1 else b"".join(commands))

    def _answered(self, stream: ClientStream, reply: Any) -> None:
        """What Redis says to records that were sent as they were numbered."""
        waiters = self._heard(stream, reply)
        if waiters is None:
            return
        last = reply[0]
        if last >= stream.acked:
            stream.acked = last
            if stream.confirmations:
                stream.confirm()
            self._oom_since = None
            self._deliver(stream, waiters, reply[4])
        if (last < stream.acked or stream.unregistered) and stream.synced:
            self._resynchronise(stream)

    def _heard(self, stream: ClientStream, reply: Any) -> Sequence[OpenCall] | None:
        """What every reply tells. None: nothing of the command was done; what it carried is sent again."""
        stream.heard_tick = self._tick
        waiters = stream.in_flight.popleft()
        if type(reply) is not list:
            self._refused(stream, reply)
            return None
        _, watermark, gate, known, _ = reply
        if watermark > stream.watermark:
            self._held -= stream.commit(watermark)
        if gate:
            if stream.shut_out_at is None:
                stream.shut_out_at = self._loop.time()
            stream.synced = stream.asking = False
            self._ask_soon(stream)
            return None
        stream.shut_out_at = None
        if not known:
            stream.unregistered = True
        return waiters

    def _deliver(self, stream: ClientStream, waiters: Sequence[OpenCall], verdicts: Sequence[Sequence[int]]) -> None:
        for call, verdict in zip(waiters, verdicts, strict=False):  # none of them where the command was not taken
            if verdict[0]:
                call.confirmed = True
            else:
                stream.admissions.pop(call.seq, None)
                if call.waits:
                    stream.open.pop(call.claim.id, None)
                    self._held -= 1
            call.answer(verdict)

    def _refused(self, stream: ClientStream, error: Any) -> None:
        """An error: what the command carried, and what follows it, is sent again."""
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
            connection.write(command("SCRIPT", "LOAD", _APPLY))
            self._resynchronise(stream)
            return
        connection.abort(f"Redis refused a ledger record: {text}")  # READONLY, LOADING, ...: find the right one

    # ── Being in step with Redis ────────────────────────────────────────────────────────────────────────────────────

    def _out_of_step(self, stream: ClientStream) -> None:
        stream.synced = False
        self._resynchronise(stream)

    def _resynchronise(self, stream: ClientStream) -> None:
        """Ask how far Redis has this stream, then send what follows."""
        stream.synced = False
        if not stream.asking and self._tick >= stream.retry_tick and self._connection is not None:
            stream.asking = True
            self._send(self._connection, stream, stream.command(0, []), ())

    def _ask_soon(self, stream: ClientStream) -> None:
        """The client's gate is closed, or our snapshot is old: neither lasts."""
        if not stream.asks_soon:
            stream.asks_soon = True
            self._loop.call_later(_GATE_POLL, self._ask_at_the_gate, stream)

    def _ask_at_the_gate(self, stream: ClientStream) -> None:
        stream.asks_soon = False
        if not stream.synced:
            self._resynchronise(stream)

    def _send(
        self, connection: RedisConnection, stream: ClientStream, data: bytes, waiters: Sequence[OpenCall]
    ) -> None:
        connection.expect(stream.asked)
        stream.in_flight.append(waiters)
        connection.write(data)

    def _asked(self, stream: ClientStream, reply: Any) -> None:
        """Redis says how far it has the stream: send what follows, a chunk at a time, until nothing is left."""
        stream.asking = False
        waiters = self._heard(stream, reply)
        if waiters is None:
            return
        last = reply[0]
        if last > stream.acked:
            self._oom_since = None
        self._deliver(stream, waiters, reply[4])
        stream.acked = base = max(last, stream.watermark)
        stream.confirm()
        if stream.in_flight:  # one of several commands of leases
            return
        for call in stream.doubtful(base):
            self._put_back(stream, call, base)
        connection = self._connection
        assert connection is not None  # the reply has just come from it
        if stream.unregistered:
            stream.unregistered = False
            holds = stream.holds(base)
            for start in range(0, len(holds), _CHUNK):
                self._send(connection, stream, stream.command(0, [], holds[start : start + _CHUNK]), ())
            if holds:
                stream.asking = True
                return
        arguments, waiters = stream.after(base, _CHUNK)
        if not arguments:
            stream.synced = True
            return
        stream.asking = True
        # Below the watermark nothing is kept: where Redis forgot that much, the stream goes on from there.
        self._send(connection, stream, stream.command(base + 1, arguments, reset=last < base), waiters)

    def _put_back(self, stream: ClientStream, call: OpenCall, base: int) -> None:
        """A waiting admission that will be asked anew: where Redis has it, it is voided, else it never was."""
        if call.seq <= base:
            self._void(stream, call)
        else:
            stream.open.pop(call.claim.id, None)
            stream.admissions.pop(call.seq, None)
            self._held -= 1
        call.answer(AGAIN)

    async def _keep_connected(self, tried: asyncio.Event) -> None:
        backoff = 0.05
        silent = False
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await RedisConnection.open(self._address, self._tls)
                    await connection.call("SCRIPT", "LOAD", _APPLY)
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
                self._back_at = self._loop.time()
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
            self._limiter = MemoryLimiter(self._lease_seconds)
            for stream in self._streams.values():
                stream.synced = stream.asking = False
                stream.in_flight.clear()
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
                stream.number(operations.NONE, encode(Heartbeat(time.time_ns() // 1_000_000)))
                if not stream.dirty:
                    self._mark(stream)
            if connection is None:
                continue
            if not stream.synced:
                self._resynchronise(stream)
            elif not stream.settled and tick - stream.heard_tick >= self._poll_ticks:
                stream.heard_tick = tick
                connection.expect(stream.answered)
                stream.in_flight.append(())
                connection.write(stream.command(0, []))
