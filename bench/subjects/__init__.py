"""What is measured: the gateway, and what it is held against in the same run.

Every subject stands before the same fake upstream, alone on its core, and is asked by the same loader for the same
bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.processes import BenchError, Cores

__all__ = ["BenchError", "Ledger", "Site", "Subject", "SubjectMissing"]


class SubjectMissing(BenchError):
    """A subject's program is not on this machine; the run goes on without it."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a run takes place."""

    directory: Path  # for configuration, data and logs; removed afterwards
    cores: Cores
    upstream_port: int


class Ledger(Protocol):
    """The book that a subject keeps of its calls."""

    def total(self) -> int:
        """Calls in it."""
        ...

    def right(self) -> int:
        """Those whose every column that the bench knows is right: status, tokens, how they are known, a cost."""
        ...


class Subject(Protocol):
    """One of those that are measured."""

    @property
    def name(self) -> str: ...

    @property
    def port(self) -> int:
        """Where it answers whole answers."""
        ...

    @property
    def stream_port(self) -> int:
        """Where it answers streams."""
        ...

    @property
    def key(self) -> str:
        """What callers show."""
        ...

    @property
    def pids(self) -> list[int]:
        """The processes on the subject's core; with their children they are its CPU time and memory."""
        ...

    @property
    def backing_pids(self) -> list[int]:
        """What works for it on the other core."""
        ...

    @property
    def ledger(self) -> Ledger | None: ...

    @property
    def version(self) -> str: ...

    def start(self, site: Site) -> None:
        """Start it and wait until it is ready. Raises `BenchError`, `SubjectMissing`."""
        ...

    def stop(self) -> None: ...
