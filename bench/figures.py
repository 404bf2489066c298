"""The figures that a result's measurements come to, and whether the gateway reaches what it must.

A latency is the median over the rounds of what a subject adds to `direct` in the same round; a throughput is the best
and the median of the rounds that count.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

import msgspec

from bench.loader import Percentiles, Report
from bench.results import Measure, Measurement, Memory, Target

GATEWAY = "aduana"
UNLIMITED = "aduana-unlimited"  # the gateway with neither limits nor a budget
DIRECT = "direct"
NGINX = "nginx"


@dataclass(frozen=True, slots=True)
class Added:
    """Milliseconds, medians over the rounds: as measured, and over `direct` of the same round."""

    p50: float
    p95: float
    p99: float
    added_p50: float | None  # None where `direct` was not measured
    added_p95: float | None
    added_p99: float | None
    rounds: int
    invalid: tuple[str, ...]
    noisy_rounds: int  # in which something else had a core


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests or chunks a second at saturation."""

    best: float  # of the rounds that count, of all where none does
    median: float
    cpu_us: float | None  # of the subject, for each; of the best round
    busy: float | None  # share of the subject's core that was the subject's own, in the best round
    valid_rounds: int
    rounds: int
    invalid: tuple[str, ...]  # why rounds do not count

    @property
    def counts(self) -> bool:
        return self.valid_rounds > 0


def added(measurements: Iterable[Measurement], measure: Measure, subject: str) -> Added | None:
    """What a subject adds to a latency: `latency` (to the end of the answer) or `first_byte`. None: not measured."""
    mine = _by_round(measurements, measure, subject)
    direct = _by_round(measurements, measure, DIRECT)
    if not mine:
        return None

    def values(rank: Callable[[Percentiles], float | None], over_direct: bool) -> float | None:
        found = []
        for number, measurement in mine.items():
            value = rank(_percentiles(measurement))
            if over_direct:
                base = rank(_percentiles(direct[number])) if number in direct else None
                value = value - base if value is not None and base is not None else None
            if value is not None:
                found.append(value)
        return median(found) if found else None

    return Added(
        p50=values(_p50, False) or float("nan"),
        p95=values(_p95, False) or float("nan"),
        p99=values(_p99, False) or float("nan"),
        added_p50=values(_p50, True),
        added_p95=values(_p95, True),
        added_p99=values(_p99, True),
        rounds=len(mine),
        invalid=_reasons([*mine.values(), *direct.values()]),
        noisy_rounds=sum(bool(m.noise or (n in direct and direct[n].noise)) for n, m in mine.items()),
    )


def rate(measurements: Iterable[Measurement], measure: Measure, subject: str) -> Rate | None:
    """`throughput` (requests/s) or `chunks` (chunks/s) of a subject. None: not measured."""
    mine = list(_by_round(measurements, measure, subject).values())
    if not mine:
        return None
    valid = [measurement for measurement in mine if not measurement.invalid]
    counted = valid or mine
    best = max(counted, key=_per_second)
    done = _done(best)
    alone = subject == DIRECT
    return Rate(
        best=_per_second(best),
        median=median(_per_second(measurement) for measurement in counted),
        cpu_us=None if alone or not done else 1e6 * best.report.subject_cpu_seconds / done,
        busy=None if alone else busy_share(best.report),
        valid_rounds=len(valid),
        rounds=len(mine),
        invalid=_reasons(mine),
    )


def busy_share(report: Report) -> float:
    """Share of the window in which the subject's core ran the subject."""
    return report.subject_cpu_seconds / report.window_seconds


def broken_streams(measurements: Iterable[Measurement], subject: str) -> int:
    """Streams over all rounds that did not end as they must."""
    reports = [m.report for m in _by_round(measurements, "chunks", subject).values()]
    return sum(report.wrong + report.broken + report.unanswered for report in reports)


def targets(measurements: list[Measurement], memory: dict[str, Memory], missing: dict[str, str]) -> list[Target]:
    """What the gateway must reach, and whether it does: with limits and a budget on, and without."""
    latency, plain = (added(measurements, "latency", subject) for subject in (GATEWAY, UNLIMITED))
    first_byte = added(measurements, "first_byte", GATEWAY)
    chunks = rate(measurements, "chunks", GATEWAY)
    held = memory.get(GATEWAY)
    return [
        _ratio_target("requests/s on one core, of nginx's", 0.12, GATEWAY, measurements, missing),
        _latency_target("added at P50, 100 requests/s", 1.2, latency, latency.added_p50 if latency else None),
        _latency_target("added at P95, 100 requests/s", 2.5, latency, latency.added_p95 if latency else None),
        _ratio_target("the same without limits, of nginx's", 0.15, UNLIMITED, measurements, missing),
        _latency_target("added at P50 without limits", 1.0, plain, plain.added_p50 if plain else None),
        _latency_target("added at P95 without limits", 2.0, plain, plain.added_p95 if plain else None),
        _latency_target(
            "added to a stream's first byte at P50", 1.5, first_byte, first_byte.added_p50 if first_byte else None
        ),
        _rate_target("chunks/s over the concurrent streams", 15_000, chunks),
        _judged("resident memory after load", 120, False, "MB", held.loaded * 1.048576 if held else None, ()),
    ]


def _ratio_target(
    name: str, limit: float, subject: str, measurements: list[Measurement], missing: dict[str, str]
) -> Target:
    """The median, over the rounds, of the gateway's requests/s to nginx's in the same round.

    nginx is cheaper than the harness that asks it, and so its core may idle. It is given what its CPU time per request
    would make of a whole core: that can only lower the ratio.
    """
    ours, theirs = (_by_round(measurements, "throughput", each) for each in (subject, NGINX))
    pairs = [(ours[number], theirs[number]) for number in ours.keys() & theirs.keys()]
    if not pairs:
        return Target(name, limit, True, "×", None, "not measured", missing.get(NGINX, ""))
    counted = [(mine, other) for mine, other in pairs if not mine.invalid and not _failed(other)]
    reasons = () if counted else _reasons([measurement for pair in pairs for measurement in pair])
    ratio = median(_per_second(mine) / _on_a_whole_core(other) for mine, other in counted or pairs)
    return _judged(name, limit, True, "×", ratio, reasons)


def _failed(measurement: Measurement) -> bool:
    report = measurement.report
    return report.wrong + report.broken + report.unanswered > 0


def _on_a_whole_core(measurement: Measurement) -> float:
    return max(_per_second(measurement), _done(measurement) / measurement.report.subject_cpu_seconds)


def _latency_target(name: str, limit: float, figure: Added | None, value: float | None) -> Target:
    judged = _judged(name, limit, False, "ms", value, figure.invalid if figure is not None else ())
    if figure is None or judged.verdict != "missed" or not figure.noisy_rounds:
        return judged
    why = f"the machine was not quiet in {figure.noisy_rounds} of {figure.rounds} rounds: measure again when it is"
    return msgspec.structs.replace(judged, why=why)


def _rate_target(name: str, limit: float, figure: Rate | None) -> Target:
    if figure is None:
        return _judged(name, limit, True, "chunks/s", None, ())
    return _judged(name, limit, True, "chunks/s", figure.best, () if figure.counts else figure.invalid)


def _judged(
    name: str, limit: float, at_least: bool, unit: str, value: float | None, invalid: tuple[str, ...]
) -> Target:
    if value is None:
        return Target(name, limit, at_least, unit, None, "not measured", "")
    if invalid:
        return Target(name, limit, at_least, unit, value, "invalid", "; ".join(invalid))
    reached = value >= limit if at_least else value <= limit
    return Target(name, limit, at_least, unit, value, "pass" if reached else "missed", "")


def _p50(found: Percentiles) -> float | None:
    return found.p50


def _p95(found: Percentiles) -> float | None:
    return found.p95


def _p99(found: Percentiles) -> float | None:
    return found.p99


def _percentiles(measurement: Measurement) -> Percentiles:
    report = measurement.report
    return report.first_byte if measurement.measure == "first_byte" else report.latency


def _done(measurement: Measurement) -> int:
    report = measurement.report
    return report.window_chunks if measurement.measure == "chunks" else report.window_answered


def _per_second(measurement: Measurement) -> float:
    return _done(measurement) / measurement.report.window_seconds


def _by_round(measurements: Iterable[Measurement], measure: Measure, subject: str) -> dict[int, Measurement]:
    return {m.round: m for m in measurements if m.measure == measure and m.subject == subject}


def _reasons(measurements: list[Measurement]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason for measurement in measurements for reason in measurement.invalid))
