"""The loader counts what went wrong, and charges waiting to those who waited."""

import asyncio
import time

import pytest

from bench.loader import percentiles
from bench.loader.run import Run
from bench.traffic import CREDIT, DONE, Plan, answer_body, events
from bench.upstream import serve
from tests.bench.upstreams import STREAM_END, STREAM_HEAD, chunk, load, order, upstream_that, whole


async def test_right_answers_are_counted_as_answered_and_nothing_else():
    server = await serve("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for wishes in (
        {},
        {"mode": "open", "rate": 100.0},
        {"chunks": 5},
        {"chunks": 5, "pace_ms": 2, "mode": "open", "rate": 50.0},
        {"chunks": 30, "pace_ms": CREDIT, "credit_port": port, "connections": 20},
    ):
        report = await load(port, **wishes)
        assert report.answered == report.sent > 0, wishes
        assert (report.wrong, report.broken, report.unanswered) == (0, 0, 0), report.complaints
        assert report.complaints == []
    server.close()


async def test_an_open_loop_asks_as_often_as_it_was_told_to():
    server = await serve("127.0.0.1", 0)
    report = await load(server.sockets[0].getsockname()[1], mode="open", rate=200.0, seconds=0.5)
    assert report.sent == report.latency.count == 100
    server.close()


async def test_an_answer_meant_for_somebody_else_is_wrong():
    async def answer(plan, writer):
        writer.write(whole(answer_body(Plan(plan.marker ^ 1))))

    async with upstream_that(answer) as port:
        report = await load(port)
    assert report.answered == 0
    assert report.wrong == report.sent > 0
    assert "chatcmpl-bench-" in report.complaints[0]


async def test_one_wrong_answer_among_right_ones_is_found():
    seen = 0

    async def answer(plan, writer):
        nonlocal seen
        seen += 1
        body = answer_body(plan)
        writer.write(whole(body.replace(b"five", b"four") if seen == 7 else body))

    async with upstream_that(answer) as port:
        report = await load(port)
    assert (report.wrong, report.broken) == (1, 0)
    assert report.answered == report.sent - 1 > 7


@pytest.mark.parametrize("status", [b"500 Internal Server Error", b"201 Created"])
async def test_the_right_body_under_another_status_is_wrong(status):
    async def answer(plan, writer):
        writer.write(whole(answer_body(plan), status))

    async with upstream_that(answer) as port:
        report = await load(port)
    assert report.answered == 0
    assert report.wrong == report.sent > 0


async def test_a_chunked_or_piecewise_answer_is_as_right_as_any():
    async def answer(plan, writer):
        body = answer_body(plan)
        for piece in (STREAM_HEAD[:-7], STREAM_HEAD[-7:], chunk(body[:100]), chunk(body[100:]) + STREAM_END):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    async with upstream_that(answer) as port:
        report = await load(port)
    assert report.answered == report.sent > 0
    assert report.wrong == report.broken == 0


async def test_an_answer_that_declares_more_than_it_sends_is_broken():
    async def answer(plan, writer):
        writer.write(whole(answer_body(plan) + b"!")[:-1])
        writer.close()

    async with upstream_that(answer) as port:
        report = await load(port)
    assert report.answered == 0
    assert report.broken == report.sent > 0


async def test_an_early_close_is_counted_and_the_loader_goes_on():
    seen = 0

    async def answer(plan, writer):
        nonlocal seen
        seen += 1
        if seen == 5:
            writer.close()
        else:
            writer.write(whole(answer_body(plan)))

    async with upstream_that(answer) as port:
        report = await load(port)
    assert (report.broken, report.wrong) == (1, 0)
    assert report.answered == report.sent - 1 > 5


async def test_a_connection_that_the_subject_closes_as_announced_is_no_fault():
    async def answer(plan, writer):
        body = answer_body(plan)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        writer.close()

    async with upstream_that(answer) as port:
        report = await load(port)
    assert report.answered == report.sent > 2
    assert report.wrong == report.broken == 0


def _without_done(parts):
    return parts[:-1]


def _without_one_event(parts):
    return parts[:2] + parts[3:]


def _with_one_event_twice(parts):
    return parts[:3] + parts[2:]


def _with_the_usage_that_nobody_asked_for(parts):
    return [*parts[:-1], events(Plan(0, 5), usage=True)[-1], parts[-1]]


def _with_something_after_done(parts):
    return [*parts, b"data: more\n\n"]


@pytest.mark.parametrize(
    "spoil",
    [
        _without_done,
        _without_one_event,
        _with_one_event_twice,
        _with_the_usage_that_nobody_asked_for,
        _with_something_after_done,
    ],
)
async def test_a_stream_that_is_not_exactly_the_expected_one_is_wrong(spoil):
    async def answer(plan, writer):
        writer.write(STREAM_HEAD)
        for part in spoil([*events(plan, usage=False), DONE]):
            writer.write(chunk(part))
        writer.write(STREAM_END)

    async with upstream_that(answer) as port:
        report = await load(port, chunks=5)
    assert report.answered == 0
    assert report.wrong == report.sent > 0


async def test_a_stream_cut_off_in_the_middle_is_broken():
    async def answer(plan, writer):
        writer.write(STREAM_HEAD + b"".join(chunk(event) for event in events(plan, usage=False)[:3]))
        await writer.drain()
        writer.close()

    async with upstream_that(answer) as port:
        report = await load(port, chunks=5)
    assert report.answered == 0
    assert report.broken == report.sent > 0


async def test_chunks_are_counted_by_event_however_they_are_cut():
    async def answer(plan, writer):
        body = b"".join([*events(plan, usage=False), DONE])
        writer.write(STREAM_HEAD)
        for start in range(0, len(body), 7):
            writer.write(chunk(body[start : start + 7]))
        writer.write(STREAM_END)

    async with upstream_that(answer) as port:
        report = await load(port, chunks=5, mode="open", rate=20.0, seconds=0.3)
    assert report.answered == report.sent > 0
    assert report.wrong == report.broken == 0


async def test_a_stall_is_charged_to_the_requests_that_queued_behind_it():
    """Coordinated omission: a loader that waits with its asking while the subject stalls would see one slow answer."""
    stall = 0.6
    stalled = False

    async def answer(plan, writer):
        nonlocal stalled
        if not stalled:
            stalled = True
            await asyncio.sleep(stall)
        writer.write(whole(answer_body(plan)))

    async with upstream_that(answer) as port:
        run = Run(order(port, mode="open", rate=100.0, connections=1, seconds=1.0))
        report = await run.report()
    latencies = run.tally.latencies
    assert report.answered == report.sent == len(latencies) == 100
    # Due in the stall's first tenth: at least six of the hundred, and each waited for nine tenths of it at least.
    assert report.latency.max >= 1000 * stall
    assert report.latency.p95 >= 1000 * stall * 0.9
    # Due in its first half: thirty of the hundred, far more than the one that a closed loop would have seen.
    assert sum(latency >= stall / 2 for latency in latencies) >= 30


async def test_what_was_never_answered_counts_with_the_time_it_waited():
    async def answer(plan, writer):
        await asyncio.sleep(60)

    begun = time.monotonic()
    async with upstream_that(answer) as port:
        report = await load(port, mode="open", rate=50.0, connections=3, seconds=0.2, patience=0.3)
    assert report.sent == 3
    assert report.unanswered == report.latency.count == 10  # those for which no connection was free too
    assert 300 <= report.latency.p50 <= 1000 * (time.monotonic() - begun)
    assert "10 requests had no answer" in report.complaints[0]


def test_percentiles_are_by_nearest_rank():
    found = percentiles([n / 1000 for n in range(100, 0, -1)])
    assert (found.p50, found.p95, found.p99, found.max) == pytest.approx((50, 95, 99, 100))
    assert percentiles([0.002]).p99 == pytest.approx(2)
    assert percentiles([]).p50 is None
