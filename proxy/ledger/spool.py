"""The ledger log without Redis: an append-only file that the writer on the same machine reads.

A record is in the kernel's hands before `admit` returns, so that killing the process loses nothing; the disk has it
within a second, so that a crash of the machine may lose the last second's.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

from core.ledger.records import Admitted, Gone, Heartbeat, Made, Settled, encode, encode_settled
from core.limits import Family
from core.settings import Settings
from core.snapshot import Snapshot
from proxy.ledger import LedgerFull, LedgerUnavailable
from proxy.ledger.frames import frame
from proxy.limits import UNLIMITED, Claim, Plan, Verdict, operations
from proxy.limits.memory import MemoryLimiter
from proxy.limits.plan import counters_of, verdict_of

try:
    import fcntl
except ImportError:  # Windows: the writer then waits a day before it removes a dead proxy's directory
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("aduana.ledger")

LOCK, COMMITTED, SEGMENTS = "lock", "committed", "*.seg"
_SEGMENT_BYTES = 8 * 1024 * 1024
_SWEEP = 0.25  # seconds
_SYNC = 1.0
_CLAIMED = 2  # times the buffer: claims of calls that were admitted are taken beyond it
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


def segment_name(number: int) -> str:
    return f"{number:010d}.seg"


class SpoolLog:
    """`LedgerLog` in a directory of its own below `directory`, named by the incarnation."""

    def __init__(
        self,
        directory: Path,
        settings: Settings,
        incarnation: UUID | None = None,
        segment_bytes: int = _SEGMENT_BYTES,
    ) -> None:
        self.incarnation = incarnation or uuid4()
        self.directory = directory / str(self.incarnation)
        self._limit = settings.ledger_buffer_calls
        self._allow_unrecorded = settings.on_ledger_full == "allow"
        self._heartbeat_seconds = settings.lease_seconds / 4
        self._segment_bytes = segment_bytes
        self._next = 1
        self._open: set[bytes] = set()
        self._ends: deque[int] = deque()  # the numbers of what ended above the watermark: calls; objects
        self._spent: deque[tuple[int, bytes]] = deque()  # numbers and operations that no loaded sum holds yet
        self._limiter = MemoryLimiter(settings.lease_seconds)
        self._counted: Mapping[bytes, tuple[Family, ...]] = {}  # families by client, as the snapshot in force has them
        self._primed: Mapping[bytes, tuple[Family, ...]] = {}  # those whose sums were loaded
        self._unwritten: list[bytes] = []  # frames: of this turn of the loop, or of a full disk
        self._scheduled = False
        self._written = True  # whether the last write went well
        self._dropped = 0
        self._watermark = 0
        self._segment = 0
        self._file = -1
        self._size = 0
        self._lock = -1
        self._syncing = ThreadPoolExecutor(
            1, thread_name_prefix="spool-sync"
        )  # in order: a file is closed after its sync
        self._dirty = False
        self._timer: asyncio.TimerHandle | None = None
        self._heartbeat_at = self._sync_at = 0.0
        self._loop: asyncio.AbstractEventLoop

    # ── The port ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        """Whether records reach the file now."""
        return self._written and self._file >= 0

    @property
    def unacknowledged(self) -> int:
        """What is held until the writer has committed it: open calls, and above the watermark ended ones, and objects."""
        return len(self._open) + len(self._ends)

    @property
    def dropped(self) -> int:
        """Calls let through unrecorded since the start, the buffer or the disk being full."""
        return self._dropped

    async def start(self) -> None:
        """Make the directory and its first file. Raises `OSError`: a proxy that cannot spool must not start."""
        self._loop = asyncio.get_running_loop()
        unnamed = self.directory.with_name(f".{self.incarnation}")
        unnamed.mkdir(parents=True, mode=0o700)
        self._lock = os.open(unnamed / LOCK, _FLAGS, 0o600)
        if fcntl is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)  # held while this process lives: the writer sees by it who is dead
        unnamed.rename(self.directory)  # only now, or a writer might take it for a dead proxy's
        self._rotate()
        self._heartbeat_at = self._loop.time() + self._heartbeat_seconds
        self._timer = self._loop.call_later(_SWEEP, self._sweep)

    async def close(self) -> None:
        """Write what is left, have it on disk, and stop."""
        if self._timer is not None:
            self._timer.cancel()
        self._write()
        await self._loop.run_in_executor(self._syncing, _sync_and_close, self._file)
        self._syncing.shutdown()
        self._file = -1
        os.close(self._lock)

    def use(self, snapshot: Snapshot) -> None:
        """See `LedgerLog.use`."""
        self._counted = snapshot.families

    async def admit(self, record: Admitted, claim: Claim, *, required: bool) -> Verdict:
        """See `LedgerLog.admit`: the record is in the file when this returns. `required`: until what was spent before
        this process started is known."""
        client = record.call.client_id
        counted = self._counted.get(client, ())
        if counted and self._primed.get(client) != counted and required:
            raise LedgerUnavailable(retry_after=1.0)
        if len(self._open) + len(self._ends) >= self._limit:
            return self._unrecorded()
        now = time.time_ns() // 1000
        raw = self._limiter.admit(operations.admit(claim), str(self.incarnation), now)
        verdict = verdict_of(claim.plan, raw, now / 1e6)
        if not verdict.admitted:
            return verdict
        self._unwritten.append(frame(self._next, encode(record)))
        self._next += 1
        if self._write():
            self._open.add(record.call.id)
            return verdict
        self._unwritten.pop()  # nobody has seen that number
        self._next -= 1
        self._limiter.void(operations.void(claim.id), now)
        return self._unrecorded()

    async def remaining(self, client: bytes, plan: Plan) -> tuple[int, ...]:
        """See `LedgerLog.remaining`."""
        return self._limiter.remaining(plan, time.time_ns() // 1000)

    def settle(self, record: Settled, claim: Claim) -> None:
        """See `LedgerLog.settle`. It is in the file after this turn of the loop."""
        event_id = record.call.id
        if event_id in self._open:
            self._open.discard(event_id)
            self._spend(record)
            self._end(encode_settled(record))

    async def account(self, record: Settled) -> None:
        """See `LedgerLog.account`: the record is in the file when this returns."""
        self._refuse_beyond_the_room()
        self._unwritten.append(frame(self._next, encode_settled(record)))
        if not self._write():
            self._unwritten.pop()  # nobody has seen that number
            raise LedgerUnavailable(retry_after=1.0)
        self._spend(record)
        self._ends.append(self._next)
        self._next += 1

    def _spend(self, record: Settled) -> None:
        """Count what a record says that is the next to be numbered."""
        event_id = record.call.id
        tokens = record.input_tokens + record.output_tokens
        counted = self._counted.get(record.call.client_id, ())
        at = int.from_bytes(event_id[:6], "big") / 1000
        operation = operations.settle(event_id, tokens, record.cost_nano_usd, counters_of(record.call, counted, at))
        self._limiter.settle(operation, time.time_ns() // 1000)
        if counted:
            self._spent.append((self._next, operation))

    def claim(self, records: Sequence[Made]) -> int:
        """Write down whose the objects of one call are: they are in the file when this returns the last one's number.

        Raises `LedgerUnavailable` where the file cannot be written, and `LedgerFull` where even the room that admitted
        calls have beyond the buffer is used up. Nothing is written down then.
        """
        self._refuse_beyond_the_room()
        frames = [frame(self._next + index, encode_settled(record)) for index, record in enumerate(records)]
        self._unwritten += frames
        if not self._write():
            del self._unwritten[-len(frames) :]  # nobody has seen those numbers
            raise LedgerUnavailable(retry_after=1.0)
        self._ends.extend(range(self._next, self._next + len(frames)))
        self._next += len(frames)
        return self._next - 1

    def release(self, record: Gone) -> int:
        """Write down that an object is gone; it is in the file after this turn of the loop. Returns its number; raises
        `LedgerFull` as `claim` does."""
        self._refuse_beyond_the_room()
        self._end(encode(record))
        return self._next - 1

    @property
    def committed(self) -> int:
        """How far Postgres has what this process wrote, as it was seen last."""
        return self._watermark

    def look(self) -> int:
        """How far Postgres has what this process wrote, as the writer says now."""
        self._read_watermark()
        return self._watermark

    def _refuse_beyond_the_room(self) -> None:
        if len(self._open) + len(self._ends) >= self._limit * _CLAIMED:
            raise LedgerFull(retry_after=5.0)

    def load(self, spent: Mapping[str, int], families: Mapping[bytes, tuple[Family, ...]], watermark: int) -> None:
        """What Postgres has counted by `families`, this process's records up to `watermark` among it."""
        self._limiter.load(spent)
        now = time.time_ns() // 1000
        while self._spent and self._spent[0][0] <= watermark:
            self._spent.popleft()
        for _, operation in self._spent:
            self._limiter.settle(operation, now)  # their leases are gone: they are only spent
        self._primed = families

    def _unrecorded(self) -> Verdict:
        if not self._allow_unrecorded:
            raise LedgerFull(retry_after=5.0)
        self._dropped += 1
        return UNLIMITED

    # ── The file ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _end(self, data: bytes) -> None:
        number = self._next
        self._append(data)
        self._ends.append(number)

    def _append(self, data: bytes) -> None:
        try:
            self._unwritten.append(frame(self._next, data))
        except ValueError:  # longer than any call's record can be: the writer will estimate the call
            _log.exception("a ledger record was left out")
            return
        self._next += 1
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        self._write()

    def _write(self) -> bool:
        """All that is unwritten, in one write or not at all."""
        if not self._unwritten:
            return True
        data = b"".join(self._unwritten)
        try:
            written = os.write(self._file, data)
            if written < len(data):
                raise OSError(f"only {written} of {len(data)} bytes could be written")
        except OSError as error:
            if self._written:
                _log.error("the ledger's spool at %s cannot be written: %s", self.directory, error)
                self._written = False
            os.ftruncate(self._file, self._size)  # a torn frame must not stand before whole ones
            return False
        if not self._written:
            _log.info("the ledger's spool at %s can be written again", self.directory)
            self._written = True
        self._unwritten.clear()
        self._dirty = True
        self._size += len(data)
        if self._size >= self._segment_bytes:
            self._rotate()
        return True

    def _rotate(self) -> None:
        try:
            fresh = os.open(self.directory / segment_name(self._segment + 1), _FLAGS | os.O_EXCL, 0o600)
        except OSError as error:
            if self._file < 0:
                raise
            _log.warning("the ledger's spool goes on in one file: %s", error)
            return
        if self._file >= 0:
            self._syncing.submit(_sync_and_close, self._file)
        self._file, self._size = fresh, 0
        self._segment += 1

    def _sweep(self) -> None:
        """The one timer: retries, heartbeats, the disk's sync, the writer's watermark."""
        self._timer = self._loop.call_later(_SWEEP, self._sweep)
        now = self._loop.time()
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + self._heartbeat_seconds
            if self._open:
                self._append(encode(Heartbeat(time.time_ns() // 1_000_000)))
        if self._unwritten:
            self._write()
        if now >= self._sync_at:
            self._sync_at = now + _SYNC
            if self._dirty:
                self._dirty = False
                self._syncing.submit(os.fsync, self._file)
        self._read_watermark()

    def _read_watermark(self) -> None:
        try:
            watermark = int((self.directory / COMMITTED).read_text())
        except (OSError, ValueError):  # not there yet
            return
        ends = self._ends
        while ends and ends[0] <= watermark:
            ends.popleft()
        self._watermark = watermark


def _sync_and_close(file: int) -> None:
    os.fsync(file)
    os.close(file)
