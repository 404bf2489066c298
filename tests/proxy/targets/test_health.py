"""What an attempt's end says about a target, and what replicas take from each other."""

import pytest

from core.targets import Change, Notice, board_field, decode_notice, encode_notice, read_board, sighting_of
from proxy.targets import Board, Health
from proxy.targets.signals import asked_wait, utilisation
from tests.proxy.targets.clock import Clock, boards


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Board("me", clock).health("up", "dep")


def attempt(health: Health, clock: Clock, *, status: int | None = None, code: str = "", wait=None, takes=0.0) -> None:
    began = clock.now
    health.begin(began)
    clock.passes(takes)
    if status is not None:
        health.answered(status, began, clock.now, wait)
    else:
        health.failed(code, began, clock.now)
    health.end(began)


@pytest.mark.parametrize("status", [401, 403, 408, 500, 502, 503, 504])
def test_these_answers_in_a_row_open_the_circuit(health, clock, status):
    for _ in range(5):
        attempt(health, clock, status=status)
    assert health.state(clock.now) == "open"
    assert not health.admits(clock.now)


@pytest.mark.parametrize("status", [200, 400, 404, 409, 413, 422])
def test_these_answers_do_not(health, clock, status):
    for _ in range(50):
        attempt(health, clock, status=status)
    assert health.state(clock.now) == "closed"
    assert not health.impeded


@pytest.mark.parametrize(
    "code",
    [
        "upstream_connect_failed",
        "upstream_tls_failed",
        "upstream_connection_reset",
        "upstream_cut_short",
        "upstream_idle_timeout",
        "upstream_bad_answer",
    ],
)
def test_errors_in_a_row_open_the_circuit(health, clock, code):
    for _ in range(4):
        attempt(health, clock, code=code)
    assert health.admits(clock.now)
    attempt(health, clock, code=code)
    assert not health.admits(clock.now)


def test_our_own_limit_of_connections_says_nothing_about_the_target(health, clock):
    for _ in range(50):
        attempt(health, clock, code="upstream_connections_exhausted")
    assert health.state(clock.now) == "closed"


def test_a_hang_opens_the_circuit_at_once(health, clock):
    attempt(health, clock, status=200)
    clock.passes(1.0)
    attempt(health, clock, code="upstream_first_byte_timeout", takes=2.0)
    assert health.state(clock.now) == "open"


def test_one_slow_call_among_answered_ones_is_no_hang(health, clock):
    began = clock.now
    health.begin(began)
    clock.passes(1.0)
    attempt(health, clock, status=200)
    clock.passes(1.0)
    health.failed("upstream_answer_timeout", began, clock.now)
    assert health.state(clock.now) == "closed"


def test_a_429_is_a_wish_and_no_failure(health, clock):
    for _ in range(50):
        attempt(health, clock, status=429, wait=0.0)
    assert health.circuit.closed


def test_it_is_left_alone_for_as_long_as_it_asks_and_not_longer(health, clock):
    attempt(health, clock, status=429, wait=3.0)
    assert (health.admits(clock.now), health.wait(clock.now), health.state(clock.now)) == (False, 3.0, "cooling")
    assert not health.admits(clock.passes(2.9))
    assert health.admits(clock.passes(0.2))
    assert not health.impeded


def test_a_503_that_says_when_is_both(health, clock):
    attempt(health, clock, status=503, wait=3.0)
    assert not health.admits(clock.now)
    assert health.circuit._consecutive == 1


def test_a_probe_that_meets_a_429_closes_the_circuit(health, clock):
    for _ in range(5):
        attempt(health, clock, status=500)
    clock.passes(1.0)
    assert health.admits(clock.now)
    attempt(health, clock, status=429, wait=2.0)
    assert health.circuit.closed
    assert health.state(clock.now) == "cooling"


def test_use_over_the_mark_holds_for_a_moment_and_ends_with_a_reading_below(health, clock):
    health.used(95.0, 90, clock.now)
    assert health.admits(clock.now)
    assert health.spilled(clock.now)
    health.used(89.0, 90, clock.now)
    assert not health.spilled(clock.now)
    health.used(95.0, 90, clock.now)
    clock.passes(1.1)
    assert not health.spilled(clock.now)


def test_what_is_in_flight_is_counted(health, clock):
    health.begin(1.0)
    health.begin(2.0)
    health.end(1.0)
    assert health.in_flight == 1


# ── What the provider says ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 5.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT"}, 1792567685.0 - 1792567600.0),
        ({"retry-after": "Wed, 21 Oct 2020 07:28:05 GMT"}, 0.0),
        ({"retry-after": "later"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_how_long_to_wait_is_read_from_each_form(headers, wait):
    assert asked_wait([(k.encode(), v.encode()) for k, v in headers.items()], 1792567600.0) == wait


@pytest.mark.parametrize(
    ("value", "percent"), [("11.2%", 11.2), ("100%", 100.0), ("97", 97.0), ("", None), ("n/a", None)]
)
def test_the_use_of_a_provisioned_deployment_is_read(value, percent):
    assert utilisation([(b"x", b"1"), (b"azure-openai-deployment-utilization", value.encode())]) == percent


# ── Replicas ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_replicas_share_what_they_find_by_how_long_it_lasts_whatever_their_clocks_say():
    here, there = Clock(100.0), Clock(5_000_000.0)
    one, other = (board.health("up", "dep") for board in boards(here, there))
    attempt(one, here, status=429, wait=3.0)
    assert other.wait(there.now) == 3.0
    here.passes(4.0)
    attempt(other, there, code="upstream_answer_timeout", takes=4.0)
    assert one.state(here.now) == "open"
    one.used(99.0, 90, here.now)
    assert other.spilled(there.now)
    one.used(10.0, 90, here.now)
    assert not other.spilled(there.now)


def test_the_probe_of_one_replica_closes_the_circuit_of_all():
    here, there = Clock(), Clock()
    one, other = (board.health("up", "dep") for board in boards(here, there))
    for _ in range(5):
        attempt(one, here, status=500)
    assert not other.admits(there.now)
    here.passes(1.0)
    attempt(one, here, status=200)
    assert other.admits(there.now)
    assert other.circuit.closed


def test_what_is_heard_is_not_said_again():
    said: list[Notice] = []
    board = Board("me", Clock())
    board.share = said.append
    for change in Change:
        board.hear(Notice("other", "up", "dep", change, 1.0))
    assert not said


def test_a_shorter_wish_does_not_shorten_a_longer_one(health, clock):
    health.cool(10.0, clock.now)
    health.heard(Change.COOLING, 1.0, clock.now)
    assert health.wait(clock.now) == 10.0


def test_what_holds_is_told_again_to_a_redis_that_forgot_it():
    clock = Clock()
    board = Board("me", clock)
    board.health("up", "dep").cool(5.0, clock.now)
    board.health("other", "dep").cool(1.0, clock.now)
    clock.passes(2.0)
    assert board.notices() == [Notice("me", "up", "dep", Change.COOLING, 3.0)]


def test_a_notice_and_a_field_of_the_board_survive_their_way():
    notice = Notice("me", "up:1", "dep/ö", Change.OPEN, 2.0)
    assert decode_notice(encode_notice(notice)) == notice
    fields = {
        board_field(notice): b"12000",
        b"not json": b"1",
        board_field(Notice("b", "x", "y", Change.SPILLED)): b"9000",
    }
    assert read_board(fields, 10_000) == [notice]
    assert board_field(Notice("me", "up", "d", Change.CLOSED)) == board_field(Notice("me", "up", "d", Change.OPEN))


def test_what_several_replicas_say_comes_to_the_longest_and_the_worst():
    open_, cooling = Notice("a", "u", "d", Change.OPEN, 9.0), Notice("b", "u", "d", Change.COOLING, 2.0)
    sighting = sighting_of([open_, cooling, Notice("c", "u", "d", Change.COOLING, 3.0)])
    assert (sighting.state, sighting.seconds, sighting.replicas) == ("cooling", 3.0, ("b", "c"))
    assert sighting_of([]).state == "closed"
