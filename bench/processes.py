"""Starting the processes of a run: each pinned to its core from its first instruction, none left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from core.supervisor import die_with_parent


class BenchError(Exception):
    """The bench, or one of its subjects, cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where. On two cores all but the subject share the second."""

    subject: int
    loader: int
    upstream: int
    backing: int  # Redis, Postgres, the ledger's writer

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """Raises `BenchError` on a machine with one core."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise BenchError("the bench needs two cores: one for the subject alone, one for what drives it")
        return cls(*(allowed[min(place, len(allowed) - 1)] for place in range(4)))


def spawn(
    command: list[str],
    *,
    core: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    nice: int = 0,
    capture: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start a process on a core; it dies with us. `capture`: its standard output is ours to read, else it is logged."""
    die = die_with_parent()

    def prepare() -> None:
        os.sched_setaffinity(0, {core})
        if nice:
            os.nice(nice)
        if die is not None:
            die()

    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=dict(environment) if environment is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else output,
            stderr=output,
            preexec_fn=prepare,
        )


def stop(process: "subprocess.Popen[bytes]", patience: float = 10.0) -> None:
    """SIGTERM, and SIGKILL after `patience` seconds."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path, what: str) -> None:
    """Wait until a process is ready. Raises `BenchError` with the end of its log where it ends, or after 30 seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if ready():
            return
        time.sleep(0.02)
    tail = " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
    state = "did not become ready in 30 s" if process.poll() is None else f"ended with code {process.returncode}"
    raise BenchError(f"{what} {state}: {tail or 'it said nothing'}")


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
