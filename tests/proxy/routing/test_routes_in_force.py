"""What a route's settings do to calls, through real processes."""

import json

import openai
import pytest

from tests.proxy.routing.seeds import CHAT, a_target, seed_of
from tests.proxy.stack import Stack, eventually


@pytest.fixture(scope="module")
def served(postgres, tmp_path_factory):
    """A proxy and a writer, with routes of every kind; the simulator is the upstream."""
    from deployer.local.valkey import ValkeyServer
    from tests.conftest import open_database
    from tests.simulators.fixtures import Simulator

    simulator = Simulator()
    valkey = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    with open_database(postgres) as url:
        stack = Stack(tmp_path_factory.mktemp("tenant"), url, valkey.url)
        quick = {"endpoint": simulator.url, "timeouts": {"first_byte": 0.5, "answer": 0.5}}
        routes = [
            {"model": "fails", "targets": [a_target("dead", "d")], "fallback": "gpt-4o"},
            {"model": "fails-too", "targets": [a_target("dead", "d")], "fallback": "secret"},
            {"model": "gpt-4o", "aliases": ["latest"], "targets": [a_target("sim", "gpt-4o-2024")]},
            {"model": "o3-*", "targets": [a_target("sim", "*")], "answer_model": "requested"},
            {"model": "said", "answer_model": "requested", "targets": [a_target("sim", "gpt-4o")]},
            {
                "model": "set",
                "targets": [a_target("sim", "set")],
                "defaults": {"temperature": 0.2, "seed": 7},
                "overrides": {"store": False, "metadata": {"tenant": "contoso"}},
            },
            {"model": "hangs", "targets": [a_target("quick", "hangs"), a_target("sim", "spare", priority=1)]},
            {"model": "hangs-alone", "targets": [a_target("sim", "hangs-alone")]},
            {"model": "secret", "targets": [a_target("sim", "secret")]},
        ]
        allowed = ["fails", "fails-too", "gpt-4o", "o3-*", "said", "set", "hangs*"]
        upstreams = {"sim": simulator.url, "dead": "http://127.0.0.1:9", "quick": quick}
        try:
            stack.seed(seed_of(upstreams, routes, allowed_models=allowed))
            stack.start_proxy()
            stack.start_writer()
            yield stack, simulator
        finally:
            stack.close()
            valkey.kill()
            simulator.stop()


@pytest.fixture
def stack(served) -> Stack:
    served[1].clear()
    return served[0]


@pytest.fixture
def simulator(served):
    return served[1]


def ask(stack: Stack, model: str, headers=None, **body):
    with stack.http(headers=headers or {}) as http:
        return http.post("/v1/chat/completions", json={**CHAT, "model": model, **body})


def test_a_fallback_serves_and_says_so_to_the_caller_and_the_ledger(stack):
    answer = ask(stack, "fails")
    assert (answer.status_code, answer.headers["x-aduana-model"]) == (200, "gpt-4o")
    row = stack.row(answer.headers["x-request-id"])
    assert (row["requested_model"], row["route"], row["upstream"]) == ("fails", "gpt-4o", "sim")


def test_a_fallback_that_the_policy_does_not_allow_serves_nobody(stack, simulator):
    assert ask(stack, "fails-too").status_code in (502, 503)  # 503 once its circuit is open
    assert simulator.requests() == []


def test_an_alias_is_served_by_its_route_and_kept_as_the_caller_said_it(stack, simulator):
    answer = ask(stack, "latest")
    row = stack.row(answer.headers["x-request-id"])
    assert (row["requested_model"], row["route"], row["deployment"]) == ("latest", "gpt-4o", "gpt-4o-2024")
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key) as client:
        names = [model.id for model in client.models.list()]
        assert client.models.retrieve("latest").id == "latest"
        assert client.models.retrieve("o3-mini").id == "o3-mini"
    assert "latest" in names and "o3-*" not in names and "secret" not in names


@pytest.mark.parametrize("streamed", [False, True])
def test_a_wildcard_passes_the_model_on_and_answers_with_the_name_that_was_asked_for(stack, simulator, streamed):
    answer = ask(stack, "o3-mini", stream=streamed)
    assert simulator.requests()[0]["body"]["model"] == "o3-mini"
    row = stack.row(answer.headers["x-request-id"])
    assert (row["requested_model"], row["route"], row["deployment"]) == ("o3-mini", "o3-*", "o3-mini")


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answers_model_is_the_one_that_was_asked_for_where_the_route_says_so(stack, streamed):
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key) as client:
        if streamed:
            events = list(client.chat.completions.create(**{**CHAT, "model": "said"}, stream=True))
            assert {event.model for event in events} == {"said"}
            parts = list(client.responses.create(model="said", input="echo well", stream=True))
            assert parts[-1].response.model == "said"
        else:
            assert client.chat.completions.create(**{**CHAT, "model": "said"}).model == "said"
            assert client.chat.completions.create(**{**CHAT, "model": "latest"}).model != "latest"


def test_defaults_and_overrides_reach_the_provider(stack, simulator):
    ask(stack, "set", temperature=1, store=True, metadata={"x": "y"})
    body = simulator.requests()[0]["body"]
    assert (body["temperature"], body["seed"], body["store"]) == (1, 7, False)
    assert body["metadata"] == {"tenant": "contoso"}


def test_an_upstreams_own_timeout_holds(stack, simulator):
    simulator.faults({"model": "hangs", "faults": {"hang": True}})
    answer = ask(stack, "hangs")
    assert answer.status_code == 200
    row = stack.row(answer.headers["x-request-id"])
    codes = [attempt["error_code"] for attempt in stack.attempts(row)]
    assert codes in (["upstream_answer_timeout", None], ["upstream_first_byte_timeout", None])


@pytest.mark.parametrize("header", ["x-aduana-timeout", "x-stainless-read-timeout", "x-stainless-timeout"])
def test_a_callers_patience_ends_its_attempts_and_says_nothing_about_the_target(stack, simulator, header):
    simulator.faults({"model": "hangs-alone", "faults": {"hang": True}})
    answer = ask(stack, "hangs-alone", {header: "1"})
    assert answer.status_code == 504
    simulator.faults()
    assert ask(stack, "hangs-alone").status_code == 200  # its circuit is closed
    assert header not in dict(simulator.requests()[0]["headers"])


def test_no_attempt_is_begun_without_time_for_it(stack, simulator):
    answer = ask(stack, "gpt-4o", {"x-aduana-timeout": "0.01"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "caller_timeout")
    assert simulator.requests() == []


def test_weights_and_priorities_change_under_a_stream_that_goes_on(new_stack, start_simulator):
    one, two = start_simulator(), start_simulator()
    stack: Stack = new_stack()
    upstreams = {"one": one.url, "two": two.url}

    def seed(priority: int) -> None:
        targets = [a_target("one", "m", priority=priority), a_target("two", "m", priority=1)]
        limit = {"endpoint": one.url, "max_connections": 5 + priority}
        stack.seed(seed_of({**upstreams, "one": limit}, [{"model": "m", "targets": targets}]))

    seed(0)
    stack.start_proxy()
    body = {**CHAT, "messages": [{"role": "user", "content": "write 40 tokens"}], "stream": True}
    with (
        stack.http(headers={"x-simulate": "chunk-delay=0.1"}) as slow,
        slow.stream("POST", "/v1/chat/completions", json=body) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        seed(2)
        eventually("new calls go by the new order", lambda: ask(stack, "m").status_code == 200 and two.requests())
        rest = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert rest[-1]["choices"][0]["finish_reason"] == "stop"
    assert sum(bool(event["choices"][0]["delta"].get("content")) for event in rest) >= 38
