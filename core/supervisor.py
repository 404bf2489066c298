"""Runs named child processes: starts them, restarts the ones that die, keeps their output, stops them in order.

The local tenant and `python -m proxy --workers` are built on it. It knows nothing of what its children do, and never
gives one up while it runs itself: a child that keeps dying is tried again at ever longer intervals.
"""

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

_log = logging.getLogger(__name__)

_POSIX = os.name == "posix"
_LOG_CHECK_SECONDS = 5.0
KILL = signal.SIGKILL if _POSIX else signal.SIGTERM


class State(StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"  # started, and not ready yet
    RUNNING = "running"
    BACKOFF = "backoff"  # died, and waits to be started again
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None  # the whole of it; None: ours
    directory: Path | None = None  # where it runs
    log: Path | None = None  # stdout and stderr, appended; None: where ours go
    port: int | None = None  # for the status alone
    prepare: Callable[[], None] | None = None  # before every start, on a thread; an exception is a failed start
    ready: Callable[[int], Awaitable[bool]] | None = None  # asked, with its pid, until it says so; None: once started
    stage: int = 0  # children of a higher stage are stopped before those of a lower one
    stop_signal: int = signal.SIGTERM
    grace: float = 10.0  # seconds between `stop_signal` and SIGKILL
    death_signal: int = KILL  # what it gets when this process dies (Linux)
    user: int | None = None  # run as; None: as we are
    group: int | None = None


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """What is to be said of a child."""

    name: str
    state: State
    pid: int | None
    port: int | None
    restarts: int


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a dead child waits to be started again, in seconds: doubling, up to a limit, reset by a good run."""

    first: float = 0.1
    longest: float = 5.0
    good_run: float = 5.0  # ready for so long

    def delay(self, failures: int) -> float:
        return float(min(self.longest, self.first * 2 ** min(failures - 1, 30)))


class ChildFailed(Exception):
    """A child did not become ready: it ended, took too long, or could not be started."""

    def __init__(self, name: str, reason: str, output: Sequence[str] = ()) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason
        self.output = tuple(output)  # the last lines it wrote since that start


@dataclass(slots=True)
class _Life:
    """What changes about a child."""

    child: Child
    state: State = State.STOPPED
    process: asyncio.subprocess.Process | None = None
    restarts: int = -1  # the first start is none
    log_start: int = 0  # where in the log the last start begins
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    once_ready: asyncio.Future[None] | None = None
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs children until it is told to stop. Use it from one event loop, and from a thread that lasts."""

    def __init__(
        self,
        *,
        backoff: Backoff | None = None,
        on_change: Callable[[], None] | None = None,  # after every change of a state; must not raise
        log_limit: int = 10 * 1024 * 1024,  # bytes of a log, after which it becomes `<log>.1` and starts anew
    ) -> None:
        self._backoff = backoff or Backoff()
        self._on_change = on_change or (lambda: None)
        self._log_limit = log_limit
        self._lives: dict[str, _Life] = {}
        self._rotation: asyncio.Task[None] | None = None

    @property
    def children(self) -> list[ChildStatus]:
        """Every child, in the order in which they were started."""
        return [
            ChildStatus(
                name,
                life.state,
                life.process.pid
                if life.process is not None and life.state in (State.STARTING, State.RUNNING)
                else None,
                life.child.port,
                max(life.restarts, 0),
            )
            for name, life in self._lives.items()
        ]

    async def start(self, child: Child, *, timeout: float = 60.0) -> None:
        """Start a child and wait until it is ready; from then on it is kept running. `timeout`: seconds.

        Raises, with the child stopped, `ChildFailed` when it ends before it was ever ready or is not in time, and what
        asking whether it is ready raises, unless that only says that it cannot be asked yet (`OSError`, `ValueError`).
        """
        if child.name in self._lives and self._lives[child.name].state is not State.STOPPED:
            raise ValueError(f"{child.name} runs already")
        if self._rotation is None:
            self._rotation = asyncio.create_task(self._rotate_logs())
        life = _Life(child, state=State.STARTING)
        life.once_ready = asyncio.get_running_loop().create_future()
        self._lives[child.name] = life
        life.task = asyncio.create_task(self._keep_running(life), name=f"supervise {child.name}")
        try:
            await asyncio.wait_for(asyncio.shield(life.once_ready), timeout)
        except TimeoutError:
            output = _tail(life)
            life.once_ready.cancel()
            await self.stop(child.name)
            raise ChildFailed(child.name, f"was not ready within {timeout:.0f} seconds", output) from None
        except Exception:
            await self.stop(child.name)
            raise

    async def stop(self, name: str) -> None:
        """Stop a child and wait for its end: its stop signal, then SIGKILL when its grace is over."""
        life = self._lives[name]
        if life.task is None:
            return
        life.stopping.set()
        await asyncio.shield(life.task)

    async def stop_all(self) -> None:
        """Stop every child, the highest stage first, those of one stage together."""
        for stage in sorted({life.child.stage for life in self._lives.values()}, reverse=True):
            await asyncio.gather(*(self.stop(name) for name, life in self._lives.items() if life.child.stage == stage))
        if self._rotation is not None:
            self._rotation.cancel()
            self._rotation = None

    async def kill_all(self) -> None:
        """End every child now, with SIGKILL: for someone who does not want to wait any longer."""
        for life in self._lives.values():
            life.stopping.set()
            if life.process is not None and life.process.returncode is None:
                _kill(life.process)
        await self.stop_all()

    # ── One child's life ────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep_running(self, life: _Life) -> None:
        failures = 0
        while not life.stopping.is_set():
            life.restarts += 1
            self._change(life, State.STARTING)
            began = time.monotonic()
            reason = await self._run_once(life)
            if life.stopping.is_set():
                break
            if life.once_ready is not None and not life.once_ready.done():
                # It never worked: whoever started it decides what to do.
                life.once_ready.set_exception(ChildFailed(life.child.name, reason, _tail(life)))
                break
            failures = 1 if time.monotonic() - began >= self._backoff.good_run else failures + 1
            delay = self._backoff.delay(failures)
            _log.warning("%s %s; starting it again in %.1f s", life.child.name, reason, delay)
            self._change(life, State.BACKOFF)
            with suppress(TimeoutError):
                await asyncio.wait_for(life.stopping.wait(), delay)
        life.process = None
        self._change(life, State.STOPPED)
        if life.once_ready is not None and not life.once_ready.done():
            life.once_ready.set_exception(ChildFailed(life.child.name, "was stopped before it was ready"))
            life.once_ready.exception()  # seen: whoever waited for it may have been cancelled

    async def _run_once(self, life: _Life) -> str:
        """From one start to its end; how it ended, as a sentence after the name."""
        child = life.child
        try:
            if child.prepare is not None:
                await asyncio.to_thread(child.prepare)
            if life.stopping.is_set():
                return "was stopped"
            process = life.process = await self._spawn(life)
        except Exception as error:
            # Whatever `prepare` raises: a child that cannot be prepared is tried again like one that died.
            return f"could not be started: {error}"
        self._change(life, State.STARTING)
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(life.stopping.wait())
        readiness = asyncio.create_task(self._await_readiness(life))
        try:
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._end(child, process, ended)
        finally:
            for task in (stopping, readiness):
                task.cancel()
        return _how_it_ended(await ended)

    async def _spawn(self, life: _Life) -> asyncio.subprocess.Process:
        child = life.child
        output: IO[bytes] | None = None
        options: dict[str, Any] = {}
        if _POSIX:
            # A session of its own: Ctrl-C reaches us alone, and we stop children in their order.
            options |= {"start_new_session": True, "preexec_fn": die_with_parent(child.death_signal)}
        if child.user is not None:
            options |= {"user": child.user, "group": child.group, "extra_groups": []}
        try:
            if child.log is not None:
                child.log.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(child.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                output = os.fdopen(descriptor, "ab")
                life.log_start = output.tell()
            return await asyncio.create_subprocess_exec(
                *child.command,
                env=None if child.environment is None else dict(child.environment),
                cwd=child.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                **options,
            )
        finally:
            if output is not None:
                output.close()

    async def _await_readiness(self, life: _Life) -> None:
        if life.child.ready is not None:
            while not await self._is_ready(life):  # noqa: ASYNC110 another process sets no event of ours
                await asyncio.sleep(0.05)
        self._change(life, State.RUNNING)
        if life.once_ready is not None and not life.once_ready.done():
            life.once_ready.set_result(None)

    async def _is_ready(self, life: _Life) -> bool:
        assert life.child.ready is not None
        assert life.process is not None
        try:
            return await life.child.ready(life.process.pid)
        except (OSError, ValueError):  # a refused connection, half an answer
            return False
        except Exception as error:
            if life.once_ready is not None and not life.once_ready.done():
                life.once_ready.set_exception(error)
            _log.debug("asking whether %s is ready failed: %s", life.child.name, error)
            return False

    async def _end(self, child: Child, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(child.stop_signal)
        done, _ = await asyncio.wait((ended,), timeout=child.grace)
        if not done:
            _log.warning("%s did not stop within %.0f seconds; killing it", child.name, child.grace)
            _kill(process)

    def _change(self, life: _Life, state: State) -> None:
        life.state = state
        self._on_change()

    # ── Logs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_CHECK_SECONDS)
            for life in self._lives.values():
                if life.child.log is not None:
                    with suppress(OSError):
                        if rotate(life.child.log, self._log_limit):
                            life.log_start = 0


def rotate(log: Path, limit: int) -> bool:
    """Copy a log of more than `limit` bytes to `<log>.1` and empty it, since its writer keeps it open; whether it did.

    Lines written between the copy and the emptying are lost.
    """
    if log.stat().st_size <= limit:
        return False
    shutil.copy2(log, log.with_name(log.name + ".1"))
    os.truncate(log, 0)
    return True


def die_with_parent(at: int = KILL) -> Callable[[], None] | None:
    """A `preexec_fn` by which the kernel sends a child the signal `at` when its parent dies, however that dies.

    None where the system has no such thing (prctl(2), PR_SET_PDEATHSIG, is Linux's alone). "Parent" is the thread that
    starts the child, so children are started from a thread that lasts. Changing user clears it: `setpriv --pdeathsig`.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # bound before the fork: nothing may be loaded after it
    parent = os.getpid()

    def set_signal() -> None:
        prctl(1, int(at), 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os._exit(127)

    return set_signal


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if _POSIX:
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session: what it started itself goes with it
        else:
            process.kill()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _tail(life: _Life, lines: int = 12) -> list[str]:
    if life.child.log is None:
        return []
    with suppress(OSError), life.child.log.open("rb") as log:
        log.seek(max(life.log_start, log.seek(0, os.SEEK_END) - 8192))
        return [line for line in log.read().decode(errors="replace").splitlines() if line.strip()][-lines:]
    return []
