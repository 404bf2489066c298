"""A model becomes targets in their order, and paths as each provider wants them."""

from collections import Counter

import pytest

from core.prices import Price
from core.snapshot import Caller, EffectivePolicy, Route, Snapshot, Target, Upstream
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal
from proxy.routing import RouteTable

CHAT, RESPONSES = (next(e for e in ENDPOINTS if e.name == name) for name in ("chat.completions", "responses"))
NOW = 1000.0
PRICE = (Price(0.0, 1, 1, 1),)


def target(name: str, *, priority: int = 0, weight: int = 1, prices=PRICE, **upstream) -> Target:
    usual = {"provider": "openai", "endpoint": "https://api.example", "api_version": None}
    made = Upstream(id=name, name=name, secret_ref=None, stream_usage=True, **{**usual, **upstream})
    return Target(made, f"{name}-deployment", priority, weight, prices)


def table(*targets: Target) -> RouteTable:
    return RouteTable(Snapshot(1, 0.0, routes={"m": Route("m", targets, None, None, 0)}))


def caller(**policy) -> Caller:
    return Caller("k", b"", b"", b"", "c/t/a/k", EffectivePolicy(**policy))


def order(routes: RouteTable, who: Caller | None = None) -> list[str]:
    return [candidate.upstream for candidate in routes.route(who or caller(), "m", CHAT, NOW)[1]]


def test_lower_priorities_come_first():
    assert order(table(target("b", priority=2), target("a", priority=0), target("c", priority=5))) == ["a", "b", "c"]


def test_equals_come_first_in_proportion_to_their_weight():
    routes = table(target("heavy", weight=3), target("light", weight=1), target("last", priority=1))
    first = Counter(order(routes)[0] for _ in range(4000))
    assert 2800 < first["heavy"] < 3200
    assert {tuple(order(routes)[2:]) for _ in range(20)} == {("last",)}


def test_unpriced_targets_are_left_out_or_kept_as_the_policy_says():
    routes = table(target("priced", priority=1), target("unpriced", prices=()))
    assert order(routes) == ["priced"]
    assert order(routes, caller(refuse_unpriced=False)) == ["unpriced", "priced"]
    with pytest.raises(Refusal) as refused:
        order(table(target("unpriced", prices=())))
    assert (refused.value.status, refused.value.code) == (403, "model_unpriced")


def test_a_price_that_has_not_begun_is_none():
    later = (Price(NOW + 1, 1, 1, 1),)
    with pytest.raises(Refusal, match="no price now"):
        order(table(target("later", prices=later)))
    assert order(table(target("later", prices=later + PRICE))) == ["later"]


def test_a_route_without_a_target_is_refused():
    with pytest.raises(Refusal) as refused:
        order(table())
    assert (refused.value.status, refused.value.code) == (503, "no_upstream")


@pytest.mark.parametrize(
    ("upstream", "chat", "responses"),
    [
        (
            {"provider": "azure_openai", "endpoint": "https://x.openai.azure.com", "api_version": "2024-10-21"},
            "/openai/deployments/a%20b%2Fc/chat/completions?api-version=2024-10-21",
            "/openai/responses?api-version=2024-10-21",
        ),
        (
            {"provider": "azure_openai", "endpoint": "https://x.openai.azure.com"},
            "/openai/v1/chat/completions",
            "/openai/v1/responses",
        ),
        ({"provider": "openai", "endpoint": "https://api.openai.com"}, "/v1/chat/completions", "/v1/responses"),
        ({"provider": "openai", "endpoint": "https://api.openai.com/v1"}, "/v1/chat/completions", "/v1/responses"),
        ({"provider": "openai_compatible", "endpoint": "http://vllm:8000"}, "/v1/chat/completions", "/v1/responses"),
        (
            {"provider": "openai_compatible", "endpoint": "http://x/api/v3"},
            "/api/v3/chat/completions",
            "/api/v3/responses",
        ),
    ],
)
def test_each_provider_is_asked_on_its_own_paths(upstream, chat, responses):
    made = target("a", **upstream)
    routes = table(Target(made.upstream, "a b/c", 0, 1, PRICE))
    paths = [routes.route(caller(), "m", endpoint, NOW)[1][0].path.decode() for endpoint in (CHAT, RESPONSES)]
    assert paths == [chat, responses]


FILES_RETRIEVE = next(e for e in ENDPOINTS if e.name == "files.retrieve")


def serving(*routes: Route) -> RouteTable:
    """A table of some routes, and the upstreams that they name."""
    upstreams = {t.upstream.name: t.upstream for route in routes for t in route.targets}
    return RouteTable(Snapshot(1, 0.0, routes={route.model: route for route in routes}, upstreams=upstreams))


def route(model: str, *targets: Target) -> Route:
    return Route(model, targets, None, None, 0)


def test_a_call_that_builds_on_an_object_goes_where_the_object_lives():
    routes = table(target("a"), target("b"), target("c", priority=1))
    _, candidates = routes.route(caller(), "m", CHAT, NOW, upstream="c")
    assert [each.upstream for each in candidates] == ["c"]


def test_a_model_that_is_not_where_the_object_lives_is_refused_by_name():
    with pytest.raises(Refusal, match="'m'") as refused:
        table(target("a")).route(caller(), "m", CHAT, NOW, upstream="b")
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, "model_not_on_upstream", "model")


def test_a_call_without_a_model_goes_to_an_upstream_as_it_is():
    routes = serving(route("m", target("a", provider="azure_openai", endpoint="https://x.example", api_version="v")))
    candidate = routes.place("a", FILES_RETRIEVE)
    assert (candidate.path, candidate.model, candidate.deployment) == (b"/openai/files/{file}?api-version=v", b"", "")
    assert routes.place("a", FILES_RETRIEVE) is candidate


def test_an_upstream_that_is_gone_is_a_503():
    with pytest.raises(Refusal) as refused:
        serving(route("m", target("a"))).place("b", FILES_RETRIEVE)
    assert (refused.value.status, refused.value.code) == (503, "upstream_gone")


@pytest.mark.parametrize(
    ("routes", "allowed", "home"),
    [
        ({"m": ["a"], "n": ["b"], "o": ["b"]}, None, "b"),  # the most routes
        ({"m": ["b"], "n": ["a"]}, None, "a"),  # as many: by name
        ({"m": ["b"], "n": ["a"]}, {"m"}, "b"),  # of those that the caller may use
        ({"m": ["a"], "n": ["a", "home"]}, None, "home"),  # the one that is marked
        ({"m": ["a"], "n": ["home"]}, {"m"}, "a"),  # but not where the caller may not go
    ],
)
def test_objects_that_name_nothing_are_made_at_home(routes, allowed, home):
    made = serving(*(route(model, *(target(n, home=n == "home") for n in names)) for model, names in routes.items()))
    assert made.home(caller(allowed_models=allowed and frozenset(allowed))) == home


def test_a_caller_without_any_upstream_has_no_home():
    with pytest.raises(Refusal) as refused:
        serving(route("m", target("a"))).home(caller(allowed_models=frozenset()))
    assert (refused.value.status, refused.value.code) == (503, "no_upstream")
