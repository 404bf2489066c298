"""The ledger log on Redis streams: one function call a turn of the event loop and client, exactly once, in order.

Every record is numbered and kept until the writer's watermark passes it, so what Redis forgets is sent again; see
docs/decisions/0002-ledger.md. This is the hot path: a call costs one future, no task and no timer.
"""

import asyncio
import hashlib
import logging
import ssl
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

from core.ledger.keys import StreamKeys
from core.ledger.records import Admitted, Gone, Heartbeat, Made, Settled, Voided, encode, encode_settled
from core.limits.standing import BUCKET_EPOCH
from core.redis import parse_redis_url
from core.redis.login import Login, PasswordLogin
from core.redis.slots import NOT_HERE
from core.settings import Settings
from core.snapshot import Snapshot
from proxy.ledger import LedgerFull, LedgerUnavailable, RulesChanged, ownership
from proxy.ledger.connection import RedisRefused, command
from proxy.ledger.node import Node
from proxy.ledger.nodes import Nodes
from proxy.ledger.stream import AGAIN, ClientStream, Confirmation, OpenCall
from proxy.limits import UNLIMITED, Claim, Plan, Verdict, operations
from proxy.limits.looking import left_of
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
_CLOSING = 2.0
_POLL_AGAIN = 0.02  # seconds between two looks at a closed gate, or for a slot that is on its way
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
        login: Login | None = None,
    ) -> None:
        """`login`: in place of the password in the URL."""
        self.incarnation = incarnation or uuid4()
        self._address = parse_redis_url(redis_url)
        self._tls = tls
        self._login = login or PasswordLogin(self._address)
        self._timeout = settings.redis_timeout
        self._tick_seconds = settings.redis_timeout / _TICKS_A_TIMEOUT
        self._poll_ticks = max(1, round(_POLL / self._tick_seconds))
        self._lease_seconds = settings.lease_seconds
        self._heartbeat_seconds = settings.lease_seconds / 4
        # For callers who are served while their Redis is away.
        self._stand_ins: WeakKeyDictionary[Node, MemoryLimiter] = WeakKeyDictionary()
        self._snapshot: Snapshot | None = None
        self._limit = settings.ledger_buffer_calls
        self._allow_unrecorded = settings.on_ledger_full == "allow"
        self._streams: dict[bytes, ClientStream] = {}
        self._dirty: list[ClientStream] = []
        self._held = 0
        self._dropped = 0
        self._tick = 0
        self._oom_since: float | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._heartbeat_at = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._nodes: Nodes | None = None  # from `start` on

    # ── The port ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        """Whether records reach Redis now."""
        return self._nodes is not None and self._nodes.connected and self._oom_since is None

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
        self._heartbeat_at = self._loop.time() + self._heartbeat_seconds
        self._nodes = Nodes(
            self._address,
            tls=self._tls,
            login=self._login,
            timeout=self._timeout,
            script=_APPLY,
            opened=self._opened,
            lost=self._lost,
            redrawn=self._redrawn,
        )
        self._sweeper = self._loop.call_later(self._tick_seconds, self._sweep)
        await self._nodes.tried()

    async def close(self) -> None:
        """Hand what is numbered to Redis, for two seconds at most, and stop."""
        self._flush()
        for _ in range(round(_CLOSING / 0.01)):
            if all(stream.acked == stream.next_seq - 1 for stream in self._streams.values()):
                break
            await asyncio.sleep(0.01)
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._nodes is not None:
            await self._nodes.close()
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

    async def remaining(self, client: bytes, plan: Plan) -> tuple[int, ...]:
        """See `LedgerLog.remaining`."""
        keys, fields = StreamKeys(UUID(bytes=client)), [check.field for check in plan.checks]
        hashes = (keys.buckets, keys.spent, keys.reserved)
        try:  # side by side: one round trip
            clock, full, spent, reserved = await asyncio.gather(
                self.ask(client, "TIME"), *(self.ask(client, "HMGET", key, *fields) for key in hashes)
            )
        except LedgerUnavailable:
            return ()
        now = int(clock[0]) * 1_000_000 + int(clock[1]) - BUCKET_EPOCH * 1e6
        return left_of(
            plan,
            [float(each or 0) for each in full],
            [int(each or 0) for each in spent],
            [int(each or 0) for each in reserved],
            now,
        )

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

    async def account(self, record: Settled) -> None:
        """See `LedgerLog.account`."""
        if self._held >= self._limit:
            raise LedgerFull(retry_after=5.0)
        client = record.call.client_id
        stream = self._streams.get(client) or self._new_stream(client)
        if self._is_away(stream):
            raise LedgerUnavailable(retry_after=1.0)  # asked again, it would wait here twice
        data = encode_settled(record)
        await self._confirm(stream, self._note(stream, data, stream.spending(data)))

    async def _confirm(self, stream: ClientStream, seq: int) -> None:
        if self._is_away(stream):
            raise LedgerUnavailable(retry_after=1.0)
        confirmation = Confirmation(seq, self._tick, self._loop.create_future())
        stream.confirmations.append(confirmation)
        if not await confirmation.waiter:
            raise LedgerUnavailable(retry_after=1.0)

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
        await self._confirm(stream, seq)

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
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    node = self._node(client)
                    if node.connection is None:
                        raise LedgerUnavailable(retry_after=1.0)
                    try:
                        return await node.connection.call(*arguments)
                    except RedisRefused as error:
                        if self._nodes is None or not error.reply.startswith(NOT_HERE):
                            raise
                        self._nodes.not_there(node, error.reply)
                    await asyncio.sleep(_POLL_AGAIN)
        except (OSError, RedisRefused) as error:  # a time-out is an OSError, too
            raise LedgerUnavailable(retry_after=1.0) from error

    def tell(self, client: bytes, *arguments: bytes | str | int) -> None:
        """One command on keys of a client, whose answer nobody needs."""
        connection = self._node(client).connection
        if connection is not None:
            connection.expect(lambda _: None)
            connection.write(command(*arguments))

    def knows_all(self, client: bytes) -> bool:
        """Whether what Redis does not have of a client's was never there, or is in Postgres: not for as long as other
        proxies may have to send again what it forgot."""
        stream = self._streams.get(client)
        in_step = stream is None or stream.shut_out_at is None
        node = self._node(client)
        return in_step and node.connection is not None and self._loop.time() - node.back_at > _RESENDING

    def _node(self, client: bytes) -> Node:
        assert self._nodes is not None, "the log was not started"
        return self._nodes.of(client)

    # ── While Redis is away ─────────────────────────────────────────────────────────────────────────────────────────

    def _is_away(self, stream: ClientStream) -> bool:
        """Whether Redis has not counted for this client for longer than a call waits."""
        node = stream.node
        since = node.lost_at if node.connection is None else stream.shut_out_at
        return since is not None and self._loop.time() - since > self._timeout

    def _admit_here(self, stream: ClientStream, record: bytes, claim: Claim) -> Verdict:
        """By the limits of this process alone; the record is sent when Redis is back."""
        limiter = self._stand_in(stream.node)
        verdict = self._ask_limiter(limiter, claim)
        if verdict.admitted:
            call = stream.admit(record, claim, operations.hold(claim), self._tick)
            call.limiter = limiter
            self._held += 1
            if not stream.dirty:
                self._mark(stream)
        return verdict

    def _ask_here(self, stream: ClientStream, call: OpenCall) -> Verdict:
        """The same for a call that is numbered already and was not answered in time."""
        limiter = self._stand_in(stream.node)
        verdict = self._ask_limiter(limiter, call.claim)
        if verdict.admitted:
            call.limiter = limiter
        else:
            self._void(stream, call)
        return verdict

    def _ask_limiter(self, limiter: MemoryLimiter, claim: Claim) -> Verdict:
        now = time.time_ns() // 1000
        raw = limiter.admit(operations.admit(claim), str(self.incarnation), now)
        return verdict_of(claim.plan, raw, now / 1e6)

    def _stand_in(self, node: Node) -> MemoryLimiter:
        limiter = self._stand_ins.get(node)
        if limiter is None:
            limiter = self._stand_ins[node] = MemoryLimiter(self._lease_seconds)
        return limiter

    # ── Numbering ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_full(self) -> bool:
        if self._held >= self._limit:
            return True
        return self._oom_since is not None and self._loop.time() - self._oom_since > _OOM_PATIENCE

    def _new_stream(self, client: bytes) -> ClientStream:
        node = self._node(client)
        stream = ClientStream(client, self.incarnation, _APPLY_SHA, self._lease_seconds, node)
        self._streams[client] = stream
        self._listen(stream)
        stream.synced = node.connection is not None  # a new incarnation starts at 1 in every life of Redis
        self._count(stream)
        return stream

    def _listen(self, stream: ClientStream) -> None:
        """From here on to what is sent from here on: answers of a node that has the client no longer tell nothing."""
        stream.in_flight = in_flight = deque[Sequence[OpenCall]]()
        stream.answered = partial(self._answered, stream, in_flight)
        stream.asked = partial(self._asked, stream, in_flight)

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
        commands: list[bytes] = []
        connection = None
        for stream in dirty:
            stream.dirty = False
            if stream.node.connection is not connection:
                if connection is not None and commands:
                    connection.write(b"".join(commands))
                    commands = []
                connection = stream.node.connection
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

    def _answered(self, stream: ClientStream, in_flight: deque[Sequence[OpenCall]], reply: Any) -> None:
        """What Redis says to records that were sent as they were numbered."""
        if in_flight is not stream.in_flight:
            return
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
        node = stream.node
        if node.connection is None or self._nodes is None:
            return
        if text.startswith("NOSCRIPT"):
            node.load_script()
            self._resynchronise(stream)
            return
        if text.startswith(NOT_HERE):
            if stream.shut_out_at is None:
                stream.shut_out_at = self._loop.time()
            self._nodes.not_there(node, text)
            self._ask_soon(stream)
            return
        node.connection.abort(f"Redis refused a ledger record: {text}")  # READONLY, LOADING, ...: find the right one

    # ── Being in step with Redis ────────────────────────────────────────────────────────────────────────────────────

    def _out_of_step(self, stream: ClientStream) -> None:
        stream.synced = False
        self._resynchronise(stream)

    def _resynchronise(self, stream: ClientStream) -> None:
        """Ask how far Redis has this stream, then send what follows."""
        stream.synced = False
        if not stream.asking and self._tick >= stream.retry_tick and stream.node.connection is not None:
            stream.asking = True
            self._send(stream, stream.command(0, []), ())

    def _ask_soon(self, stream: ClientStream) -> None:
        """The client's gate is closed, our snapshot is old, or its slot is on its way: none lasts."""
        if not stream.asks_soon:
            stream.asks_soon = True
            self._loop.call_later(_POLL_AGAIN, self._ask_again, stream)

    def _ask_again(self, stream: ClientStream) -> None:
        stream.asks_soon = False
        if not stream.synced:
            self._resynchronise(stream)

    def _send(self, stream: ClientStream, data: bytes, waiters: Sequence[OpenCall]) -> None:
        connection = stream.node.connection
        assert connection is not None  # whoever sends has just heard from it, or looked
        connection.expect(stream.asked)
        stream.in_flight.append(waiters)
        connection.write(data)

    def _asked(self, stream: ClientStream, in_flight: deque[Sequence[OpenCall]], reply: Any) -> None:
        """Redis says how far it has the stream: send what follows, a chunk at a time, until nothing is left."""
        if in_flight is not stream.in_flight:
            return
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
        if stream.unregistered:
            stream.unregistered = False
            holds = stream.holds(base)
            for start in range(0, len(holds), _CHUNK):
                self._send(stream, stream.command(0, [], holds[start : start + _CHUNK]), ())
            if holds:
                stream.asking = True
                return
        arguments, waiters = stream.after(base, _CHUNK)
        if not arguments:
            stream.synced = True
            return
        stream.asking = True
        # Below the watermark nothing is kept: where Redis forgot that much, the stream goes on from there.
        self._send(stream, stream.command(base + 1, arguments, reset=last < base), waiters)

    def _put_back(self, stream: ClientStream, call: OpenCall, base: int) -> None:
        """A waiting admission that will be asked anew: where Redis has it, it is voided, else it never was."""
        if call.seq <= base:
            self._void(stream, call)
        else:
            stream.open.pop(call.claim.id, None)
            stream.admissions.pop(call.seq, None)
            self._held -= 1
        call.answer(AGAIN)

    def _opened(self, node: Node) -> None:
        for stream in self._streams.values():
            if stream.node is node:
                stream.asking = False
                stream.retry_tick = 0
                self._resynchronise(stream)

    def _lost(self, node: Node, reason: BaseException | None) -> None:
        self._stand_ins.pop(node, None)
        for stream in self._streams.values():
            if stream.node is node:
                stream.synced = stream.asking = False
                stream.in_flight.clear()
        _log.warning("lost the ledger's Redis at %r: %s; %d calls are kept here", node.address, reason, self._held)

    def _redrawn(self) -> None:
        """Clients whose node is another one now go on there, as after a broken connection."""
        for stream in self._streams.values():
            node = self._node(stream.client)
            if node is not stream.node:
                stream.node = node
                stream.synced = stream.asking = False
                stream.retry_tick = 0
                self._listen(stream)
                self._resynchronise(stream)

    def _sweep(self) -> None:
        """The one timer: admissions that waited too long, a silent Redis, streams to ask about, heartbeats."""
        self._tick = tick = self._tick + 1
        self._sweeper = self._loop.call_later(self._tick_seconds, self._sweep)
        now = self._loop.time()
        if self._nodes is not None:
            self._nodes.check()
        heartbeat = now >= self._heartbeat_at
        if heartbeat:
            self._heartbeat_at = now + self._heartbeat_seconds
        for stream in self._streams.values():
            stream.expire(tick - _TICKS_A_TIMEOUT)
            if heartbeat and stream.open:
                stream.number(operations.NONE, encode(Heartbeat(time.time_ns() // 1_000_000)))
                if not stream.dirty:
                    self._mark(stream)
            connection = stream.node.connection
            if connection is None:
                continue
            if not stream.synced:
                self._resynchronise(stream)
            elif not stream.settled and tick - stream.heard_tick >= self._poll_ticks:
                stream.heard_tick = tick
                connection.expect(stream.answered)
                stream.in_flight.append(())
                connection.write(stream.command(0, []))
