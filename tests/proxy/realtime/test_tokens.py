"""Ephemeral tokens: ours alone, for realtime alone, for as long as whose they are may call."""

import json
from random import Random
from typing import Any

import httpx
import openai
import pytest
from openai.types.beta.realtime import SessionCreateResponse, TranscriptionSession
from openai.types.realtime import ClientSecretCreateResponse
from websockets.exceptions import ConnectionClosed

from core.keys import Peppers
from proxy.errors import Refusal
from proxy.realtime.tokens import EphemeralTokens, Grant
from tests.proxy.realtime.sessions import CREATE, MODEL, TRANSCRIBER, Estate, request_id, said, told
from tests.proxy.realtime.test_door import refused

TEXT: Any = {"type": "realtime", "model": MODEL, "output_modalities": ["text"], "instructions": "be brief"}


def minted(held: Estate, path: str = "client_secrets", **body: Any) -> dict[str, Any]:
    with held.stack.http() as http:
        answer = http.post(f"/v1/realtime/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_browser_holds_the_session_that_its_token_was_made_for(held: Estate) -> None:
    with held.sdk() as client:
        secret = client.realtime.client_secrets.create(session=TEXT)
    protocols = ["realtime", f"openai-insecure-api-key.{secret.value}"]
    with held.socket("/v1/realtime", key=None, protocols=protocols) as socket:
        session = told(socket, last="session.updated")[-1]["session"]
        done = told(socket, said("write 3 tokens"), CREATE)[-1]

    assert secret.value.startswith("ek_")
    assert session["output_modalities"] == ["text"]
    assert session["instructions"] == "be brief"
    assert done["response"]["usage"]["output_tokens"] == 3
    row = held.session_row(request_id(socket))
    assert row["caller"] == "contoso/research/talker/prod"
    assert held.shares(row["id"], 1)[0]["output_tokens"] == 3


@pytest.mark.parametrize(
    ("path", "body", "shape"),
    [
        ("client_secrets", {"session": TEXT}, ClientSecretCreateResponse),
        ("client_secrets", {}, ClientSecretCreateResponse),
        (
            "client_secrets",
            {"session": {"type": "transcription", "audio": {"input": {"transcription": {"model": TRANSCRIBER}}}}},
            ClientSecretCreateResponse,
        ),
        ("sessions", {"model": MODEL, "modalities": ["text"]}, SessionCreateResponse),
        ("transcription_sessions", {"input_audio_transcription": {"model": TRANSCRIBER}}, TranscriptionSession),
    ],
)
def test_an_answer_has_the_sdks_shape_and_no_provider_is_asked(
    held: Estate, path: str, body: Any, shape: type[openai.BaseModel]
) -> None:
    before = len(held.simulator.requests())
    answer = minted(held, path, **body)

    shape.model_validate(answer, strict=True)
    assert len(held.simulator.requests()) == before


def test_a_token_works_for_realtime_alone(held: Estate) -> None:
    token = minted(held, session=TEXT)["value"]
    answer = httpx.post(
        f"{held.stack.url}/v1/chat/completions",
        headers={"authorization": f"Bearer {token}"},
        json={"model": "gpt-4o", "messages": []},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_token_opens_no_session_of_another_model(held: Estate) -> None:
    token = minted(held, session=TEXT)["value"]
    status, error = refused(held, "/v1/realtime?model=gpt-4o", key=token)
    assert (status, error["code"]) == (403, "token_of_another_model")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"session": {"type": "realtime", "model": "nothing"}}, 404, "model_not_found"),
        ({"expires_after": {"anchor": "created_at", "seconds": 9}}, 400, "invalid_value"),
        ({"expires_after": {"anchor": "created_at", "seconds": 7201}}, 400, "invalid_value"),
        ({"session": "all"}, 400, "invalid_value"),
        ({"session": {**TEXT, "prompt": {"id": "pmpt_somebody"}}}, 404, "object_not_found"),
        ({"session": {"type": "transcription", "audio": {"input": {"transcription": {}}}}}, 400, "missing_model"),
    ],
)
def test_a_token_is_made_for_nothing_that_a_session_could_not_be(
    held: Estate, body: Any, status: int, code: str
) -> None:
    with held.stack.http() as http:
        answer = http.post("/v1/realtime/client_secrets", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_revoked_keys_tokens_are_revoked_with_it_and_its_sessions_end(held: Estate) -> None:
    with held.stack.http(headers={"authorization": f"Bearer {held.other_key}"}) as http:
        token = http.post("/v1/realtime/client_secrets", json={"session": TEXT}).json()["value"]
    with held.socket("/v1/realtime", key=token) as socket:
        told(socket, last="session.updated")
        held.stack.execute("UPDATE api_keys SET disabled_at = now() WHERE id = %s", held.other_key[4:12])
        try:
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=60)
            status, error = refused(held, "/v1/realtime", key=token)
        finally:
            held.stack.execute("UPDATE api_keys SET disabled_at = NULL WHERE id = %s", held.other_key[4:12])

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "invalid_api_key")
    assert (status, error["code"]) == (401, "disabled_api_key")
    assert held.session_row(request_id(socket))["error_code"] == "invalid_api_key"


TOKENS = EphemeralTokens(Peppers({1: b"p" * 32}))
GRANT = Grant("abcdefgh", 1_000, False, False, MODEL, {"type": "realtime"})


def test_a_token_says_what_was_sealed_until_it_expires() -> None:
    token = TOKENS.seal(GRANT)
    assert TOKENS.open(token, 999.9) == GRANT
    with pytest.raises(Refusal) as raised:
        TOKENS.open(token, 1_000)
    assert (raised.value.status, raised.value.code) == (401, "expired_api_key")


def test_an_older_peppers_tokens_live_while_the_pepper_does() -> None:
    token = TOKENS.seal(GRANT)
    assert EphemeralTokens(Peppers({1: b"p" * 32, 2: b"q" * 32})).open(token, 0) == GRANT
    with pytest.raises(Refusal):
        EphemeralTokens(Peppers({2: b"q" * 32})).open(token, 0)


@pytest.mark.parametrize("at", [0, 5, 20, -1])
def test_a_changed_token_is_none(at: int) -> None:
    token = TOKENS.seal(GRANT)
    encoded = list(token.removeprefix("ek_"))
    encoded[at] = "A" if encoded[at] != "A" else "B"
    with pytest.raises(Refusal) as raised:
        TOKENS.open("ek_" + "".join(encoded), 0)
    assert raised.value.code == "invalid_api_key"


@pytest.mark.parametrize("text", ["ek_", "ek_A", "ek_äöü", "ek_" + "A" * 100, "ek_!!!!"])
def test_garbage_is_no_token(text: str) -> None:
    with pytest.raises(Refusal):
        TOKENS.open(text, 0)


def test_a_session_that_fits_into_no_header_is_refused() -> None:
    noise = json.dumps([Random(seed).random() for seed in range(4_000)])
    with pytest.raises(Refusal) as raised:
        TOKENS.seal(Grant("abcdefgh", 1, False, False, None, {"instructions": noise}))
    assert raised.value.code == "session_too_large"
