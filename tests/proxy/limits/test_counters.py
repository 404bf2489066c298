"""The counters, in Redis and in memory, against a reference that is simple enough to be right."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.limits import Budget, Concurrency, Family, OnExceeded, Period, Quota, Rate, ScopeKind, Unit
from core.limits.calendar import interval
from proxy.limits import Claim, Plan
from proxy.limits.plan import plan_of, verdict_of
from tests.proxy.limits.counters import APP, KEY, LEASE, MemoryCounters, RedisCounters, a_caller, an_incarnation

ZONE = "America/Havana"  # its clocks change at midnight
FAMILIES = (
    Family(ScopeKind.APP, Unit.COST, Period.MONTH, "UTC"),
    Family(ScopeKind.KEY, Unit.TOKENS, Period.DAY, ZONE),
)
RPM, TPM, LIVE, TPD, BUDGET, RPM_OF_MODEL = 6, 900, 4, 4000, 9000, 3
CALLER = a_caller(
    Rate("requests_per_minute", KEY, Unit.REQUESTS, RPM),
    Rate("tokens_per_minute", APP, Unit.TOKENS, TPM),
    Concurrency("max_concurrent_requests", KEY, LIVE),
    Quota("tokens_per_day", KEY, Unit.TOKENS, Period.DAY, ZONE, TPD),
    Budget("b" * 32, APP, Period.MONTH, "UTC", BUDGET, OnExceeded.BLOCK),
    by_model={"small": (Rate("requests_per_minute", KEY, Unit.REQUESTS, RPM_OF_MODEL, "small"),)},
    families=FAMILIES,
)
# The ends of a leap February, of a year, and of both of Havana's changes of the clock, a little before.
STARTS = [
    datetime(2028, 2, 29, 23, 58, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 58, tzinfo=UTC),
    datetime(2026, 3, 8, 4, 58, tzinfo=UTC),
    datetime(2026, 11, 1, 3, 58, tzinfo=UTC),
]


@dataclass
class Bucket:
    """A bucket as one would explain it: a level that rises with time, up to the brim."""

    size: int
    level: Fraction = field(init=False)
    at: int = 0

    def __post_init__(self) -> None:
        self.level = Fraction(self.size)

    def now(self, at: int) -> Fraction:
        self.level = min(Fraction(self.size), self.level + Fraction((at - self.at) * self.size, 60_000_000))
        self.at = at
        return self.level

    def take(self, amount: int, at: int) -> None:
        self.level = min(Fraction(self.size), self.now(at) - amount)


@dataclass
class Live:
    claim: Claim
    incarnation: str
    model: str


class Reference:
    """Lists and fractions."""

    def __init__(self) -> None:
        self.requests, self.tokens, self.of_model = Bucket(RPM), Bucket(TPM), Bucket(RPM_OF_MODEL)
        self.live: dict[bytes, Live] = {}
        self.spent: dict[tuple[str, int], int] = {}

    def _span(self, plan: Plan, index: int) -> int:
        return int(plan.checks[index].resets_at or 0)

    def admits(self, claim: Claim, model: str, at: int) -> bool:
        plan, live = claim.plan, self.live.values()
        day, month = self._span(plan, 3), self._span(plan, 4)
        tokens = sum(each.claim.tokens for each in live if self._span(each.claim.plan, 3) == day)
        cost = sum(each.claim.cost for each in live if self._span(each.claim.plan, 4) == month)
        # The counters keep a time in doubles: a thousandth of a microsecond of every bucket.
        slack = Fraction(1, 10_000)
        return (
            self.requests.now(at) >= 1 - slack
            and self.tokens.now(at) >= claim.tokens - slack
            and (model != "small" or self.of_model.now(at) >= 1 - slack)
            and len(live) < LIVE
            and self.spent.get(("tokens", day), 0) + tokens + claim.tokens <= TPD
            and self.spent.get(("cost", month), 0) + cost + claim.cost <= BUDGET
        )

    def admit(self, claim: Claim, model: str, incarnation: str, at: int) -> None:
        self.requests.take(1, at)
        self.tokens.take(claim.tokens, at)
        if model == "small":
            self.of_model.take(1, at)
        self.live[claim.id] = Live(claim, incarnation, model)

    def settle(self, claim: Claim, tokens: int, cost: int, at: int) -> None:
        if self.live.pop(claim.id, None) is not None:
            self.tokens.take(tokens - claim.tokens, at)
        for unit, index, amount in (("tokens", 3, tokens), ("cost", 4, cost)):
            key = (unit, self._span(claim.plan, index))
            self.spent[key] = self.spent.get(key, 0) + amount

    def void(self, claim: Claim, at: int) -> None:
        live = self.live.pop(claim.id)
        self.requests.take(-1, at)
        self.tokens.take(-claim.tokens, at)
        if live.model == "small":
            self.of_model.take(-1, at)

    def lose(self, incarnation: str) -> None:
        self.live = {id: each for id, each in self.live.items() if each.incarnation != incarnation}


class CountersMachine(RuleBasedStateMachine):
    """Two proxies of one caller."""

    counters: RedisCounters | MemoryCounters

    @initialize(start=st.sampled_from(STARTS))
    def begin(self, start: datetime) -> None:
        self.now = int(start.timestamp() * 1e6)
        self.counters = self.open()
        self.counters.at(self.now)
        self.reference = Reference()
        for bucket in (self.reference.requests, self.reference.tokens, self.reference.of_model):
            bucket.at = self.now
        self.incarnations = [an_incarnation(), an_incarnation()]
        self.heard: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "counters"):
            self.counters.close()

    def open(self) -> RedisCounters | MemoryCounters:
        raise NotImplementedError

    def _hear(self, incarnation: str) -> None:
        self.heard[incarnation] = self.now

    @rule(
        tokens=st.integers(0, 1000),
        cost=st.integers(0, 4000),
        model=st.sampled_from(["large", "small"]),
        who=st.integers(0, 1),
    )
    def admit(self, tokens: int, cost: int, model: str, who: int) -> None:
        incarnation = self.incarnations[who]
        claim = Claim(os.urandom(16), tokens, cost, plan_of(CALLER, model, self.now / 1e6))
        expected = self.reference.admits(claim, model, self.now)
        raw = self.counters.admit(claim, incarnation)
        self._hear(incarnation)
        verdict = verdict_of(claim.plan, raw, self.now / 1e6)
        assert verdict.admitted == expected, (verdict, self.reference.__dict__)
        if expected:
            self.reference.admit(claim, model, incarnation, self.now)
            assert verdict.remaining[2] == LIVE - len(self.reference.live)
        elif verdict.wait is None:
            assert verdict.failed is not None and max(tokens, cost) > min(TPM, BUDGET, verdict.failed.limit)

    @precondition(lambda self: self.reference.live)
    @rule(data=st.data(), tokens=st.integers(0, 1500), cost=st.integers(0, 5000))
    def settle(self, data: st.DataObject, tokens: int, cost: int) -> None:
        live = data.draw(st.sampled_from(list(self.reference.live.values())))
        self.counters.settle(live.claim, tokens, cost, live.incarnation)
        self._hear(live.incarnation)
        self.reference.settle(live.claim, tokens, cost, self.now)

    @precondition(lambda self: self.reference.live)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        live = data.draw(st.sampled_from(list(self.reference.live.values())))
        self.counters.void(live.claim, live.incarnation)
        self._hear(live.incarnation)
        self.reference.void(live.claim, self.now)

    @rule(seconds=st.one_of(st.integers(0, 30), st.integers(30, 200)), microseconds=st.integers(0, 999_999))
    def wait(self, seconds: int, microseconds: int) -> None:
        """Time passes; both proxies live."""
        left = seconds * 1_000_000 + microseconds
        while left > 0:
            step = min(left, 20_000_000)
            left -= step
            self.now += step
            self.counters.at(self.now)
            for incarnation in self.incarnations:
                self.counters.beat(incarnation)
                self._hear(incarnation)

    @rule(who=st.integers(0, 1))
    def die(self, who: int) -> None:
        """A proxy is killed; after its lease nothing is held for it."""
        dead = self.incarnations[who]
        self.incarnations[who] = an_incarnation()
        for _ in range(8):
            self.now += 20_000_000
            self.counters.at(self.now)
            for incarnation in self.incarnations:
                self.counters.beat(incarnation)
        self.reference.lose(dead)

    @invariant()
    def reserved_is_what_live_calls_hold(self) -> None:
        if not hasattr(self, "reference"):
            return
        held = self.counters.reserved()
        live = list(self.reference.live.values())
        assert held.get(f"k:{KEY.id}:n:", 0) == len(live)
        for prefix, amount in ((f"k:{KEY.id}:t:", "tokens"), (f"a:{APP.id}:c:", "cost")):
            held_here = sum(value for field, value in held.items() if field.startswith(prefix))
            assert held_here == sum(getattr(each.claim, amount) for each in live)

    @invariant()
    def spent_is_what_settled(self) -> None:
        if not hasattr(self, "reference"):
            return
        spent = self.counters.spent()
        for unit, prefix in (("tokens", f"k:{KEY.id}:t:d:"), ("cost", f"a:{APP.id}:c:m:")):
            found = {int(f.split(":")[4].split("-")[1]): v for f, v in spent.items() if f.startswith(prefix)}
            assert found == {
                end: amount for (what, end), amount in self.reference.spent.items() if what == unit and amount
            }


@pytest.mark.parametrize("where", ["redis", "memory"])
def test_the_counters_do_what_the_reference_does(where, request):
    url = request.getfixturevalue("redis_url") if where == "redis" else None

    class Machine(CountersMachine):
        def open(self) -> RedisCounters | MemoryCounters:
            return MemoryCounters() if url is None else RedisCounters(url, FAMILIES)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.fixture(params=["redis", "memory"])
def counters(request):
    opened = (
        RedisCounters(request.getfixturevalue("redis_url"), FAMILIES) if request.param == "redis" else MemoryCounters()
    )
    opened.at(START)
    yield opened
    opened.close()


START = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1e6)


def claim_of(caller, tokens=100, cost=100, model="large", at=START, downshift=None) -> Claim:
    return Claim(os.urandom(16), tokens, cost, plan_of(caller, model, at / 1e6), downshift)


@pytest.mark.parametrize("amount", [1, 7, 333, 1000])
def test_a_caller_who_waits_exactly_as_told_is_admitted_and_not_a_millisecond_earlier(counters, amount):
    caller = a_caller(Rate("tokens_per_minute", KEY, Unit.TOKENS, 1000), families=FAMILIES)
    now, told = START, None
    while told is None:
        verdict = verdict_of((claim := claim_of(caller, amount)).plan, counters.admit(claim, "a"), now / 1e6)
        told = verdict.wait
    later = now + -int(-told * 1e6 // 1)
    counters.at(later - 1000)
    assert not counters.admit(claim_of(caller, amount), "a")[0]
    counters.at(later)
    assert counters.admit(claim_of(caller, amount), "a")[0]


def test_a_claim_larger_than_the_limit_never_passes_and_takes_nothing(counters):
    caller = a_caller(Rate("tokens_per_minute", KEY, Unit.TOKENS, 1000), families=FAMILIES)
    claim = claim_of(caller, 1001)
    verdict = verdict_of(claim.plan, counters.admit(claim, "a"), START / 1e6)
    assert (verdict.admitted, verdict.wait) == (False, None)
    assert counters.admit(claim_of(caller, 1000), "a")[0]


def test_a_quota_waits_for_the_end_of_its_period_and_is_whole_again_then(counters):
    caller = a_caller(Quota("tokens_per_day", KEY, Unit.TOKENS, Period.DAY, ZONE, 150), families=FAMILIES)
    first = claim_of(caller)
    assert counters.admit(first, "a")[0]
    counters.settle(first, 100, 1, "a")
    denied = claim_of(caller)
    verdict = verdict_of(denied.plan, counters.admit(denied, "a"), START / 1e6)
    end = interval(Period.DAY, ZONE, START / 1e6).end
    assert (verdict.wait, verdict.used, verdict.reserved) == (end - START / 1e6, 100, 0)
    counters.at(end * 1_000_000)
    assert counters.admit(claim_of(caller, at=end * 1_000_000), "a")[0]


def test_a_spent_budget_throttles_to_the_limits_it_names(counters):
    throttle = (Rate("requests_per_minute", KEY, Unit.REQUESTS, 2),)
    budget = Budget("b" * 32, APP, Period.MONTH, "UTC", 150, OnExceeded.THROTTLE, throttle)
    caller = a_caller(budget, families=FAMILIES)
    verdicts = [counters.admit(claim_of(caller), "a") for _ in range(4)]
    assert [raw[0] for raw in verdicts] == [1, 1, 1, 0]  # the first is within the budget, and two a minute
    assert verdict_of(claim_of(caller).plan, verdicts[3], START / 1e6).wait == pytest.approx(30, abs=0.001)


def test_a_spent_budget_asks_for_the_cheaper_model_and_reserves_its_cost(counters):
    caller = a_caller(Budget("b" * 32, APP, Period.MONTH, "UTC", 150, OnExceeded.DOWNSHIFT), families=FAMILIES)
    assert counters.admit(claim_of(caller, downshift=10), "a")[0] == 1
    assert counters.admit(claim_of(caller, downshift=10), "a")[0] == 2
    assert [amount for field, amount in counters.reserved().items() if ":c:" in field] == [110]
    assert counters.admit(claim_of(caller), "a")[0] == 0  # a route without a cheaper one


def test_what_a_settlement_used_beyond_its_reservation_is_owed(counters):
    caller = a_caller(Rate("tokens_per_minute", KEY, Unit.TOKENS, 1000), families=FAMILIES)
    claim = claim_of(caller, 100)
    counters.admit(claim, "a")
    counters.settle(claim, 2000, 1, "a")
    raw = counters.admit(denied := claim_of(caller, 1), "a")
    assert verdict_of(denied.plan, raw, START / 1e6).wait == pytest.approx(60.06, abs=0.001)


def test_rules_that_share_a_counter_reserve_once(counters):
    caller = a_caller(
        Quota("tokens_per_day", KEY, Unit.TOKENS, Period.DAY, ZONE, 500),
        Quota("tokens_per_day", KEY, Unit.TOKENS, Period.DAY, ZONE, 300),
        families=FAMILIES,
    )
    counters.admit(claim_of(caller), "a")
    assert list(counters.reserved().values()) == [100]


def test_a_lease_outlives_its_proxys_silence_by_no_more_than_the_lease(counters):
    caller = a_caller(Concurrency("max_concurrent_requests", KEY, 1), families=FAMILIES)
    assert counters.admit(claim_of(caller), "dead")[0]
    counters.at(START + int((LEASE - 1) * 1e6))
    assert not counters.admit(claim_of(caller), "alive")[0]
    counters.at(START + int((LEASE * 2 + 1) * 1e6))
    assert counters.admit(claim_of(caller), "alive")[0]
