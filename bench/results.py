"""What a run found, as it is kept in JSON; the tables are made of nothing else.

The fields are documented in README.md. `SCHEMA` rises when a field changes its meaning or goes.
"""

from pathlib import Path
from typing import Literal

import msgspec

from bench.loader import Report

SCHEMA = 1

Measure = Literal["latency", "first_byte", "throughput", "chunks"]
MEASURES: tuple[Measure, ...] = ("latency", "first_byte", "throughput", "chunks")


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how long each measure is taken, of each subject in turn."""

    quick: bool
    latency_rounds: int
    latency_seconds: float
    latency_rate: float = 100.0  # requests/s
    first_byte_rounds: int
    first_byte_seconds: float
    first_byte_rate: float = 20.0  # streams/s
    throughput_rounds: int
    throughput_seconds: float
    throughput_connections: int = 128
    chunks_rounds: int
    chunks_seconds: float
    chunks_streams: int = 500
    chunks_per_stream: int = 100
    warm_up: float


FULL = Schedule(
    quick=False,
    latency_rounds=3,
    latency_seconds=8.0,
    first_byte_rounds=3,
    first_byte_seconds=5.0,
    throughput_rounds=5,
    throughput_seconds=4.0,
    chunks_rounds=2,
    chunks_seconds=5.0,
    warm_up=1.0,
)
QUICK = Schedule(
    quick=True,
    latency_rounds=3,
    latency_seconds=1.0,
    first_byte_rounds=1,
    first_byte_seconds=1.5,
    throughput_rounds=2,
    throughput_seconds=2.0,
    chunks_rounds=1,
    chunks_seconds=2.0,
    warm_up=0.4,
)


class LedgerCheck(msgspec.Struct, frozen=True):
    """Whether the ledger holds every call of one measurement, as it found it when the writer had drained."""

    answered: int  # by the loader's count
    rows: int
    right_rows: int  # status, tokens, their source and the cost are what they must be
    backlog: int  # rows that were not yet written when the loader had its last answer
    drain_seconds: float


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the loader against one subject."""

    measure: Measure
    subject: str
    round: int
    report: Report
    ledger: LedgerCheck | None
    invalid: list[str]  # why it does not count
    noise: list[str]  # what makes it doubtful: other processes or a hypervisor had the cores


class Memory(msgspec.Struct, frozen=True):
    """Resident memory in MiB of a subject's biggest process."""

    idle: float  # ready, before the first request
    loaded: float  # after all measures


class Target(msgspec.Struct, frozen=True):
    """One thing that the gateway must reach."""

    name: str
    limit: float
    at_least: bool  # else at most
    unit: str
    value: float | None
    verdict: Literal["pass", "missed", "invalid", "not measured"]
    why: str  # of all but pass; empty where there is nothing to add


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    schema: int
    at: str  # UTC, ISO 8601
    commit: str
    uncommitted: bool  # the tree was not that commit
    machine: dict[str, str]
    versions: dict[str, str]  # subject → version
    schedule: Schedule
    subjects: list[str]  # measured, in the order of their turns
    missing: dict[str, str]  # subject → why it was not measured
    measurements: list[Measurement]
    memory: dict[str, Memory]
    targets: list[Target]


def write(result: Result, path: Path) -> None:
    """Keep it as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def read(path: Path) -> Result:
    """Raises `OSError`, `msgspec.DecodeError`, and `ValueError` for another schema."""
    data = path.read_bytes()
    found = msgspec.json.decode(data).get("schema")
    if found != SCHEMA:
        raise ValueError(f"{path} has schema {found}, this bench reads {SCHEMA}")
    return msgspec.json.decode(data, type=Result)
