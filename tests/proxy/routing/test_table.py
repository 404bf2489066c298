"""A model becomes targets in their order, and paths as each provider wants them."""

from collections import Counter

import pytest

from core.prices import Price
from core.snapshot import Target
from proxy.errors import Refusal
from proxy.targets import Board
from tests.proxy.routing.tenants import (
    CHAT,
    FILES_RETRIEVE,
    NOW,
    PRICE,
    RESPONSES,
    caller,
    order,
    route,
    serving,
    target,
)


def table(*targets: Target):
    return serving(route("m", *targets))


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
    assert order(routes, who=caller(refuse_unpriced=False)) == ["unpriced", "priced"]
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
        ({"m": ["a"], "n": ["b"], "o": ["b"]}, {"alias-of-m"}, "a"),
        ({"m": ["a"], "n": ["b"], "o": ["b"]}, None, "b"),  # the most routes
        ({"m": ["b"], "n": ["a"]}, None, "a"),  # as many: by name
        ({"m": ["b"], "n": ["a"]}, {"m"}, "b"),  # of those that the caller may use
        ({"m": ["a"], "n": ["a", "home"]}, None, "home"),  # the one that is marked
        ({"m": ["a"], "n": ["home"]}, {"m"}, "a"),  # but not where the caller may not go
    ],
)
def test_objects_that_name_nothing_are_made_at_home(routes, allowed, home):
    made = serving(
        *(
            route(model, *(target(n, home=n == "home") for n in names), aliases=(f"alias-of-{model}",))
            for model, names in routes.items()
        )
    )
    assert made.home(caller(allowed_models=allowed and frozenset(allowed))) == home


def test_a_caller_without_any_upstream_has_no_home():
    with pytest.raises(Refusal) as refused:
        serving(route("m", target("a"))).home(caller(allowed_models=frozenset()))
    assert (refused.value.status, refused.value.code) == (503, "no_upstream")


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def wild():
    """Routes by name, alias and wildcard; each is served by an upstream called like it."""
    names = ("gpt-4o", "gpt-*", "gpt-4*", "o3-mini", "*")
    routes = [route(n, target(n)) for n in names if n != "gpt-4o"]
    return serving(*routes, route("gpt-4o", target("gpt-4o"), aliases=("latest", "gpt-4.5")))


@pytest.mark.parametrize(
    ("said", "served_by"),
    [
        ("gpt-4o", "gpt-4o"),  # itself before any wildcard
        ("latest", "gpt-4o"),
        ("gpt-4.5", "gpt-4o"),  # an alias, too
        ("gpt-4.1", "gpt-4*"),  # the longest
        ("gpt-3.5", "gpt-*"),
        ("o3-mini", "o3-mini"),
        ("claude", "*"),
    ],
)
def test_a_name_means_a_route_before_an_alias_before_the_longest_wildcard(said, served_by):
    assert order(wild(), said) == [served_by]


def test_a_pattern_is_no_model():
    with pytest.raises(Refusal) as refused:
        order(wild(), "gpt-5*")
    assert refused.value.status == 404


def test_a_deployment_that_is_a_star_is_the_model_as_it_is_asked_for_and_has_its_price():
    priced = {("azure_openai", "o3-mini"): (Price(0.0, 7, 7, 7),)}
    azure = {"provider": "azure_openai", "endpoint": "https://x.example", "api_version": "v"}
    routes = serving(route("o3-*", target("a", deployment="*", prices=(), **azure)), prices=priced)
    (candidate,) = routes.route(caller(), "o3-mini", CHAT, NOW)[1]
    assert candidate.path == b"/openai/deployments/o3-mini/chat/completions?api-version=v"
    assert (candidate.model, candidate.target.prices[0].input) == (b'"o3-mini"', 7)
    with pytest.raises(Refusal, match="no price"):
        routes.route(caller(), "o3-pro", CHAT, NOW)
    assert candidate.health.deployment == "*"  # names that callers invent are no targets of their own


@pytest.mark.parametrize(
    ("allowed", "model", "may"),
    [
        ({"gpt-*"}, "gpt-4.1", True),
        ({"gpt-4.1"}, "gpt-4.1", True),
        ({"gpt-4.1"}, "gpt-4.2", False),
        ({"gpt-4o"}, "latest", True),  # another name of what is allowed
        ({"latest"}, "latest", True),
        ({"latest"}, "gpt-4o", False),
        ({"o3-mini"}, "gpt-4o", False),
    ],
)
def test_a_policy_allows_names_routes_and_wildcards(allowed, model, may):
    who = caller(allowed_models=frozenset(allowed))
    if may:
        assert order(wild(), model, who)
    else:
        with pytest.raises(Refusal) as refused:
            order(wild(), model, who)
        assert refused.value.code == "model_not_found"


def test_names_that_callers_invent_are_not_kept_without_bound(monkeypatch):
    monkeypatch.setattr("proxy.routing.table._MOST_PREPARED", 10)
    routes = wild()
    for number in range(100):
        order(routes, f"invented-{number}")
    assert len(routes._prepared) <= 10


# ── Fallbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def chain():
    return serving(
        route("m", target("a"), fallback="n"),
        route("n", target("b"), target("c", priority=1), fallback="o"),
        route("o", target("d"), fallback="m"),
    )


def test_fallbacks_follow_one_another_and_a_circle_ends():
    assert order(chain()) == ["a", "b", "c", "d"]
    assert order(chain(), "o") == ["d", "a", "b", "c"]


def test_a_fallback_that_the_policy_does_not_allow_is_passed_over():
    assert order(chain(), who=caller(allowed_models=frozenset({"m", "o"}))) == ["a", "d"]


def test_a_fallback_that_is_gone_is_none():
    assert order(serving(route("m", target("a"), fallback="gone"))) == ["a"]


def test_what_builds_on_an_object_falls_back_on_its_upstream_alone():
    routes = serving(route("m", target("a"), target("b"), fallback="n"), route("n", target("b"), target("c")))
    candidates = routes.route(caller(), "m", CHAT, NOW, upstream="b")[1]
    assert [(each.upstream, each.route.model) for each in candidates] == [("b", "m"), ("b", "n")]
    with pytest.raises(Refusal, match="not served where"):
        routes.route(caller(), "m", CHAT, NOW, upstream="c")


# ── Upstreams' own settings ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_upstream_has_its_own_timeouts_and_a_limit_that_it_shares_with_none():
    routes = table(target("a", timeouts={"first_byte": 2.0}, max_connections=3), target("b"), target("c"))
    found = {each.upstream: each for each in routes.route(caller(), "m", CHAT, NOW)[1]}
    assert found["a"].timeouts.first_byte == 2.0
    assert found["a"].timeouts.answer == found["b"].timeouts.answer
    assert found["a"].origin != found["b"].origin == found["c"].origin
    assert found["a"].origin.max_connections == 3


def test_a_new_snapshot_is_no_new_target():
    board = Board()
    before, after = (
        serving(route("m", target("a", weight=weight)), board=board).route(caller(), "m", CHAT, NOW)[1][0]
        for weight in (1, 2)
    )
    assert before.health is after.health
