"""Keeps the snapshot current: listens on one connection of its own, polls the version once a second on it, and replaces
the picture whole.

Postgres may go and come back: the last snapshot is served on, or the copy on disk at the start, and its age is known.
Nothing that fails here ends the watch, and nothing here is waited for by a request.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from psycopg import AsyncConnection

from core.holding import NAME, announcement
from core.keys import Peppers
from core.settings import Settings
from core.snapshot import Snapshot, disk
from core.snapshot.picture import build
from core.snapshot.rows import encode, read_rows
from core.store.database import Database
from core.store.schema import schema_state

_log = logging.getLogger("aduana.snapshot")

CHANNEL = "aduana_snapshot"
"""What the triggers of the schema notify. A notification only wakes: what it says is not read."""

_POLL = 1.0  # seconds
_ANSWER = 5.0  # seconds for Postgres to say its version before the connection counts as lost
_READ = 30.0  # seconds for the rows
_RETRY = (0.1, 1.0)  # seconds: the first pause before connecting again, and the longest


class SnapshotWatcher:
    """Holds the current snapshot of one process."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        peppers: Peppers,
        on_replace: Callable[[Snapshot], object] | None = None,
    ) -> None:
        """`on_replace` is called in the event loop with each new snapshot."""
        self.current: Snapshot | None = None
        self.problem: str | None = "the snapshot has not been read yet"  # why it is not being confirmed; None: it is
        self._listening = database.connector(NAME, statement_timeout=_ANSWER)
        self._reading = database.connector(NAME, statement_timeout=_READ)
        self._holds = announcement(peppers, settings.master_keys)
        self._settings = settings
        self._peppers = peppers
        self._on_replace = on_replace
        self._confirmed = float("-inf")  # monotonic seconds
        self._tried = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._encoded: bytes | None = None  # the rows of the current snapshot, for the disk
        self._written = float("-inf")  # monotonic seconds
        self._write: asyncio.Task[None] | None = None

    async def start(self, wait: float = 5.0) -> None:
        """Read the first snapshot: from Postgres if it answers within `wait` seconds, else from the disk.

        Where neither has one `current` stays None, and the watch goes on trying.
        """
        self._watch = asyncio.create_task(self._run(), name="snapshot-watch")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), wait)
        if self.current is None:
            await self._start_from_disk()

    async def close(self) -> None:
        """Stop watching; the current snapshot stays."""
        tasks = [task for task in (self._watch, self._write) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            # Cancelled in the middle of a statement the driver waits for the server's answer; a hung one never gives it.
            await asyncio.wait(tasks, timeout=2.0)

    @property
    def age(self) -> float:
        """Seconds since Postgres last said that the current version is its own; infinite without a snapshot."""
        return time.monotonic() - self._confirmed

    def stale(self, settings: Settings | None = None) -> bool:
        """Whether the snapshot is too old to serve from, by `max_snapshot_age` and `on_stale_snapshot`."""
        settings = settings or self._settings
        return settings.on_stale_snapshot == "refuse" and self.age > settings.max_snapshot_age

    async def _run(self) -> None:
        pause = _RETRY[0]
        while True:
            started = time.monotonic()
            try:
                await self._listen()
            except Exception as error:
                self._report(f"Postgres is not available to the snapshot: {_reason(error)}")
            self._tried.set()
            # A connection that held for a while starts the pauses anew.
            pause = _RETRY[0] if time.monotonic() - started > 10 * _RETRY[1] else min(pause * 2, _RETRY[1])
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        """Until the connection is lost."""
        async with await self._listening.connect_async(autocommit=True) as connection:
            state = await asyncio.wait_for(schema_state(connection), _ANSWER)
            if not state.ready:
                self._report(str(state))
                return
            # Said on the connection itself: a database URL may bring a name of its own.
            await connection.execute("SELECT set_config('application_name', %s, false)", (self._holds,))
            await connection.execute(f"LISTEN {CHANNEL}")
            # Another database may answer now, or this one from a backup: equal numbers say nothing until it was read.
            known: int | None = None
            while True:
                # Listening came first, so that no change falls between this answer and the next notification.
                version = await asyncio.wait_for(self._version(connection), _ANSWER)
                if version == known:
                    self._confirm()
                else:
                    known = await self._replace(known)
                self._tried.set()
                self._keep_copy()
                async for _ in connection.notifies(timeout=_POLL, stop_after=1):
                    pass

    async def _version(self, connection: AsyncConnection[Any]) -> int | None:
        row = await (await connection.execute("SELECT version FROM snapshot_version")).fetchone()
        return row[0] if row else None

    async def _replace(self, known: int | None) -> int | None:
        """Read and build a new snapshot; the version that is current then. A failure keeps the old one."""
        started = time.monotonic()
        try:
            snapshot, encoded = await asyncio.to_thread(self._read)
        except Exception as error:
            self._report(f"the snapshot could not be read, the last one is served on: {_reason(error)}")
            return known
        self._encoded = encoded
        self._written = float("-inf")
        self._serve(snapshot, started)
        self.problem = None
        # Many writes in a row are read together, and leave the processor to the requests most of the time.
        await asyncio.sleep(min(0.5, 2 * (time.monotonic() - started)))
        return snapshot.version

    def _read(self) -> tuple[Snapshot, bytes]:
        now = time.time()
        with self._reading.connect(autocommit=True) as connection:
            rows = read_rows(connection)
        if unheld := {row.pepper_version for row in rows.keys} - set(self._peppers):
            versions = ", ".join(map(str, sorted(unheld)))
            _log.error("keys made under pepper version %s let nobody in: it is not in ADUANA_PEPPERS", versions)
        return build(rows, now, self._settings.egress_hosts), encode(rows)

    def _serve(self, snapshot: Snapshot, confirmed: float) -> None:
        self.current = snapshot
        self._confirmed = confirmed
        self._tried.set()
        if self._on_replace is not None:
            try:
                self._on_replace(snapshot)
            except Exception:
                _log.exception("what follows a new snapshot failed; the snapshot is served all the same")

    def _confirm(self) -> None:
        self._confirmed = time.monotonic()
        self.problem = None

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            _log.warning("%s", problem)
        self.problem = problem

    # ── The copy on disk ────────────────────────────────────────────────────────────────────────────────────────────

    async def _start_from_disk(self) -> None:
        try:
            copy = await asyncio.to_thread(disk.read, self._settings.state_dir, self._peppers)
            snapshot = await asyncio.to_thread(build, copy.rows, copy.confirmed_at, self._settings.egress_hosts)
        except disk.DiskCopyError as error:
            _log.warning("no snapshot from disk either: %s", error)
            return
        if self.current is None:  # Postgres may have answered meanwhile
            age = max(0.0, time.time() - copy.confirmed_at)
            self._serve(snapshot, time.monotonic() - age)
            _log.warning("serving version %d from disk, %.0f seconds old", snapshot.version, age)

    def _keep_copy(self) -> None:
        """Write a new snapshot down, and an old one anew now and then: its copy must not grow older than it is."""
        due = min(3600.0, self._settings.max_snapshot_age / 24)
        busy = self._write is not None and not self._write.done()
        if not busy and self._encoded is not None and time.monotonic() - self._written > due:
            self._written = time.monotonic()
            self._write = asyncio.create_task(self._write_copy(self._encoded), name="snapshot-copy")

    async def _write_copy(self, encoded: bytes) -> None:
        confirmed_at = time.time() - self.age
        try:
            await asyncio.to_thread(disk.write, self._settings.state_dir, encoded, confirmed_at, self._peppers)
        except OSError as error:
            _log.warning("the snapshot could not be kept on disk: %s", error)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
