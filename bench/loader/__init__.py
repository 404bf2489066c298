"""The load generator: `python -m bench.loader` reads an `Order` as JSON on standard input and prints a `Report`.

It runs as a process of its own on its own core, takes every latency from the moment a request was due, and looks at
every byte of every body. It never retries: what went wrong is counted.
"""

from typing import Literal

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement."""

    host: str
    port: int
    path: str = "/v1/chat/completions"
    key: str = "adu_bench"
    mode: Literal["open", "closed"]
    connections: int  # open: the most that may be in flight; closed: always in flight
    rate: float = 0.0  # requests a second, open loop
    seconds: float  # of the window that counts
    warm_up: float = 0.0  # seconds before it
    patience: float = 20.0  # seconds after it for what is still in flight
    chunks: int = 0  # events of a stream; 0: whole answers
    pace_ms: int = 0
    credit_port: int | None = None  # the upstream's own port, where pace is by credit
    subject_pids: list[int] = []
    upstream_pids: list[int] = []
    backing_pids: list[int] = []  # what works for the subject on other cores
    subject_core: int = 0
    loader_core: int = 1


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds, by nearest rank; None where nothing was measured."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    count: int


class Core(msgspec.Struct, frozen=True):
    """How one core spent the window, as shares of it."""

    busy: float
    idle: float
    steal: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an `Order`. Counts are of the whole run, warm-up included, where they do not say `window`."""

    sent: int
    answered: int  # rightly and in full
    wrong: int  # answered, but not what was expected
    broken: int  # the connection ended before the answer did
    unanswered: int  # in flight, or not even sent, when patience ended
    window_seconds: float
    window_answered: int
    window_chunks: int
    window_reads: int  # pieces in which they came
    latency: Percentiles  # to the end of the answer, from when it was due
    first_byte: Percentiles  # to the first byte of the body, from when it was due
    lag: Percentiles  # of the loader itself: from when a request was due to when it was written
    subject_cpu_seconds: float  # in the window
    upstream_cpu_seconds: float
    backing_cpu_seconds: float
    loader_cpu_seconds: float
    subject_core: Core
    loader_core: Core
    complaints: list[str]  # the first few things that went wrong


def percentiles(seconds: list[float]) -> Percentiles:
    """Of latencies in seconds, as milliseconds."""
    ranked = sorted(seconds)
    if not ranked:
        return Percentiles(None, None, None, None, 0)

    def rank(share: float) -> float:
        return 1000 * ranked[max(0, -(-int(share * len(ranked) * 1_000_000) // 1_000_000) - 1)]

    return Percentiles(rank(0.50), rank(0.95), rank(0.99), 1000 * ranked[-1], len(ranked))
