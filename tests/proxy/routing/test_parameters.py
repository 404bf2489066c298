"""What a route sets of a request, and the name of the model in its answer."""

import json

import msgspec
import pytest

from proxy.bodies import JsonBody
from proxy.renaming import renamed, renamed_events
from proxy.routing.parameters import Parameters
from tests.proxy.routing.tenants import CHAT, caller, route, serving, target

GIVEN = {"model": "m", "messages": [], "temperature": 1}


def parameters(defaults=None, overrides=None) -> Parameters | None:
    return Parameters.of(route("m", defaults=defaults or {}, overrides=overrides or {}))


def sent(body: JsonBody) -> dict:
    return json.loads(body.sent(b'"deployment"', "max_completion_tokens").content)


@pytest.mark.parametrize(
    ("given", "defaults", "overrides", "expected"),
    [
        ({}, {"temperature": 0.2}, {}, {"temperature": 0.2}),
        ({"temperature": 1}, {"temperature": 0.2}, {}, {"temperature": 1}),
        ({"temperature": 1}, {}, {"temperature": 0.2}, {"temperature": 0.2}),
        ({"Temperature": 1, "User": "a"}, {}, {"temperature": 0.2}, {"temperature": 0.2, "User": "a"}),
        (
            {},
            {"top_p": 1, "metadata": {"a": ["b"]}},
            {"store": False},
            {"top_p": 1, "metadata": {"a": ["b"]}, "store": False},
        ),
        # One cap by several names: who sets one sets it.
        ({"max_tokens": 5}, {"max_completion_tokens": 9}, {}, {"max_tokens": 5}),
        ({"max_tokens": 5}, {}, {"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
    ],
)
def test_defaults_yield_to_the_caller_and_overrides_do_not(given, defaults, overrides, expected):
    body = JsonBody(msgspec.json.encode({"model": "m", **given}))
    body.adopt(parameters(defaults, overrides))
    assert sent(body) == {"model": "deployment", **expected}


def test_a_route_without_parameters_has_none_to_look_at():
    assert parameters() is None
    assert serving(route("m", target("a"))).route(caller(), "m", CHAT, 1000.0)[1][0].parameters is None


def test_all_candidates_of_a_route_have_the_same():
    routes = serving(route("m", target("a"), target("b", priority=1), defaults={"temperature": 0.2}))
    first, second = routes.route(caller(), "m", CHAT, 1000.0)[1]
    assert first.parameters is second.parameters is not None


def test_a_fallback_brings_its_own_but_for_the_caps_that_were_reserved_for():
    body = JsonBody(msgspec.json.encode(GIVEN))
    body.adopt(parameters({"top_p": 0.5}, {"max_tokens": 100}))
    body.cap_output(50)
    body.exchange(parameters({"seed": 7}, {"max_completion_tokens": 10_000}))
    assert sent(body) == {"model": "deployment", "messages": [], "temperature": 1, "seed": 7, "max_tokens": 50}
    body.exchange(None)
    assert sent(body) == {"model": "deployment", "messages": [], "temperature": 1, "max_tokens": 50}


def test_a_fallbacks_parameters_come_also_where_the_route_had_none():
    body = JsonBody(msgspec.json.encode(GIVEN))
    body.exchange(parameters({}, {"temperature": 0}))
    assert sent(body) == {"model": "deployment", "messages": [], "temperature": 0}
    body.exchange(None)
    assert sent(body)["temperature"] == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'{"id":"x","model":"gpt-4o-2024","choices":[ ]}', b'{"id":"x","model":"m","choices":[ ]}'),
        (b'{"type":"e","response":{"id":"r","model":"a"}}', b'{"type":"e","response":{"id":"r","model":"m"}}'),
        (b'{"choices":[{"text":"\\"model\\":1"}]}', b'{"choices":[{"text":"\\"model\\":1"}]}'),
        (b'{"choices":[{"model":"x"}]}', b'{"choices":[{"model":"x"}]}'),
        (b'{"model":null}', b'{"model":null}'),
        (b'["model"]', b'["model"]'),
        (b'"model" no json', b'"model" no json'),
    ],
)
def test_the_model_of_an_answer_becomes_what_was_asked_for_and_nothing_else_changes(answer, expected):
    assert renamed(answer, "m") == expected


def test_events_keep_their_form():
    events = (
        b'event: a\r\ndata: {"model":"%b","n":1}\r\n\r\ndata: [DONE]\n\n'
        b': ping "model"\n\ndata:{"response":{"model":"%b"}}\n\n'
    )
    assert renamed_events(events % (b"x", b"y"), "m") == events % (b"m", b"m")
