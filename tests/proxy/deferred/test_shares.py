"""What an object used, summed by model: which model that is, what it cost, and the events that come of it."""

import pytest

from core.ids import admitted_at, new_event_id, share_id
from core.ledger.records import Call
from core.prices import Price
from core.snapshot import Route, Snapshot, Target, Upstream
from core.units import tier
from proxy.deferred import Due
from proxy.deferred.schedule import pause
from proxy.deferred.shares import Shares, events_of
from proxy.deferred.sold import sold_as
from proxy.metering import Tokens
from proxy.routing import RouteTable

LONG = Price(0, 2_000_000, 2_000_000, 2_000_000)
PRICE = Price(0, 1_000_000, 1_000_000, 1_000_000, long=LONG, long_above=100)
OLD, NEW = Price(0, 1_000_000, 0, 0), Price(4_000_000_000, 9_000_000, 0, 0)  # nano-dollars; the new one is of 2096


def upstream(name: str) -> Upstream:
    return Upstream("1", name, "openai", "http://there/v1", None, None, True)


def routes_of(*routes: Route) -> RouteTable:
    upstreams = {target.upstream.name: target.upstream for route in routes for target in route.targets}
    prices = {("openai", "unrouted"): (PRICE,)}
    return RouteTable(Snapshot(1, 0.0, routes={r.model: r for r in routes}, upstreams=upstreams, prices=prices))


def route(model: str, *deployments: str, on: str = "one", fallback: str | None = None, prices=(PRICE,)) -> Route:
    targets = tuple(Target(upstream(on), deployment, 0, 1, prices) for deployment in deployments)
    return Route(model, targets, fallback, None, 0)


def due(model: str = "", kind: str = "batch") -> Due:
    call = Call(
        new_event_id(), b"c" * 16, b"t" * 16, b"a" * 16, "key", "name", "req", "batches.create", model, model, False
    )
    return Due("obj_1", kind, call, "one", "batches/obj_1")


@pytest.mark.parametrize(
    ("asked", "models", "named", "model", "deployment"),
    [
        ("", ["fast", "deep"], "gpt-4o", "deep", "gpt-4o"),  # by its deployment
        ("", ["fast", "deep"], "gpt-4o-mini-2024-07-18", "fast", "gpt-4o-mini"),  # less its date
        ("", ["fast"], "whatever", "fast", "gpt-4o-mini"),  # one was asked for, and it is that one
        ("", ["fast", "deep"], "whatever", "whatever", "whatever"),  # nobody knows which
        ("deep", [], "gpt-4o-2024-08-06", "deep", "gpt-4o"),
        ("", [], "gpt-4o-2024-08-06", "deep", "gpt-4o"),  # nothing named one: a route that has it
        ("", [], "unrouted-2025-01-01", "unrouted-2025-01-01", "unrouted-2025-01-01"),
        ("shown", [], "gpt-4o-mini", "shown", "gpt-4o-mini"),  # by the fallback of what was asked for
    ],
)
def test_a_providers_name_is_the_model_that_was_asked_for(asked, models, named, model, deployment):
    routes = routes_of(
        route("fast", "gpt-4o-mini"), route("deep", "gpt-4o"), route("shown", "x", on="two", fallback="fast")
    )
    sold = sold_as(routes, due(asked), named, models)
    assert (sold.model, sold.deployment) == (model, deployment)
    assert (sold.price is None) == (named == model == "whatever")


def test_the_price_is_the_one_in_force_when_the_work_was_asked_for():
    routes = routes_of(route("fast", "gpt-4o", prices=(NEW, OLD)))
    assert sold_as(routes, due("fast"), "gpt-4o").price is OLD


def test_a_long_inputs_price_is_a_lines_and_not_a_batchs():
    shares = Shares(lambda named: sold_as(routes_of(route("fast", "gpt-4o")), due(), named, ["fast"]))
    for size in (60, 60, 101):
        shares.add("gpt-4o", Tokens(input=size, units=(tier("batch"),)))
    (share,) = shares.all()
    assert share.tokens == Tokens(input=221, units=(tier("batch"),))
    assert share.cost == 60 + 60 + 2 * 101


def test_what_was_done_and_not_reported_flags_its_event():
    of = due()
    shares = Shares(lambda named: sold_as(routes_of(route("fast", "gpt-4o")), of, named, ["fast"]))
    shares.add("gpt-4o", Tokens(input=3))
    shares.add("gpt-4o", None)
    (event,) = events_of(of, shares.all())
    assert (event.error_code, event.unpriced, event.input_tokens) == ("usage_unreported", True, 3)


def test_an_objects_events_are_the_same_however_often_they_are_made():
    of = due()
    shares = Shares(
        lambda named: sold_as(routes_of(route("fast", "a"), route("deep", "b")), of, named, ["fast", "deep"])
    )
    shares.add("a", Tokens(input=1))
    shares.add("b", Tokens(input=2))
    first, again = events_of(of, shares.all()), events_of(of, shares.all())
    assert first == again
    ids = {event.call.id for event in first}
    assert len(ids) == 2 and of.call.id not in ids
    assert {admitted_at(id) for id in ids} == {admitted_at(of.call.id)}
    assert all(id[6] >> 4 == 7 and id[8] >> 6 == 2 for id in ids)  # UUIDv7
    assert share_id(of.call.id, "ab", "c") != share_id(of.call.id, "a", "bc")


@pytest.mark.parametrize(
    ("kind", "age", "failed", "wanted"),
    [
        ("response", 0.5, False, 1.0),
        ("response", 40.0, False, 10.0),
        ("response", 1e6, False, 60.0),
        ("batch", 0.0, False, 2.0),
        ("batch", 86_400.0, False, 600.0),
        ("response", 0.5, True, 5.0),
        ("what is new", 0.0, False, 5.0),
    ],
)
def test_an_object_is_looked_at_after_a_part_of_its_age(kind, age, failed, wanted):
    assert pause(kind, age, failed=failed) == wanted
