"""Realtime sessions of the simulated provider, by the stock SDK and by a plain WebSocket."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import AzureOpenAI, OpenAI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.simulators.fixtures import Simulator

Start = Callable[..., Simulator]
SECOND_OF_SOUND = base64.b64encode(bytes(48_000)).decode()


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    url = f"{fresh_simulator.url}/v1"
    with OpenAI(base_url=url, api_key="sk-any", max_retries=0, _strict_response_validation=True) as client:
        yield client


def said(text: str) -> Any:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def until(connection: Any, last: str) -> list[Any]:
    events = []
    for event in connection:
        events.append(event)
        if event.type in (last, "error"):
            break
    return events


def opened(simulator: Simulator, path: str = "/v1/realtime?model=gpt-realtime", **headers: str) -> ClientConnection:
    return connect(f"ws{simulator.url.removeprefix('http')}{path}", additional_headers=headers, proxy=None)


def exchanged(socket: ClientConnection, *events: dict[str, Any], last: str = "response.done") -> list[dict[str, Any]]:
    for event in events:
        socket.send(json.dumps(event))
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["type"] not in (last, "error"):
        seen.append(json.loads(socket.recv(timeout=60)))
    return seen


def test_a_response_comes_in_the_providers_order_with_its_usage(fresh_simulator: Simulator, client: OpenAI) -> None:
    with client.realtime.connect(model="gpt-realtime") as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        connection.conversation.item.create(item=said("write 4 tokens"))
        connection.response.create()
        events = until(connection, "response.done")

    assert [event.type for event in events] == [
        "session.updated",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 4,
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response: Any = events[-1].response
    assert response.usage.output_token_details.to_dict() == {"text_tokens": 4, "audio_tokens": 0}
    fresh_simulator.requests(finished=1)
    assert fresh_simulator.usage()["gpt-realtime"]["total_tokens"] == response.usage.total_tokens


def test_sound_in_and_out_is_counted_apart_and_read_again_from_the_cache(fresh_simulator: Simulator) -> None:
    transcription = {"model": "gpt-4o-transcribe"}
    with opened(fresh_simulator) as socket:
        exchanged(
            socket,
            {"type": "session.update", "session": {"audio": {"input": {"transcription": transcription}}}},
            last="session.updated",
        )
        heard = exchanged(
            socket,
            *[{"type": "input_audio_buffer.append", "audio": SECOND_OF_SOUND}] * 10,
            {"type": "input_audio_buffer.commit"},
            last="conversation.item.input_audio_transcription.completed",
        )
        first = exchanged(socket, {"type": "response.create"})[-1]["response"]
        again = exchanged(socket, {"type": "response.create"})[-1]["response"]

    assert heard[0]["type"] == "input_audio_buffer.committed"
    assert heard[-1]["usage"]["input_token_details"] == {"text_tokens": 0, "audio_tokens": 100}
    usage = first["usage"]
    assert usage["input_token_details"]["audio_tokens"] == 100
    assert usage["output_token_details"]["audio_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert again["usage"]["input_token_details"]["cached_tokens_details"]["audio_tokens"] == 64
    said_again = again["usage"]["input_token_details"]["audio_tokens"]
    assert said_again == 100 + usage["output_token_details"]["audio_tokens"]

    fresh_simulator.requests(finished=1)
    billed: Any = fresh_simulator.usage()
    assert billed["gpt-4o-transcribe"]["units"] == {"audio_input_token": 100}
    realtime = billed["gpt-realtime"]
    assert realtime["total_tokens"] == usage["total_tokens"] + again["usage"]["total_tokens"]
    assert realtime["units"]["audio_input_token"] == 100 + said_again - 64
    assert realtime["units"]["cached_audio_input_token"] == 64


def test_whisper_bills_what_it_heard_by_the_second(fresh_simulator: Simulator) -> None:
    with opened(fresh_simulator, "/v1/realtime?intent=transcription") as socket:
        assert json.loads(socket.recv())["session"]["type"] == "transcription"
        heard = exchanged(
            socket,
            {"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}},
            {"type": "input_audio_buffer.append", "audio": SECOND_OF_SOUND},
            {"type": "input_audio_buffer.commit"},
            last="conversation.item.input_audio_transcription.completed",
        )
        assert heard[-1]["usage"] == {"type": "duration", "seconds": 1.0}
        assert exchanged(socket, {"type": "response.create"})[-1]["type"] == "error"

    fresh_simulator.requests(finished=1)
    assert fresh_simulator.usage()["whisper-1"]["units"] == {"audio_millisecond": 1000}


def test_a_tool_is_called_and_answered(fresh_simulator: Simulator) -> None:
    tool = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
    with opened(fresh_simulator) as socket:
        called = exchanged(
            socket,
            {"type": "session.update", "session": {"tools": [tool], "output_modalities": ["text"]}},
            {"type": "conversation.item.create", "item": said("call look_up")},
            {"type": "response.create"},
        )
        (call,) = called[-1]["response"]["output"]
        assert (call["type"], call["name"], call["arguments"]) == ("function_call", "look_up", "{}")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
        answered = exchanged(socket, {"type": "conversation.item.create", "item": output}, {"type": "response.create"})
        assert answered[-1]["response"]["output"][0]["type"] == "message"


def test_a_cancelled_response_is_billed_for_what_was_sent(fresh_simulator: Simulator) -> None:
    with opened(fresh_simulator, **{"x-simulate": "chunk-delay=0.01"}) as socket:
        begun = exchanged(
            socket,
            {"type": "conversation.item.create", "item": said("write 2000 tokens")},
            {"type": "response.create", "response": {"output_modalities": ["text"]}},
            last="response.output_text.delta",
        )
        assert begun[-1]["type"] == "response.output_text.delta"
        busy = exchanged(socket, {"type": "response.create"}, last="error")[-1]
        assert busy["error"]["code"] == "conversation_already_has_active_response"
        done = exchanged(socket, {"type": "response.cancel"})[-1]["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "client_cancelled")
        assert 0 < done["usage"]["output_tokens"] < 2000
        idle = exchanged(socket, {"type": "response.cancel"}, last="error")[-1]
        assert idle["error"]["code"] == "response_cancel_not_active"

    fresh_simulator.requests(finished=1)
    assert fresh_simulator.usage()["gpt-realtime"]["total_tokens"] == done["usage"]["total_tokens"]


@pytest.mark.parametrize(
    ("event", "said_of_it"),
    [
        ({"type": "nothing"}, "Invalid value: 'nothing'"),
        ({}, "'type'"),
        ({"type": "input_audio_buffer.commit"}, "buffer too small"),
        ({"type": "input_audio_buffer.append", "audio": "%"}, "base64"),
        ({"type": "conversation.item.create"}, "'item'"),
        ({"type": "conversation.item.delete", "item_id": "item_none"}, "item_none"),
    ],
)
def test_what_is_wrong_is_told_and_the_session_goes_on(
    fresh_simulator: Simulator, event: dict[str, Any], said_of_it: str
) -> None:
    with opened(fresh_simulator) as socket:
        error = exchanged(socket, {**event, "event_id": "mine"}, last="error")[-1]["error"]
        assert said_of_it in error["message"]
        assert error["event_id"] == "mine"
        assert exchanged(socket, {"type": "response.create"})[-1]["type"] == "response.done"


def test_items_are_fetched_truncated_and_deleted(fresh_simulator: Simulator) -> None:
    with opened(fresh_simulator) as socket:
        item = exchanged(
            socket, {"type": "conversation.item.create", "item": said("x")}, last="conversation.item.done"
        )[-1]["item"]["id"]
        for verb, last in (("retrieve", "retrieved"), ("truncate", "truncated"), ("delete", "deleted")):
            event = {"type": f"conversation.item.{verb}", "item_id": item}
            assert exchanged(socket, event, last=f"conversation.item.{last}")[-1]["type"].endswith(last)


# Azure


def test_azures_dated_path_speaks_the_betas_dialect(fresh_simulator: Simulator) -> None:
    path = "/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-4o-realtime"
    with opened(fresh_simulator, path, **{"api-key": "k"}) as socket:
        session = json.loads(socket.recv())["session"]
        assert (session["modalities"], session["input_audio_format"]) == (["audio", "text"], "pcm16")
        events = exchanged(
            socket, {"type": "conversation.item.create", "item": said("write 3 tokens")}, {"type": "response.create"}
        )

    kinds = [event["type"] for event in events]
    assert "conversation.item.created" in kinds
    assert kinds.count("response.audio_transcript.delta") == 3
    assert "response.audio.delta" in kinds
    assert events[-1]["response"]["usage"]["output_token_details"]["text_tokens"] == 3


def test_the_azure_client_and_the_v1_path_are_served(fresh_simulator: Simulator) -> None:
    sockets = f"ws{fresh_simulator.url.removeprefix('http')}/openai"
    with (
        AzureOpenAI(
            azure_endpoint=fresh_simulator.url, websocket_base_url=sockets, api_key="k", api_version="v"
        ) as azure,
        azure.realtime.connect(model="gpt-4o-realtime") as connection,
    ):
        assert connection.recv().type == "session.created"
    with (
        OpenAI(base_url=f"{fresh_simulator.url}/openai/v1", api_key="k") as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        assert connection.recv().type == "session.created"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/realtime?deployment=x", 404),
        ("/v1/realtime", 400),
        ("/v1/nothing", 403),
    ],
)
def test_a_socket_that_cannot_be_is_refused(fresh_simulator: Simulator, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(fresh_simulator, path):
        pass
    assert refused.value.response.status_code == status


def test_a_session_asks_for_a_key_or_for_an_ephemeral_one(start_simulator: Start) -> None:
    simulator = start_simulator("--api-key", "sk-right")
    with OpenAI(base_url=f"{simulator.url}/v1", api_key="sk-right") as client:
        secret = client.realtime.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime"}).value

    for key in ("sk-right", secret):
        with opened(simulator, authorization=f"Bearer {key}") as socket:
            assert json.loads(socket.recv())["type"] == "session.created"
    with pytest.raises(InvalidStatus) as refused, opened(simulator, authorization="Bearer sk-wrong"):
        pass
    assert refused.value.response.status_code == 401
    with OpenAI(base_url=f"{simulator.url}/v1", api_key=secret) as client, pytest.raises(openai.AuthenticationError):
        client.models.list()


# Faults and the journal


def test_faults_befall_sessions(fresh_simulator: Simulator) -> None:
    fresh_simulator.faults({"path": "/v1/realtime", "first": 1, "faults": {"status": 429, "retry-after": 2}})
    with pytest.raises(InvalidStatus) as refused, opened(fresh_simulator):
        pass
    assert (refused.value.response.status_code, refused.value.response.headers["retry-after-ms"]) == (429, "2000")

    request = {"type": "response.create", "response": {"output_modalities": ["text"]}}
    with opened(fresh_simulator, **{"x-simulate": "cut-after=2"}) as socket, pytest.raises(ConnectionClosed):
        exchanged(socket, request)
    with opened(fresh_simulator, **{"x-simulate": "fail-after=1"}) as socket:
        assert exchanged(socket, request)[-1]["error"]["type"] == "server_error"
    seen = fresh_simulator.requests(finished=3)
    assert [(one["status"], one["cut"]) for one in seen] == [(429, False), (101, True), (101, False)]
    assert fresh_simulator.usage()["gpt-realtime"]["completion_tokens"] == 3 + 2


def test_the_journal_tells_what_was_said_without_the_sound(fresh_simulator: Simulator) -> None:
    with opened(fresh_simulator) as socket:
        exchanged(
            socket,
            {"type": "input_audio_buffer.append", "audio": SECOND_OF_SOUND},
            {"type": "input_audio_buffer.commit"},
            last="conversation.item.done",
        )

    (seen,) = fresh_simulator.requests(finished=1)
    assert (seen["path"], seen["status"], seen["hung_up"]) == ("/v1/realtime", 101, True)
    assert [event["type"] for event in seen["body"]["events"]] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
    ]
    assert seen["body"]["events"][0]["audio"] == "64000 characters"
