"""What a session's events may say, and how limits and budgets bind while it lasts. Each test has a tenant of its own."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.proxy.realtime.sessions import CREATE, IN_TEXT, MODEL, TRANSCRIBER, Estate, request_id, said, told
from tests.proxy.stack import Stack, eventually
from tests.simulators.fixtures import Simulator

NewStack = Callable[..., Stack]


@pytest.fixture
def estate(new_stack: NewStack, fresh_simulator: Simulator) -> Estate:
    return Estate(new_stack(), fresh_simulator)


def test_a_policys_tools_models_and_caps_hold_within_a_session(estate: Estate) -> None:
    estate.start(allowed_tools=["function"], max_output_tokens=5, allowed_models=[MODEL])
    mcp = {"type": "mcp", "server_label": "x", "server_url": "https://example.com"}
    listening = {"audio": {"input": {"transcription": {"model": TRANSCRIBER}}}}
    refused = [
        ({"type": "session.update", "session": {"type": "realtime", "tools": [mcp]}}, "tool_not_allowed"),
        ({"type": "response.create", "response": {"tools": [mcp]}}, "tool_not_allowed"),
        ({"type": "session.update", "session": {"type": "realtime", **listening}}, "model_not_found"),
        ({"type": "session.update", "session": {"model": "gpt-4o"}}, "model_change_not_allowed"),
        ({"type": "session.update", "session": {"prompt": {"id": "pmpt_somebodys"}}}, "object_not_found"),
        (
            {"type": "session.update", "session": {"audio": {"output": {"voice": {"id": "voice_x"}}}}},
            "object_not_found",
        ),
        ({"type": "session.update", "session": [{"tools": [mcp]}]}, "invalid_type"),
        ({"type": "session.steal"}, "unknown_event"),
    ]
    with estate.socket() as socket:
        # The cap is the first thing that the provider is told.
        assert told(socket, last="session.updated")[-1]["session"]["max_output_tokens"] == 5
        for number, (event, code) in enumerate(refused):
            error = told(socket, {**event, "event_id": f"mine-{number}"}, last="error")[-1]["error"]
            assert (error["code"], error["event_id"]) == (code, f"mine-{number}")
        told(socket, {**IN_TEXT, "session": {**IN_TEXT["session"], "max_output_tokens": "inf"}}, last="session.updated")
        done = told(socket, said("write 30 tokens"), CREATE)[-1]

    assert done["response"]["usage"]["output_tokens"] == 5
    (seen,) = estate.simulator.requests()
    went_on = json.dumps(seen["body"])
    assert "mcp" not in went_on
    assert "pmpt_somebodys" not in went_on
    assert "mine-" not in went_on


@pytest.mark.parametrize("redis", [True, False], ids=["Redis", "memory"])
def test_a_rate_that_is_reached_refuses_a_response_and_the_session_goes_on(
    new_stack: NewStack, fresh_simulator: Simulator, redis: bool
) -> None:
    estate = Estate(new_stack(redis=redis), fresh_simulator)
    estate.start(tokens_per_minute=10_000, max_concurrent_requests=1)
    with estate.socket() as socket:
        told(socket, IN_TEXT, last="session.updated")
        told(socket, said("write 3 tokens"), {"type": "response.create", "response": {"max_output_tokens": 50}})
        error = told(socket, {"type": "response.create", "response": {"max_output_tokens": 9_999}})[-1]
        with pytest.raises(InvalidStatus) as second, estate.socket():
            pass
        again = told(socket, {"type": "response.create", "response": {"max_output_tokens": 50}})[-1]

    assert len(estate.shares(estate.session_row(request_id(socket))["id"], 2)) == 2
    assert (error["type"], error["error"]["code"]) == ("error", "rate_limit_exceeded")
    assert again["type"] == "response.done"
    assert (second.value.response.status_code, b"max_concurrent_requests" in second.value.response.body) == (429, True)


def test_a_spent_budget_refuses_the_next_response_and_ends_the_session(estate: Estate) -> None:
    budget = {"scope": "client:contoso", "period": "total", "amount_usd": "0.01", "on_exceeded": "block"}
    estate.start(budgets=[budget])
    asked = {"type": "response.create", "response": {"max_output_tokens": 300}}  # half of the budget, as text
    with estate.socket() as socket:
        told(socket, IN_TEXT, last="session.updated")
        answers = []
        while not answers or answers[-1]["type"] == "response.done":
            answers.append(told(socket, said("write 200 tokens"), asked)[-1])
        with pytest.raises(ConnectionClosed) as closed:
            while True:  # what the provider still says of the last item comes first
                socket.recv(timeout=60)

    assert len(answers) > 1
    assert answers[-1]["error"]["code"] == "insufficient_quota"
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "insufficient_quota")
    row = estate.session_row(request_id(socket))
    assert row["error_code"] == "insufficient_quota"
    shares = estate.shares(row["id"], len(answers) - 1)
    assert sum(share["cost_usd"] for share in shares) <= Decimal("0.01")


def test_a_response_that_is_cut_by_a_hang_up_is_counted_from_what_was_received(estate: Estate) -> None:
    estate.start()
    with estate.socket(**{"x-simulate": "chunk-delay=0.05"}) as socket:
        told(socket, IN_TEXT, last="session.updated")
        told(socket, said("write 500 tokens"), CREATE, last="response.output_text.delta")
        received = 1 + sum(
            json.loads(socket.recv(timeout=60))["type"] == "response.output_text.delta" for _ in range(5)
        )

    row = estate.session_row(request_id(socket))
    (share,) = estate.shares(row["id"], 1)
    assert (share["usage_source"], share["cancelled"], share["error_code"]) == ("counted", True, "caller_hung_up")
    assert received <= share["output_tokens"] < 100
    assert share["input_tokens"] > 0


def test_a_killed_proxys_session_is_an_estimate_and_nothing_is_doubled(
    new_stack: NewStack, fresh_simulator: Simulator
) -> None:
    estate = Estate(new_stack(lease_seconds="2"), fresh_simulator)
    estate.start()
    with estate.socket(**{"x-simulate": "chunk-delay=0.2"}) as socket:
        told(socket, IN_TEXT, last="session.updated")
        told(socket, said("write 2 tokens"), CREATE)
        told(socket, said("write 500 tokens"), CREATE, last="response.output_text.delta")
        estate.stack.stop("proxy-0", 9)
    rows = eventually(
        "the session, its share and the one that was under way",
        lambda: found if len(found := estate.stack.rows()) >= 3 else None,
        within=60,
    )

    session, done, cut = rows
    assert (session["kind"], session["usage_source"], session["error_code"]) == ("call", "estimated", "orphaned")
    assert (done["kind"], done["usage_source"], done["output_tokens"]) == ("realtime", "reported", 2)
    assert (cut["kind"], cut["usage_source"], cut["parent_id"]) == ("realtime", "estimated", session["id"])


def test_a_drain_tells_sessions_when_its_time_is_over(new_stack: NewStack, fresh_simulator: Simulator) -> None:
    estate = Estate(new_stack(drain_timeout="2"), fresh_simulator)
    estate.start()
    with estate.socket() as socket:
        told(socket, IN_TEXT, last="session.updated")
        estate.stack.proxies["proxy-0"].terminate()
        done = told(socket, said("write 3 tokens"), CREATE)[-1]  # it is let finish what it can
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)

    assert done["type"] == "response.done"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    row = estate.session_row(request_id(socket))
    assert row["error_code"] == "gateway_stopped"
    assert len(estate.shares(row["id"], 1)) == 1
