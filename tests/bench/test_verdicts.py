"""What counts, what does not and why, and what the gateway must reach."""

import io
import re

import msgspec
import pytest
from rich.console import Console

from bench import report, results
from bench.__main__ import main
from bench.campaign import check_ledger
from bench.figures import added, rate, targets
from bench.loader import Core, Percentiles, Report
from bench.results import QUICK, SCHEMA, LedgerCheck, Measurement, Memory, Result
from bench.validity import noise, why_invalid

NOTHING = Percentiles(None, None, None, None, 0)


def a_report(**changes) -> Report:
    """Ten seconds without a fault, the subject's core its own."""
    usual = {
        "sent": 50_000,
        "answered": 50_000,
        "wrong": 0,
        "broken": 0,
        "unanswered": 0,
        "window_seconds": 10.0,
        "window_answered": 45_000,
        "window_chunks": 0,
        "window_reads": 0,
        "latency": NOTHING,
        "first_byte": NOTHING,
        "lag": NOTHING,
        "subject_cpu_seconds": 9.9,
        "upstream_cpu_seconds": 1.0,
        "backing_cpu_seconds": 1.0,
        "loader_cpu_seconds": 1.0,
        "subject_core": Core(0.99, 0.01, 0.0),
        "loader_core": Core(0.3, 0.7, 0.0),
        "complaints": [],
    }
    return Report(**{**usual, **changes})


def measured(measure, subject, number=1, *, invalid=(), **changes) -> Measurement:
    return Measurement(
        measure=measure,
        subject=subject,
        round=number,
        report=a_report(**changes),
        ledger=None,
        invalid=list(invalid),
        noise=[],
    )


def at(p50, p95=None):
    return Percentiles(p50, p95 or p50, p95 or p50, p50, 100)


ALL_THERE = LedgerCheck(50_000, 50_000, 50_000, 12, 0.1)


@pytest.mark.parametrize(
    ("measure", "subject", "changes", "ledger", "reason"),
    [
        ("throughput", "aduana", {}, ALL_THERE, None),
        ("throughput", "nginx", {}, None, None),
        ("throughput", "aduana", {"subject_cpu_seconds": 9.4}, ALL_THERE, "only 94% the subject's"),
        ("chunks", "aduana", {"subject_cpu_seconds": 9.4}, ALL_THERE, "only 94% the subject's"),
        ("latency", "aduana", {"subject_cpu_seconds": 0.4}, ALL_THERE, None),  # idle by intention
        ("throughput", "direct", {"subject_cpu_seconds": 0.0}, None, None),  # has no core of its own
        ("throughput", "nginx", {"wrong": 1, "complaints": ["status 502"]}, None, "1 answers were wrong.*status 502"),
        ("latency", "aduana", {"broken": 2}, ALL_THERE, "2 broke off"),
        ("chunks", "aduana", {"unanswered": 3}, ALL_THERE, "3 never came"),
        ("throughput", "aduana", {}, LedgerCheck(50_000, 49_999, 49_999, 1, 15.0), "holds 49,999 of 50,000 calls"),
        ("throughput", "aduana", {}, LedgerCheck(50_000, 50_001, 50_001, -1, 0.0), "holds 50,001 of 50,000 calls"),
        ("latency", "aduana", {}, LedgerCheck(50_000, 50_000, 49_990, 0, 0.0), "49,990 of them rightly"),
    ],
)
def test_a_measurement_counts_only_when_nothing_was_wrong_the_core_was_busy_and_the_ledger_is_whole(
    measure, subject, changes, ledger, reason
):
    found = why_invalid(measure, subject, a_report(**changes), ledger)
    if reason is None:
        assert found == []
    else:
        assert len(found) == 1
        assert re.search(reason, found[0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        (
            {"subject_core": Core(0.99, 0.01, 0.0), "subject_cpu_seconds": 8.0},
            "other processes had 19% of the subject's",
        ),
        ({"subject_core": Core(0.9, 0.0, 0.1), "subject_cpu_seconds": 9.0}, "hypervisor took 10% of the subject's"),
        ({"loader_core": Core(0.3, 0.6, 0.1)}, "hypervisor took 10% of the loader's"),
        ({"loader_core": Core(0.8, 0.2, 0.0)}, "other processes had 50% of the loader's"),
    ],
)
def test_what_else_had_the_cores_is_said(changes, said):
    found = noise(a_report(**changes), shared_cores=True)
    assert (found == []) if said is None else (len(found) == 1 and said in found[0])


class FillingLedger:
    """A ledger whose writer is behind: it has some rows more each time it is asked."""

    def __init__(self, rows, more, until):
        self.rows, self.more, self.until = rows, more, until

    def total(self):
        found, self.rows = self.rows, min(self.rows + self.more, self.until)
        return found

    def right(self):
        return self.rows - 1


def test_the_ledger_is_taken_when_the_writer_has_drained_and_less_what_was_there_before():
    found = check_ledger(FillingLedger(130, 40, 200), (100, 100), 100)
    assert (found.answered, found.rows, found.right_rows, found.backlog) == (100, 100, 99, 70)


def test_a_ledger_that_grows_no_more_is_taken_as_it_is():
    found = check_ledger(FillingLedger(130, 10, 150), (100, 100), 100, patience=0.2)
    assert (found.answered, found.rows) == (100, 50)
    assert why_invalid("latency", "aduana", a_report(), found) == [
        "the ledger holds 50 of 100 calls, 49 of them rightly"
    ]


def test_what_is_added_is_the_median_of_the_differences_to_direct_in_the_same_round():
    taken = [
        measured("latency", "direct", 1, latency=at(1.0)),
        measured("latency", "direct", 2, latency=at(5.0)),  # the machine was slow for both in this round
        measured("latency", "direct", 3, latency=at(1.0)),
        measured("latency", "aduana", 1, latency=at(1.5)),
        measured("latency", "aduana", 2, latency=at(5.4)),
        measured("latency", "aduana", 3, latency=at(1.7)),
    ]
    figure = added(taken, "latency", "aduana")
    assert figure is not None
    assert figure.p50 == pytest.approx(1.7)
    assert figure.added_p50 == pytest.approx(0.5)
    assert figure.rounds == 3


def test_a_rate_is_of_the_rounds_that_count_alone():
    taken = [
        measured("throughput", "nginx", 1, window_answered=90_000, invalid=["an answer was wrong"]),
        measured("throughput", "nginx", 2, window_answered=50_000),
        measured("throughput", "nginx", 3, window_answered=40_000),
    ]
    figure = rate(taken, "throughput", "nginx")
    assert figure is not None
    assert (figure.best, figure.median, figure.valid_rounds, figure.rounds) == (5000, 4500, 2, 3)
    assert figure.cpu_us == pytest.approx(198)
    assert not rate(taken[:1], "throughput", "nginx").counts


RATIO = "requests/s on one core, of nginx's"


def verdicts(measurements, memory=None, missing=None):
    return {target.name: target.verdict for target in targets(measurements, memory or {}, missing or {})}


def the_good_run():
    taken = [measured("throughput", "nginx", window_answered=270_000), measured("throughput", "aduana")]
    taken += [measured("latency", "direct", latency=at(0.3, 0.4)), measured("latency", "aduana", latency=at(1.4, 2.8))]
    taken += [
        measured("first_byte", "direct", first_byte=at(0.3)),
        measured("first_byte", "aduana", first_byte=at(1.7)),
    ]
    taken += [measured("chunks", "aduana", window_chunks=160_000), measured("throughput", "aduana-unlimited")]
    return [*taken, measured("latency", "aduana-unlimited", latency=at(1.2, 2.3))]


def test_a_run_that_reaches_everything_passes_everything():
    assert set(verdicts(the_good_run(), {"aduana": Memory(80, 110)}).values()) == {"pass"}


@pytest.mark.parametrize(
    ("place", "worse", "name"),
    [
        (1, measured("throughput", "aduana", window_answered=32_000), "requests/s on one core, of nginx's"),
        (3, measured("latency", "aduana", latency=at(1.6, 2.8)), "added at P50, 100 requests/s"),
        (3, measured("latency", "aduana", latency=at(1.4, 3.0)), "added at P95, 100 requests/s"),
        (5, measured("first_byte", "aduana", first_byte=at(1.9)), "added to a stream's first byte at P50"),
        (6, measured("chunks", "aduana", window_chunks=149_000), "chunks/s over the concurrent streams"),
        (7, measured("throughput", "aduana-unlimited", window_answered=40_000), "the same without limits, of nginx's"),
        (8, measured("latency", "aduana-unlimited", latency=at(1.4, 2.3)), "added at P50 without limits"),
        (8, measured("latency", "aduana-unlimited", latency=at(1.2, 2.5)), "added at P95 without limits"),
    ],
)
def test_a_figure_beyond_its_limit_is_missed_and_no_other(place, worse, name):
    taken = the_good_run()
    taken[place] = worse
    found = verdicts(taken, {"aduana": Memory(80, 110)})
    assert [target for target, verdict in found.items() if verdict != "pass"] == [name]
    assert found[name] == "missed"


def test_memory_is_held_to_120_million_bytes():
    assert verdicts([], {"aduana": Memory(80, 115)})["resident memory after load"] == "missed"  # 115 MiB are 120.6 MB


def test_a_figure_that_does_not_count_neither_passes_nor_is_missed():
    for place, subject, wrong in ((0, "nginx", 1), (1, "aduana", 0)):
        taken = the_good_run()
        taken[place] = measured("throughput", subject, invalid=["the reason"], window_answered=10_000, wrong=wrong)
        (target,) = (target for target in targets(taken, {}, {}) if target.name == RATIO)
        assert (target.verdict, target.why) == ("invalid", "the reason")


def test_an_nginx_that_the_harness_does_not_fill_is_given_a_whole_core():
    taken = the_good_run()
    idle = {"window_answered": 150_000, "subject_cpu_seconds": 5.0}  # 15,000/s on half a core
    taken[0] = measured("throughput", "nginx", invalid=["only 50% the subject's"], **idle)
    taken[1] = measured("throughput", "aduana", window_answered=36_000)
    (target,) = (each for each in targets(taken, {}, {}) if each.name == RATIO)
    assert (target.verdict, round(target.value, 6)) == ("pass", 0.12)


def test_the_ratio_to_nginx_is_taken_round_by_round():
    """The machine's speed drifts: what was measured in the same minutes is compared."""
    taken = []
    for number, speed in enumerate((1.0, 0.5, 2.0)):
        taken.append(
            measured("throughput", "nginx", number, window_answered=int(300_000 * speed), subject_cpu_seconds=10.0)
        )
        taken.append(measured("throughput", "aduana", number, window_answered=int(48_000 * speed)))
    (target,) = (each for each in targets(taken, {}, {}) if each.name == RATIO)
    assert round(target.value, 6) == 0.16


def test_a_latency_missed_on_a_machine_that_was_not_quiet_says_so():
    taken = the_good_run()
    taken[3] = msgspec.structs.replace(measured("latency", "aduana", latency=at(9.0)), noise=["others had 50%"])
    target = targets(taken, {}, {})[1]
    assert target.verdict == "missed"
    assert "not quiet in 1 of 1 rounds" in target.why


def test_without_nginx_the_ratio_is_not_measured_and_says_why():
    taken = the_good_run()[1:]
    (target,) = (each for each in targets(taken, {}, {"nginx": "nginx is not installed"}) if each.name == RATIO)
    assert (target.verdict, target.value, target.why) == ("not measured", None, "nginx is not installed")


def a_result() -> Result:
    taken = the_good_run()
    taken[1] = msgspec.structs.replace(
        taken[1], ledger=ALL_THERE, noise=["other processes had 9% of the subject's core"]
    )
    memory = {"nginx": Memory(5, 9), "aduana": Memory(80, 110)}
    return Result(
        schema=SCHEMA,
        at="2026-11-22T20:00:00+00:00",
        commit="0123456789ab",
        uncommitted=False,
        machine={"cpu": "a CPU", "cores": "2", "memory_mib": "4096", "kernel": "6.1", "python": "3.11"},
        versions={"direct": "", "nginx": "1.22.1", "aduana": "0.1.0"},
        schedule=QUICK,
        subjects=["direct", "nginx", "aduana"],
        missing={"fastapi-aiohttp": "it was forgotten"},
        measurements=taken,
        memory=memory,
        targets=targets(taken, memory, {}),
    )


def test_a_result_is_read_as_it_was_written_and_shown_with_its_doubts(tmp_path):
    path = tmp_path / "results" / "one.json"
    results.write(a_result(), path)
    assert results.read(path) == a_result()
    out = io.StringIO()
    report.show(results.read(path), Console(file=out, width=150))
    shown = out.getvalue()
    for said in (
        "27,000",
        "4,500",
        "0.17",
        "≥ 15,000 chunks/s",
        "pass",
        "50,000 rows",
        "it was forgotten",
        "9% of the",
    ):
        assert said in shown


def test_another_schema_and_what_is_no_result_are_refused(tmp_path, capsys):
    path = tmp_path / "old.json"
    path.write_text('{"schema": 0}')
    assert main(["report", str(path)]) == 1
    assert "schema 0" in capsys.readouterr().out
    path.write_text("not JSON")
    assert main(["report", str(path)]) == 1
    assert main(["report", str(tmp_path / "none.json")]) == 1


def test_an_unknown_name_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--only", "nothing"])
    assert ended.value.code == 2
    assert "first_byte" in capsys.readouterr().err
