"""One run of Terraform's program: in a process group of its own, stopped gently, and never with a lock left behind if that
can be helped.

What it says goes to a file and is read from there. So it does not die of a broken pipe where this process is killed: it
finishes, writes its state, and gives its lock back.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deployer.engines.cancellation import Cancellation
from deployer.engines.errors import EngineError

_LOOK_EVERY = 0.05  # seconds
_HARD_STOP_WITHIN = 20.0  # seconds between the second wish to stop and the end of the process
_LONGEST_LINE = 16 * 1024 * 1024  # bytes

OnLine = Callable[[bytes], None]
OnStop = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class Captured:
    """What a short run answered."""

    code: int
    stdout: bytes
    stderr: bytes


def follow(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    log: Path,
    on_line: OnLine,
    cancellation: Cancellation,
    on_stop: OnStop,
) -> int:
    """Run it, hand on every line that it says as it says it, and return its exit code.

    The first wish to stop interrupts it, so that it finishes what it is at; the second makes it leave at once, and what
    has not left after a while is killed. `on_stop` is told of each, with whether it is the hard one.
    """
    with _private(log) as output, log.open("rb") as reader:
        process = _start(command, directory, environment, stdout=output, stderr=subprocess.STDOUT)
        lines = _Lines(reader, on_line)
        stopper = _Stopper(process, cancellation, on_stop)
        try:
            while process.poll() is None:
                stopper.look()
                if not lines.read():
                    time.sleep(_LOOK_EVERY)
            lines.read(to_the_end=True)
        finally:
            _end(process)
    return process.returncode


def capture(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    cancellation: Cancellation,
) -> Captured:
    """Run it and return what it answered, which touches no disk."""
    process = _start(command, directory, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stopper = _Stopper(process, cancellation, lambda _hard: None)
    try:
        while True:
            try:
                stdout, stderr = process.communicate(timeout=_LOOK_EVERY)
                return Captured(process.returncode, stdout, stderr)
            except subprocess.TimeoutExpired:
                stopper.look()
    finally:
        _end(process)


class _Lines:
    """Whole lines of a file that grows."""

    def __init__(self, reader: IO[bytes], on_line: OnLine) -> None:
        self._reader = reader
        self._on_line = on_line
        self._rest = b""

    def read(self, *, to_the_end: bool = False) -> bool:
        """Hand on what has come since; whether anything has."""
        fresh = self._reader.read()
        *whole, self._rest = (self._rest + fresh).split(b"\n")
        if to_the_end or len(self._rest) > _LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            if line.strip():
                self._on_line(line)
        return bool(fresh)


class _Stopper:
    """Passes wishes to stop on to the process."""

    def __init__(self, process: subprocess.Popen[bytes], cancellation: Cancellation, on_stop: OnStop) -> None:
        self._process = process
        self._cancellation = cancellation
        self._on_stop = on_stop
        self._passed_on = 0
        self._kill_at = float("inf")

    def look(self) -> None:
        """Pass on what is new."""
        while self._passed_on < min(self._cancellation.times, 3):
            self._passed_on += 1
            if self._passed_on == 3:
                self._kill_at = 0.0
                break
            if self._passed_on == 2:
                self._kill_at = time.monotonic() + _HARD_STOP_WITHIN
            _interrupt(self._process)
            self._on_stop(self._passed_on == 2)
        if time.monotonic() >= self._kill_at:
            _kill(self._process)


def _start(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    *,
    stdout: int | IO[bytes],
    stderr: int,
) -> subprocess.Popen[bytes]:
    try:
        if sys.platform == "win32":
            return subprocess.Popen(
                command,
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
            )
        return subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # the terminal's Ctrl-C is ours to pass on, once
            umask=0o077,  # plans and states hold what providers call sensitive
        )
    except OSError as error:
        raise EngineError(
            f"{command[0]} could not be started", error.strerror or "", "See that it may be run.", "terraform_broken"
        ) from None


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    # Its providers are in the same group and are not to hear it: Terraform tells them what to finish.
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.send_signal(signal.SIGINT)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    elif process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing running where this process fails."""
    if process.poll() is None:
        _interrupt(process)
        try:
            process.wait(_HARD_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
