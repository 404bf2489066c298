"""One client's records in this process: numbered, and kept until Postgres has them. No input or output happens here."""

import asyncio
from collections import deque
from uuid import UUID

from core.ledger.records import Superseded, encode
from proxy.ledger.connection import Handler
from proxy.ledger.keys import StreamKeys

SUPERSEDED = encode(Superseded())
_SHORT_ARRAY = 16


def array(records: list[bytes]) -> bytes:
    """Encoded records as one MessagePack array (at most 65,535 of them)."""
    count = len(records)
    head = (0x90 | count).to_bytes(1, "big") if count < _SHORT_ARRAY else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(records)


class ClientStream:
    """The numbering, the unacknowledged records and the waiting admissions of one client."""

    __slots__ = (
        "acked",
        "admissions",
        "appended",
        "asked",
        "asking",
        "client",
        "dirty",
        "ends",
        "heard_tick",
        "next_seq",
        "open",
        "pending",
        "pending_from",
        "retry_tick",
        "synced",
        "template",
        "waiters",
        "watermark",
    )

    def __init__(self, client: bytes, incarnation: UUID, script_sha: str) -> None:
        self.client = client
        keys = StreamKeys(UUID(bytes=client))
        parts = [b"*11\r\n"]
        for argument in (b"EVALSHA", script_sha.encode(), b"3", keys.log, keys.sequences, keys.watermarks):
            parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
        parts.append(b"$36\r\n%b\r\n" % str(incarnation).encode())
        call = b"".join(parts).replace(b"%", b"%%")
        # first seq, count, reset: padded to a fixed width, so that their lengths need no counting
        self.template = call + b"$15\r\n%015d\r\n$5\r\n%05d\r\n$1\r\n%d\r\n$%d\r\n%b\r\n"
        self.next_seq = 1
        self.watermark = 0  # Postgres has everything up to here
        self.acked = 0  # Redis has had everything up to here
        # What may have to be sent again, by seq. An admission whose call has settled since is dropped from its table
        # and sent again as `Superseded`: one record a call is kept.
        self.admissions: dict[int, bytes] = {}  # Admitted, and the few heartbeats
        self.ends: dict[int, bytes] = {}  # Settled and Voided
        self.open: dict[bytes, int] = {}  # event id → seq of its admission
        self.pending: list[bytes] = []  # numbered in this turn of the loop, not sent yet
        self.pending_from = 1
        self.waiters: deque[tuple[int, asyncio.Future[bool], int]] = deque()  # seq, whom to tell, tick of its admission
        self.synced = False  # what is numbered next may simply be sent
        self.asking = False  # a question or a re-sent chunk is under way
        self.appended: Handler  # what takes the replies, once for all commands
        self.asked: Handler
        self.dirty = False
        self.heard_tick = 0  # of the last reply
        self.retry_tick = 0  # not before this one

    def number(self, data: bytes) -> int:
        """The next seq, for a record that is also due to be sent."""
        seq = self.next_seq
        self.next_seq = seq + 1
        pending = self.pending
        if not pending:
            self.pending_from = seq
        pending.append(data)
        return seq

    def append_command(self, first: int, records: list[bytes], *, reset: bool = False) -> bytes:
        """The call of append.lua in RESP; with no records it only asks."""
        blob = array(records)
        return self.template % (first, len(records), reset, len(blob), blob)

    def after(self, seq: int, limit: int) -> list[bytes]:
        """What follows `seq`, as it is sent again."""
        admissions, ends = self.admissions, self.ends
        return [
            admissions.get(each) or ends.get(each) or SUPERSEDED
            for each in range(seq + 1, min(self.next_seq, seq + 1 + limit))
        ]

    def acknowledge(self, last: int) -> None:
        """Redis has everything up to `last`: the admissions that waited for that are confirmed."""
        self.acked = last
        waiters = self.waiters
        while waiters and waiters[0][0] <= last:
            waiter = waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(True)

    def expire(self, tick: int) -> None:
        """Admissions of before `tick` have waited long enough."""
        waiters = self.waiters
        while waiters and waiters[0][2] < tick:
            waiter = waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(False)

    def commit(self, watermark: int) -> int:
        """Postgres has everything up to `watermark`: forget it. Returns how many calls that ended."""
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
