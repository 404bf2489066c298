"""Responses over a WebSocket: each is a call of its own."""

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.proxy.realtime.sessions import Estate
from tests.proxy.stack import eventually

MODEL = "gpt-4o"


def ask(socket: Any, **fields: Any) -> list[dict[str, Any]]:
    """The events of one response."""
    socket.send(json.dumps({"type": "response.create", **fields}))
    told = []
    while not told or told[-1]["type"] not in ("response.completed", "error"):
        told.append(json.loads(socket.recv(timeout=20)))
    return told


@pytest.fixture
def socket(held: Estate):
    url = f"ws{held.stack.url.removeprefix('http')}/v1/responses"
    with connect(url, additional_headers={"authorization": f"Bearer {held.stack.key}"}) as opened:
        yield opened


def calls(held: Estate, count: int) -> list[dict[str, Any]]:
    sql = "SELECT * FROM usage_events WHERE endpoint = 'responses' ORDER BY admitted_at"
    return eventually(f"{count} calls", lambda: len(found := held.stack.rows(sql)) >= count and found)


def test_each_response_is_a_call_that_is_metered_and_its_id_is_the_callers(held: Estate, socket: Any) -> None:
    first = ask(socket, model=MODEL, input="write 4 tokens", stream_id="a")
    assert first[0]["type"] == "response.created" and {event["stream_id"] for event in first} == {"a"}
    response = first[-1]["response"]
    second = ask(socket, model=MODEL, input="write 6 tokens", previous_response_id=response["id"])
    rows = calls(held, 2)
    assert [row["output_tokens"] for row in rows] == [4, 6]
    assert [row["usage_source"] for row in rows] == ["reported"] * 2 and len({row["request_id"] for row in rows}) == 2
    assert rows[1]["input_tokens"] == second[-1]["response"]["usage"]["input_tokens"]
    with held.sdk() as client:
        assert client.responses.retrieve(response["id"]).id == response["id"]


def test_what_is_wrong_is_told_and_the_socket_goes_on(held: Estate, socket: Any) -> None:
    for fields, code in [
        ({"model": "none-such", "input": "x"}, "model_not_found"),
        ({"model": MODEL, "input": "x", "previous_response_id": "resp_of_somebody"}, "object_not_found"),
        ({"model": MODEL, "input": "x", "background": True}, "invalid_event"),
        ({"type": "response.steer"}, "invalid_event"),
    ]:
        (told,) = ask(socket, **fields)
        assert (told["type"], told["error"]["code"]) == ("error", code), told
    socket.send("no JSON")
    assert json.loads(socket.recv(timeout=20))["error"]["code"] == "invalid_event"
    assert ask(socket, model=MODEL, input="write 2 tokens")[-1]["type"] == "response.completed"


def test_a_caller_who_goes_is_billed_for_what_was_delivered(held: Estate, socket: Any) -> None:
    held.simulator.faults({"path": "*/responses", "faults": {"hang-after": 5}})
    socket.send(json.dumps({"type": "response.create", "model": MODEL, "input": "write 50 tokens"}))
    deltas = 0
    while deltas < 5:
        deltas += json.loads(socket.recv(timeout=20))["type"] == "response.output_text.delta"
    socket.close()
    sql = "SELECT * FROM usage_events WHERE endpoint = 'responses' AND cancelled"
    (row,) = eventually("the call that was left", lambda: held.stack.rows(sql))
    held.simulator.clear()
    assert (row["error_code"], row["usage_source"], row["output_tokens"]) == ("caller_hung_up", "counted", 5)


def test_nobody_gets_in_without_a_key(held: Estate) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws{held.stack.url.removeprefix('http')}/v1/responses")
    assert refused.value.response.status_code == 401


def test_the_sdk_connects(held: Estate) -> None:
    with held.sdk() as client, client.responses.connect() as connection:
        connection.response.create(model=MODEL, input="write 3 tokens")
        done = next(event for event in connection if event.type == "response.completed")
    assert done.response.usage.output_tokens == 3
