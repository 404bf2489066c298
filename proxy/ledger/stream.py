"""One client's records in this process: numbered, and kept until Postgres has them. No input or output happens here."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

from core.ledger.keys import StreamKeys
from core.ledger.records import Settled, Superseded, decode, encode
from core.limits import Family
from core.limits.fields import families_text
from proxy.ledger.connection import Handler
from proxy.ledger.node import Node
from proxy.limits import Claim, operations
from proxy.limits.memory import MemoryLimiter
from proxy.limits.plan import counters_of

SUPERSEDED = encode(Superseded())
AGAIN: Sequence[int] = (-1,)
"""In place of a verdict: what became of the question is not known, or the rules changed; it has to be asked anew."""


class OpenCall:
    """An admission that has not ended, whether it is confirmed or not."""

    __slots__ = ("claim", "confirmed", "limiter", "record", "seq", "tick", "waiter")

    def __init__(self, seq: int, record: bytes, claim: Claim, tick: int) -> None:
        self.seq = seq
        self.record = record
        self.claim = claim
        self.tick = tick
        self.confirmed = False
        self.waiter: asyncio.Future[Sequence[int] | None] | None = None
        self.limiter: MemoryLimiter | None = None  # that admitted it while Redis was away

    @property
    def waits(self) -> bool:
        return self.waiter is not None and not self.waiter.done()

    def answer(self, verdict: Sequence[int] | None) -> None:
        """Tell who waits; None: nothing was heard in time."""
        if self.waits and self.waiter is not None:
            self.waiter.set_result(verdict)

    def operation(self) -> bytes:
        """What it asks of the counters when it is sent (again)."""
        return operations.admit(self.claim) if self.waits else operations.hold(self.claim)


class Confirmation:
    """Someone who waits until Redis has a record that asks for no verdict."""

    __slots__ = ("seq", "tick", "waiter")

    def __init__(self, seq: int, tick: int, waiter: asyncio.Future[bool]) -> None:
        self.seq = seq
        self.tick = tick
        self.waiter = waiter

    def answer(self, confirmed: bool) -> None:
        if not self.waiter.done():
            self.waiter.set_result(confirmed)


End = tuple[bytes, bytes, bytes]  # the record, its operation, and the families that the operation was made for


class ClientStream:
    """The numbering, the unacknowledged records and the waiting admissions of one client."""

    __slots__ = (
        "acked",
        "admissions",
        "answered",
        "asked",
        "asking",
        "asks_soon",
        "client",
        "confirmations",
        "counted",
        "dirty",
        "ends",
        "families",
        "heard_tick",
        "in_flight",
        "lease",
        "next_seq",
        "node",
        "open",
        "pending",
        "pending_from",
        "pending_waiters",
        "prefix",
        "retry_tick",
        "shut_out_at",
        "synced",
        "tail",
        "unregistered",
        "waiters",
        "watermark",
    )

    def __init__(self, client: bytes, incarnation: UUID, script_sha: str, lease_seconds: float, node: Node) -> None:
        self.client = client
        self.node = node  # that has the client's keys
        self.prefix = _prefix(StreamKeys(UUID(bytes=client)), script_sha, incarnation)
        self.lease = b"%d" % round(lease_seconds * 1e6)
        self.counted: tuple[Family, ...] = ()
        self.families = b""  # the same as a text
        self.tail = b""
        self.count_by((), 0)
        self.next_seq = 1
        self.watermark = 0  # Postgres has everything up to here
        self.acked = 0  # Redis has had everything up to here
        # What may have to be sent again, by seq. What is in neither table (heartbeats, denied admissions, and those
        # whose call has settled since) is sent again as `Superseded`: one record a call is kept.
        self.admissions: dict[int, OpenCall] = {}
        self.ends: dict[int, End] = {}  # Settled and Voided; Made and Gone
        self.open: dict[bytes, OpenCall] = {}  # by event id
        self.pending: list[bytes] = []  # operations and records of this turn of the loop, as arguments
        self.pending_from = 1
        self.pending_waiters: list[OpenCall] = []
        self.in_flight: deque[Sequence[OpenCall]] = deque()  # whose verdicts each command on its way brings
        self.waiters: deque[OpenCall] = deque()  # in the order of their ticks
        self.confirmations: deque[Confirmation] = deque()  # in the order of their numbers and ticks
        self.synced = False  # what is numbered next may simply be sent
        self.asking = False  # a question or a re-sent chunk is under way
        self.asks_soon = False  # a timer is set for it
        self.shut_out_at: float | None = None  # the loop's time since which the gate is closed
        self.unregistered = False  # Redis gave the leases of this incarnation back
        self.answered: Handler  # what takes the replies, once for all commands
        self.asked: Handler
        self.dirty = False
        self.heard_tick = 0  # of the last reply
        self.retry_tick = 0  # not before this one

    def count_by(self, families: tuple[Family, ...], version: int) -> bool:
        """The rules of snapshot `version` are in force. Returns whether something else is counted from here on."""
        text = families_text(families).encode()
        changed = text != self.families
        self.counted, self.families = families, text
        self.tail = b"".join(_argument(part) for part in (text, b"%d" % version, self.lease))
        return changed

    # ── Numbering ───────────────────────────────────────────────────────────────────────────────────────────────────

    def number(self, operation: bytes, record: bytes) -> int:
        """The next seq, for a record that is also due to be sent."""
        seq = self.next_seq
        self.next_seq = seq + 1
        pending = self.pending
        if not pending:
            self.pending_from = seq
        pending.append(b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(operation), operation, len(record), record))
        return seq

    def admit(self, record: bytes, claim: Claim, operation: bytes, tick: int) -> OpenCall:
        """Number an admission."""
        call = OpenCall(self.number(operation, record), record, claim, tick)
        self.admissions[call.seq] = self.open[claim.id] = call
        return call

    def end(self, call: OpenCall, record: bytes, operation: bytes) -> None:
        """Number what ends a call that was taken from `open`."""
        self.admissions.pop(call.seq, None)
        self.note(record, operation)

    def note(self, record: bytes, operation: bytes) -> int:
        """Number what asks for no verdict, and keep it until Postgres has it."""
        seq = self.number(operation, record)
        self.ends[seq] = (record, operation, self.families)
        return seq

    def counters(self, claim: Claim, record: bytes) -> bytes:
        """Where a call is spent, by the rules now in force."""
        if claim.plan.families == self.families:
            return claim.plan.counters
        return self._counters_of(record)

    def spending(self, record: bytes) -> bytes:
        """The operation of a settlement, by the rules now in force."""
        settled = decode(record)
        assert isinstance(settled, Settled)
        tokens = settled.input_tokens + settled.output_tokens
        return operations.settle(settled.call.id, tokens, settled.cost_nano_usd, self._counters_of(record))

    def _counters_of(self, record: bytes) -> bytes:
        settled = decode(record)
        assert isinstance(settled, Settled)
        at = int.from_bytes(settled.call.id[:6], "big") / 1000
        return counters_of(settled.call, self.counted, at)

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, most: int) -> tuple[int, list[bytes], Sequence[OpenCall]]:
        """What waits to be sent: its first seq, its arguments, and who waits for a verdict; empty where nothing is."""
        pending, waiters = self.pending, self.pending_waiters
        first = self.pending_from
        if len(pending) <= most:
            self.pending, self.pending_waiters = [], []
            return first, pending, waiters
        self.pending = pending[most:]
        self.pending_from = first + most
        self.pending_waiters = [call for call in waiters if call.seq >= self.pending_from]
        return first, pending[:most], [call for call in waiters if call.seq < self.pending_from]

    def forget_pending(self) -> None:
        """It will be taken from the tables when the stream is in step again."""
        self.pending.clear()
        self.pending_waiters.clear()

    def command(
        self, first: int, arguments: Sequence[bytes], holds: Sequence[bytes] = (), *, reset: bool = False
    ) -> bytes:
        """The call of apply.lua in RESP; with nothing in it, it only asks."""
        count = len(arguments)
        return b"".join(
            (
                b"*%d\r\n" % (_FIXED_ARGUMENTS + 2 * (count + len(holds))),
                self.prefix,
                # padded to a fixed width, so that their lengths need no counting
                b"$15\r\n%015d\r\n$5\r\n%05d\r\n$1\r\n%d\r\n" % (first, count, reset),
                self.tail,
                *arguments,
                *holds,
            )
        )

    def after(self, seq: int, limit: int) -> tuple[list[bytes], list[OpenCall]]:
        """What follows `seq`, as it is sent again, and who waits for a verdict in it."""
        arguments: list[bytes] = []
        waiters: list[OpenCall] = []
        for each in range(seq + 1, min(self.next_seq, seq + 1 + limit)):
            call = self.admissions.get(each)
            if call is not None:
                operation, record = call.operation(), call.record
                if call.waits:
                    waiters.append(call)
            elif (end := self.ends.get(each)) is not None:
                record, operation, families = end
                if families != self.families:
                    operation = self._made_anew(record, operation)
                    self.ends[each] = (record, operation, self.families)
            else:
                operation, record = operations.NONE, SUPERSEDED
            arguments.append(_argument(operation) + _argument(record))
        return arguments, waiters

    def _made_anew(self, record: bytes, operation: bytes) -> bytes:
        return (
            self.spending(record) if isinstance(decode(record), Settled) else operation
        )  # nothing else names counters

    def holds(self, upto: int) -> list[bytes]:
        """The leases of the open calls that Redis has the admissions of."""
        return [
            _argument(operations.hold(call.claim)) + _argument(b"")
            for call in self.open.values()
            if call.seq <= upto and not call.waits
        ]

    # ── What is heard ───────────────────────────────────────────────────────────────────────────────────────────────

    def doubtful(self, last: int) -> list[OpenCall]:
        """Who waits for a verdict that will not come (Redis has the question, the answer is lost), or asked by rules
        that are out of force."""
        return [
            call
            for call in self.waiters
            if call.waits and (call.seq <= last or call.claim.plan.families != self.families)
        ]

    def expire(self, tick: int) -> None:
        """Admissions of before `tick` have waited long enough."""
        waiters = self.waiters
        while waiters and waiters[0].tick < tick:
            waiters.popleft().answer(None)
        while waiters and not waiters[0].waits:
            waiters.popleft()
        confirmations = self.confirmations
        while confirmations and confirmations[0].tick < tick:
            confirmations.popleft().answer(False)

    def confirm(self) -> None:
        """Redis has everything up to `acked`."""
        confirmations = self.confirmations
        while confirmations and confirmations[0].seq <= self.acked:
            confirmations.popleft().answer(True)

    def commit(self, watermark: int) -> int:
        """Postgres has everything up to `watermark`: forget it. Returns how many of what is held that were."""
        ends, admissions = self.ends, self.admissions
        before = len(ends)
        for seq in range(self.watermark + 1, min(watermark, self.next_seq - 1) + 1):
            if ends.pop(seq, None) is None:
                admissions.pop(seq, None)
        self.watermark = watermark
        return before - len(ends)

    @property
    def settled(self) -> bool:
        """Whether Postgres has all there is."""
        return self.watermark >= self.next_seq - 1


def _argument(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


def _prefix(keys: StreamKeys, script_sha: str, incarnation: UUID) -> bytes:
    names: Iterable[bytes] = (
        keys.log,
        keys.sequences,
        keys.watermarks,
        keys.buckets,
        keys.spent,
        keys.reserved,
        keys.leases,
        keys.state,
    )
    arguments = (b"EVALSHA", script_sha.encode(), b"8", *names, str(incarnation).encode())
    return b"".join(_argument(each) for each in arguments)


# EVALSHA, the script, the number of keys, eight keys; incarnation, first, count, reset, families, version, lease
_FIXED_ARGUMENTS = 3 + 8 + 7
