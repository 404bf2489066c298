"""Which candidate comes next: by order, but not one that must not be called, and those last that are better spared."""

import msgspec
import pytest

from core.snapshot import Caller
from proxy.bodies import JsonBody
from proxy.routing.affinity import by_affinity
from proxy.routing.choice import choose, nobody
from proxy.targets import Board
from tests.proxy.routing.tenants import CHAT, caller, route, serving, target
from tests.proxy.targets.clock import Clock


class Rig:
    """The candidates of a route and what becomes of them."""

    def __init__(self, *routes) -> None:
        self.clock = Clock()
        self.candidates = serving(*routes, board=Board("me", self.clock)).route(caller(), "m", CHAT, 1000.0)[1]
        self.by_name = {candidate.upstream: candidate for candidate in self.candidates}

    def next(self, *tried: str) -> str | None:
        found = choose(self.candidates, [self.by_name[name] for name in tried], self.clock.now)
        return found and found.upstream

    def opens(self, name: str) -> None:
        for _ in range(5):
            self.by_name[name].health.failed("upstream_connect_failed", self.clock.now, self.clock.now)

    def cools(self, name: str, seconds: float) -> None:
        self.by_name[name].health.cool(seconds, self.clock.now)


@pytest.fixture
def rig() -> Rig:
    ptu = target("ptu", spill_at=90, most=2)
    return Rig(
        route("m", ptu, target("paygo", priority=1), target("far", priority=2), fallback="n"),
        route("n", target("mini")),
    )


def test_the_order_of_the_route_holds_while_all_are_well(rig):
    assert [rig.next(), rig.next("ptu"), rig.next("ptu", "paygo"), rig.next("ptu", "paygo", "far")] == [
        "ptu",
        "paygo",
        "far",
        "mini",
    ]
    assert rig.next("ptu", "paygo", "far", "mini") is None


def test_calls_spill_over_while_the_first_asks_to_wait_and_come_back_as_soon_as_it_allows(rig):
    rig.cools("ptu", 3.0)
    assert rig.next() == "paygo"
    rig.clock.passes(3.0)
    assert rig.next() == "ptu"


def test_calls_spill_over_when_it_is_used_over_its_mark(rig):
    rig.by_name["ptu"].health.used(91.0, 90, rig.clock.now)
    assert rig.next() == "paygo"
    assert rig.next("paygo", "far") == "ptu"  # before the fallback: it may still serve


def test_calls_spill_over_when_it_holds_as_many_as_it_should(rig):
    health = rig.by_name["ptu"].health
    health.begin(1.0)
    assert rig.next() == "ptu"
    health.begin(2.0)
    assert rig.next() == "paygo"
    health.end(1.0)
    assert rig.next() == "ptu"


def test_a_target_that_asked_not_to_be_called_is_not_called_though_it_is_the_last(rig):
    for name in ("ptu", "paygo", "far", "mini"):
        rig.cools(name, 5.0 if name == "far" else 9.0)
    assert rig.next() is None
    refusal = nobody(rig.candidates, rig.clock.now)
    assert (refusal.status, refusal.code, refusal.retry_after) == (429, "upstream_rate_limited", 5.0)


def test_where_some_fail_and_others_ask_to_wait_the_answer_is_503_and_when_the_soonest_may_be_called(rig):
    for name in ("ptu", "paygo", "far"):
        rig.cools(name, 9.0)
    rig.opens("mini")
    assert rig.next() is None
    refusal = nobody(rig.candidates, rig.clock.now)
    assert (refusal.status, refusal.retry_after) == (503, 1.0)


def test_the_fallback_serves_while_the_circuits_are_open(rig):
    for name in ("ptu", "paygo", "far"):
        rig.opens(name)
    assert rig.next() == "mini"


def test_attempts_are_bounded_by_the_route():
    rig = Rig(route("m", target("a"), target("b", priority=1), max_attempts=1, fallback="n"), route("n", target("c")))
    assert rig.next("a") == "c"


# ── Affinity ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def order_of(app: bytes, body: dict | JsonBody, *, weights=(1, 1, 1), affinity=True, last=None) -> list[str]:
    targets = [target(name, weight=weight) for name, weight in zip("abc", weights, strict=True)]
    if last:
        targets.append(target(last, priority=1))
    routes = serving(route("m", *targets, prompt_cache_affinity=affinity))
    candidates = routes.route(Caller("k", app, b"", b"", "", caller().policy), "m", CHAT, 1000.0)[1]
    read = body if isinstance(body, JsonBody) else JsonBody(msgspec.json.encode(body))
    return [candidate.upstream for candidate in by_affinity(candidates, app, read)]


def prompt(text: str, question: str = "") -> dict:
    return {"messages": [{"role": "system", "content": text}, {"role": "user", "content": question}]}


def test_calls_of_one_app_that_begin_alike_come_in_one_order():
    long = "You are a helpful assistant. " * 50
    orders = {tuple(order_of(b"app", prompt(long, f"question {number}"))) for number in range(20)}
    assert len(orders) == 1


def test_apps_and_prompts_are_spread_in_proportion_to_the_weights():
    first = [order_of(b"%d" % app, prompt(f"{text}"), weights=(3, 1, 1))[0] for app in range(40) for text in range(25)]
    assert 0.55 < first.count("a") / len(first) < 0.65
    assert 0.15 < first.count("b") / len(first) < 0.25


def test_affinity_does_not_cross_priorities():
    assert {order_of(b"app", prompt(str(n)), last="z")[-1] for n in range(20)} == {"z"}


def test_the_callers_own_cache_key_goes_before_the_prompt():
    orders = {tuple(order_of(b"app", prompt(str(n)) | {"prompt_cache_key": "k"})) for n in range(20)}
    assert len(orders) == 1


def test_a_route_without_affinity_is_left_in_its_order():
    assert len({tuple(order_of(b"app", prompt("same"), affinity=False)) for _ in range(50)}) > 1


def test_a_target_that_goes_moves_only_its_own_calls():
    for number in range(50):
        whole = order_of(b"app", prompt(str(number)))
        routes = serving(route("m", target("a"), target("b"), prompt_cache_affinity=True))
        left = by_affinity(
            routes.route(caller(), "m", CHAT, 1000.0)[1], b"app", JsonBody(msgspec.json.encode(prompt(str(number))))
        )
        assert [each.upstream for each in left] == [name for name in whole if name != "c"]
