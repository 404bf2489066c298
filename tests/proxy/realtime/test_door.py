"""Who may open a session, and what everybody else is answered."""

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.proxy.realtime.sessions import MODEL, Estate, told
from tests.proxy.stack import eventually

V1 = f"/v1/realtime?model={MODEL}"


def refused(held: Estate, *args: Any, **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as raised, held.socket(*args, **options):
        pass
    response = raised.value.response
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    return response.status_code, json.loads(response.body)["error"]


@pytest.mark.parametrize(
    "path",
    [
        V1,
        f"/openai/v1/realtime?model={MODEL}",
        f"/openai/realtime?api-version=2025-04-01-preview&deployment={MODEL}",
    ],
)
def test_every_surface_has_sessions(held: Estate, path: str) -> None:
    with held.socket(path) as socket:
        assert told(socket, last="session.created")


def test_a_browser_comes_with_its_key_as_a_subprotocol(held: Estate) -> None:
    protocols = ["realtime", f"openai-insecure-api-key.{held.stack.key}", "openai-beta.realtime-v1"]
    with held.socket(key=None, protocols=protocols) as socket:
        assert socket.subprotocol == "realtime"
        assert "modalities" in told(socket, last="session.created")[-1]["session"]


def test_a_key_may_stand_in_the_query_as_azure_has_it(held: Estate) -> None:
    path = f"/openai/realtime?api-version=2025-04-01-preview&deployment={MODEL}&api-key={held.stack.key}"
    with held.socket(path, key=None) as socket:
        assert told(socket, last="session.created")
    assert held.stack.key not in json.dumps(held.simulator.requests()[-1])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/realtime", 400, "missing_model"),
        ("/v1/realtime?model=nothing", 404, "model_not_found"),
        (f"{V1}&call_id=rtc_1", 400, "endpoint_not_served"),
        ("/v1/live", 403, "endpoint_not_served"),
        ("/v1/realtime/translations", 403, "endpoint_not_served"),
        ("/v1/chat/completions", 404, "unknown_url"),
        ("/v1/models", 404, "unknown_url"),
        ("/anything", 404, "unknown_url"),
    ],
)
def test_what_is_not_served_is_an_answer_in_openais_shape(held: Estate, path: str, status: int, code: str) -> None:
    assert (refused(held, path)[0], refused(held, path)[1]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("key", "code"),
    # A key has one name in every process of a test run.
    [(None, "missing_api_key"), ("adu_" + "0" * 8 + "_" + "0" * 43, "invalid_api_key"), ("ek_AAAA", "invalid_api_key")],
)
def test_a_bad_credential_is_a_401(held: Estate, key: str | None, code: str) -> None:
    status, error = refused(held, key=key)
    assert (status, error["code"]) == (401, code)


def test_a_caller_that_hangs_up_ends_the_providers_session_too(held: Estate) -> None:
    with held.socket() as socket:
        told(socket, last="session.created")

    assert eventually("the provider was hung up on", lambda: held.simulator.requests()[-1]["hung_up"])


def test_a_provider_that_ends_a_session_ends_it_for_the_caller(held: Estate) -> None:
    with held.socket(**{"x-simulate": "cut-after=2"}) as socket:
        told(socket, last="session.created")
        socket.send(json.dumps({"type": "response.create"}))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=60)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
