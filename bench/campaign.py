"""A whole run: starts the upstream and the subjects, measures them in turn, checks the ledger after each turn."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench import machine
from bench.figures import DIRECT, busy_share
from bench.loader import Order, Report
from bench.processes import BenchError, Cores, spawn, stop
from bench.results import LedgerCheck, Measure, Measurement, Memory, Schedule
from bench.subjects import Ledger, Site, Subject, SubjectMissing
from bench.traffic import CREDIT
from bench.validity import noise, why_invalid

_DRAIN_PATIENCE = 15.0  # seconds without a new row before the ledger is taken as it is
_MIB = 1024 * 1024

Say = Callable[[str], None]


class Campaign:
    """The subjects, running, each waiting for its turn."""

    def __init__(self, site: Site, schedule: Schedule, upstream_pid: int, say: Say) -> None:
        self._site = site
        self._schedule = schedule
        self._upstream_pid = upstream_pid
        self._say = say
        self._idle: dict[str, float] = {}
        self.subjects: list[Subject] = []
        self.missing: dict[str, str] = {}
        self.measurements: list[Measurement] = []

    def add(self, subject: Subject) -> None:
        """Start a subject; one whose program is missing is left out. Raises `BenchError`."""
        try:
            subject.start(self._site)
        except SubjectMissing as error:
            self.missing[subject.name] = str(error)
            self._say(str(error))
            return
        except BaseException:
            subject.stop()
            raise
        self.subjects.append(subject)
        self._idle[subject.name] = _resident_mib(subject)

    def measure(self, measure: Measure) -> None:
        """Take one measure: every subject once a round, in turn."""
        rounds: int = getattr(self._schedule, f"{measure}_rounds")
        for number in range(1, rounds + 1):
            for subject in self.subjects:
                if subject.name == DIRECT and measure in ("throughput", "chunks") and number > 1:
                    continue  # what the harness itself can do: good to know, and known after one round
                taken = self._take(measure, subject, number)
                self.measurements.append(taken)
                self._say(f"{measure} {number}/{rounds} {subject.name}: {_in_short(taken)}")

    def memory(self) -> dict[str, Memory]:
        """Resident memory of each, before and after."""
        return {
            subject.name: Memory(self._idle[subject.name], _resident_mib(subject))
            for subject in self.subjects
            if subject.pids
        }

    def stop(self) -> None:
        for subject in self.subjects:
            subject.stop()

    def _take(self, measure: Measure, subject: Subject, number: int) -> Measurement:
        ledger = subject.ledger
        before = (ledger.total(), ledger.right()) if ledger is not None else (0, 0)
        report = self._load(self._order(measure, subject))
        check = None
        if ledger is not None:
            check = check_ledger(ledger, before, report.answered)
        cores = self._site.cores
        return Measurement(
            measure=measure,
            subject=subject.name,
            round=number,
            report=report,
            ledger=check,
            invalid=why_invalid(measure, subject.name, report, check),
            noise=noise(report, shared_cores=cores.loader == cores.upstream == cores.backing),
        )

    def _order(self, measure: Measure, subject: Subject) -> Order:
        schedule, cores = self._schedule, self._site.cores
        seconds: float = getattr(schedule, f"{measure}_seconds")
        base = Order(
            host="127.0.0.1",
            port=subject.port,
            key=subject.key,
            mode="closed",
            connections=schedule.throughput_connections,
            seconds=seconds,
            warm_up=schedule.warm_up,
            subject_pids=subject.pids,
            upstream_pids=[self._upstream_pid],
            backing_pids=subject.backing_pids,
            subject_core=cores.subject,
            loader_core=cores.loader,
        )
        replace = msgspec.structs.replace
        if measure == "throughput":
            return base
        if measure == "latency":
            return replace(base, mode="open", rate=schedule.latency_rate, connections=32)
        if measure == "first_byte":
            rate = schedule.first_byte_rate
            return replace(base, mode="open", port=subject.stream_port, rate=rate, connections=32, chunks=20, pace_ms=5)
        return replace(
            base,
            port=subject.stream_port,
            connections=schedule.chunks_streams,
            chunks=schedule.chunks_per_stream,
            pace_ms=CREDIT,
            credit_port=self._site.upstream_port,
        )

    def _load(self, order: Order) -> Report:
        core = self._site.cores.loader
        done = subprocess.run(
            [sys.executable, "-m", "bench.loader"],
            input=msgspec.json.encode(order),
            capture_output=True,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise BenchError(f"the loader could not do its work: {said[-1] if said else done.returncode}")
        return msgspec.json.decode(done.stdout, type=Report)


@contextmanager
def open_campaign(directory: Path, schedule: Schedule, say: Say) -> Iterator[Campaign]:
    """Start the fake upstream; stop it and all subjects at the end. Raises `BenchError`."""
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, {cores.backing})  # the bench itself, and what inherits from it
    log = directory / "upstream.log"
    upstream = spawn([sys.executable, "-m", "bench.upstream"], core=cores.upstream, log=log, capture=True)
    try:
        assert upstream.stdout is not None
        port = upstream.stdout.readline().strip()
        if not port:
            raise BenchError(f"the fake upstream did not start: {log.read_text(errors='replace').strip()[-300:]}")
        campaign = Campaign(Site(directory, cores, int(port)), schedule, upstream.pid, say)
        try:
            yield campaign
        finally:
            campaign.stop()
    finally:
        stop(upstream)


def check_ledger(
    ledger: Ledger, before: tuple[int, int], answered: int, patience: float = _DRAIN_PATIENCE
) -> LedgerCheck:
    """Wait until the ledger holds what was answered, or has not grown for `patience` seconds.

    `before`: its rows, and the right ones, when the measurement began.
    """
    total, right = before
    begun = grown = time.monotonic()
    rows = ledger.total() - total
    backlog = answered - rows
    while rows < answered and time.monotonic() - grown < patience:
        time.sleep(0.05)
        found = ledger.total() - total
        if found > rows:
            rows, grown = found, time.monotonic()
    return LedgerCheck(answered, rows, ledger.right() - right, backlog, time.monotonic() - begun)


def _resident_mib(subject: Subject) -> float:
    return max((machine.resident_bytes(pid) for pid in subject.pids), default=0) / _MIB


def _in_short(taken: Measurement) -> str:
    report = taken.report
    if taken.measure == "latency":
        said = f"P50 {report.latency.p50 or 0:.2f} ms, P95 {report.latency.p95 or 0:.2f} ms"
    elif taken.measure == "first_byte":
        said = f"P50 {report.first_byte.p50 or 0:.2f} ms, P95 {report.first_byte.p95 or 0:.2f} ms"
    else:
        done, what = (report.window_answered, "requests")
        if taken.measure == "chunks":
            done, what = (report.window_chunks, "chunks")
        said = f"{done / report.window_seconds:,.0f} {what}/s"
        if report.subject_cpu_seconds and done:
            each = 1e6 * report.subject_cpu_seconds / done
            said += f", {each:.0f} µs CPU each, core {busy_share(report):.0%} its own"
    if taken.invalid:
        said += f" (invalid: {'; '.join(taken.invalid)})"
    elif taken.noise:
        said += f" (noise: {'; '.join(taken.noise)})"
    return said
