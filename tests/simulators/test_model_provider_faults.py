"""Every fault of the simulator, as the stock SDK and a bare socket meet it; and the bill that remains."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import trustme
from openai import AsyncOpenAI, AzureOpenAI, OpenAI

from tests.simulators.fixtures import Simulator

Start = Callable[..., Simulator]


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def ask(client: OpenAI, faults: str = "", content: str = "write 10 tokens", **options: Any) -> Any:
    messages: Any = [{"role": "user", "content": content}]
    headers = {"x-simulate": faults} if faults else {}
    return client.chat.completions.create(model="gpt-4o", messages=messages, extra_headers=headers, **options)


def received(stream: Any) -> Iterator[str]:
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_a_status_is_the_error_that_the_sdk_makes_of_it_and_is_not_billed(
    fresh_simulator: Simulator, client: OpenAI, status: int, raised: type[openai.APIStatusError]
) -> None:
    with pytest.raises(raised) as refused:
        ask(client, f"status={status}; retry-after=0.5; error-code=mine")

    assert refused.value.code == "mine"
    assert refused.value.response.headers["retry-after"] == "0.5"
    assert refused.value.response.headers["retry-after-ms"] == "500"
    assert fresh_simulator.usage() == {}


def test_azures_429_is_in_azures_shape(fresh_simulator: Simulator) -> None:
    with (
        AzureOpenAI(azure_endpoint=fresh_simulator.url, api_key="k", api_version="2024-10-21", max_retries=0) as client,
        pytest.raises(openai.RateLimitError) as refused,
    ):
        ask(client, "status=429; retry-after=3")

    assert set(refused.value.body) == {"code", "message"}  # type: ignore[call-overload]
    assert "retry after 3 seconds" in refused.value.message


def test_latency_holds_the_first_byte_back(client: OpenAI) -> None:
    began = time.monotonic()
    ask(client, "latency=0.2")

    assert time.monotonic() - began >= 0.2


def test_reset_resets_the_connection_before_a_byte_of_the_answer(fresh_simulator: Simulator) -> None:
    host, port = fresh_simulator.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-simulate: reset\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize("faults", ["hang", "hang-after=0", "latency=60"])
def test_who_hangs_up_on_a_silent_provider_is_noticed(fresh_simulator: Simulator, client: OpenAI, faults: str) -> None:
    with pytest.raises(openai.APITimeoutError):
        ask(client, faults, timeout=0.3)

    (seen,) = fresh_simulator.requests(finished=1)
    assert seen["hung_up"]
    assert fresh_simulator.usage().get("gpt-4o", {}).get("broken_off", 0) == (0 if faults == "hang" else 1)


@pytest.mark.parametrize("chunks", [0, 1, 5])
def test_a_stream_is_cut_after_so_many_tokens_and_billed_for_them(
    fresh_simulator: Simulator, client: OpenAI, chunks: int
) -> None:
    got: list[str] = []
    with pytest.raises(openai.APIConnectionError):
        for text in received(ask(client, f"cut-after={chunks}", stream=True)):
            got.append(text)

    assert len(got) == chunks
    (seen,) = fresh_simulator.requests(finished=1)
    assert (seen["cut"], seen["hung_up"], seen["chunks"]) == (True, False, chunks)
    total = fresh_simulator.usage()["gpt-4o"]
    assert (total["completion_tokens"], total["broken_off"]) == (chunks, 1)


def test_an_answer_that_is_not_streamed_is_cut_in_its_middle(fresh_simulator: Simulator) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(
            f"{fresh_simulator.url}/v1/chat/completions", json=body, headers={"x-simulate": "cut-after=0"}, timeout=60
        )

    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] > 0


def test_a_caller_who_hangs_up_after_three_chunks_is_billed_for_three_tokens(
    fresh_simulator: Simulator, client: OpenAI
) -> None:
    stream = ask(client, "hang-after=3", stream=True)
    texts = received(stream)
    got = [next(texts) for _ in range(3)]
    stream.close()

    (seen,) = fresh_simulator.requests(finished=1)
    assert (seen["hung_up"], seen["chunks"]) == (True, len(got))
    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] == 3


async def test_a_stream_that_its_caller_left_goes_on_no_further(fresh_simulator: Simulator) -> None:
    messages: Any = [{"role": "user", "content": "write 5000 tokens"}]
    async with AsyncOpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=messages, stream=True, extra_headers={"x-simulate": "slow-chunks=0.01"}
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()

    (seen,) = await asyncio.to_thread(fresh_simulator.requests, finished=1)
    assert seen["hung_up"]
    assert 1 <= seen["chunks"] < 5000
    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] == seen["chunks"]


def test_a_failed_stream_ends_with_the_providers_error(fresh_simulator: Simulator, client: OpenAI) -> None:
    got: list[str] = []
    with pytest.raises(openai.APIError, match="had an error while processing"):
        for text in received(ask(client, "fail-after=2", stream=True)):
            got.append(text)
    assert len(got) == 2

    with client.responses.create(
        model="gpt-4o", input="write 9 tokens", stream=True, extra_headers={"x-simulate": "fail-after=2"}
    ) as stream:
        last: Any = list(stream)[-1]
    assert (last.type, last.response.status, last.response.error.code) == ("response.failed", "failed", "server_error")
    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] == 4


def test_garbage_is_a_200_that_is_no_json(fresh_simulator: Simulator, client: OpenAI) -> None:
    answer = httpx.post(f"{fresh_simulator.url}/v1/embeddings", headers={"x-simulate": "garbage"}, timeout=60)
    assert answer.status_code == 200
    assert answer.content.startswith(b"<html>")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|decode"):
        list(ask(client, "garbage-stream", stream=True))


def test_a_huge_header_is_as_large_as_it_was_asked_to_be(fresh_simulator: Simulator) -> None:
    answer = httpx.get(f"{fresh_simulator.url}/v1/models", headers={"x-simulate": "huge-header=20000"}, timeout=60)

    assert len(answer.headers["x-huge"]) == 20_000


@pytest.mark.parametrize("stream", [False, True])
def test_a_large_answer_has_at_least_the_bytes_that_were_asked_for(client: OpenAI, stream: bool) -> None:
    answer = ask(client, "body-bytes=10000; no-usage", stream=stream)

    text = "".join(received(answer)) if stream else answer.choices[0].message.content
    assert 10_000 <= len(text.encode()) < 40_000


def test_usage_that_is_kept_back_is_billed_all_the_same(fresh_simulator: Simulator, client: OpenAI) -> None:
    assert ask(client, "no-usage").usage is None
    for chunk in ask(client, "no-usage", stream=True, stream_options={"include_usage": True}):
        assert chunk.usage is None
    completed: Any = client.responses.create(
        model="gpt-4o", input="write 10 tokens", extra_headers={"x-simulate": "no-usage"}
    )
    assert completed.usage is None
    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] == 30


def test_events_that_arrive_in_splinters_are_the_same_events(client: OpenAI) -> None:
    assert list(received(ask(client, "split-bytes=3", stream=True))) == list(received(ask(client, stream=True)))


def test_a_fault_that_there_is_none_of_is_told_with_those_that_there_are(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"no fault 'explode'.*cut-after"):
        ask(client, "explode")
    with pytest.raises(openai.BadRequestError, match="x-simulate"):
        ask(client, "latency=soon")


# Rules


def test_rules_strike_the_requests_that_match_and_only_so_many(fresh_simulator: Simulator, client: OpenAI) -> None:
    fresh_simulator.faults(
        {"path": "*/chat/completions", "model": "gpt-4o", "skip": 1, "first": 2, "faults": {"status": 503}},
    )

    def outcome() -> str:
        try:
            ask(client)
        except openai.InternalServerError:
            return "503"
        return "ok"

    assert client.responses.create(model="gpt-4o", input="x").output_text
    assert [outcome() for _ in range(4)] == ["ok", "503", "503", "ok"]


def test_chances_are_the_same_under_the_same_seed(fresh_simulator: Simulator) -> None:
    def outcomes(client: httpx.Client, seed: int) -> list[int]:
        fresh_simulator.faults({"probability": 0.5, "faults": {"status": 500}}, seed=seed)
        return [client.get("/v1/models").status_code for _ in range(20)]

    with httpx.Client(base_url=fresh_simulator.url, timeout=60) as client:
        assert outcomes(client, 1) == outcomes(client, 1)
        assert set(outcomes(client, 1)) == {200, 500}
        assert outcomes(client, 1) != outcomes(client, 2)


def test_rules_that_cannot_be_are_refused_and_change_nothing(fresh_simulator: Simulator) -> None:
    fresh_simulator.faults({"faults": {"status": 500}})
    url = f"{fresh_simulator.url}/_simulator/faults"

    refused = httpx.put(url, json={"rules": [{"faults": {"explode": True}}]}, timeout=60)

    assert refused.status_code == 400
    assert "explode" in refused.json()["error"]["message"]
    assert httpx.get(url, timeout=60).json()["rules"][0]["faults"]["status"] == 500


# What it saw


def test_a_request_is_remembered_as_it_arrived(fresh_simulator: Simulator, client: OpenAI) -> None:
    completion = client.chat.completions.with_raw_response.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "x"}],
        extra_query={"a": "b"},
        extra_headers={"X-Mine": "yes"},
    )

    (seen,) = fresh_simulator.requests(finished=1)
    assert (seen["method"], seen["path"], seen["query"], seen["status"]) == ("POST", "/v1/chat/completions", "a=b", 200)
    assert ["x-mine", "yes"] in seen["headers"]
    assert ["authorization", "Bearer sk-any"] in seen["headers"]
    assert seen["body"] == {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
    assert seen["id"] == completion.headers["x-request-id"]
    usage: Any = completion.parse().usage
    assert seen["charge"]["completion_tokens"] == usage.completion_tokens


# The command line


def test_a_key_that_is_not_the_providers_is_refused_and_shown_masked(start_simulator: Start) -> None:
    simulator = start_simulator("--api-key", "sk-right", "--api-key", "other")
    for key in ("sk-right", "other"):
        with OpenAI(base_url=f"{simulator.url}/v1", api_key=key) as client:
            client.models.list()
        with AzureOpenAI(azure_endpoint=simulator.url, api_key=key, api_version="v") as azure:
            azure.models.list()
    with (
        OpenAI(base_url=f"{simulator.url}/v1", api_key="sk-wrong-0123456789xyz") as client,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        client.models.list()
    assert refused.value.code == "invalid_api_key"
    assert "Incorrect API key provided: sk-wro************9xyz." in refused.value.message
    assert httpx.get(f"{simulator.url}/v1/models", timeout=60).status_code == 401
    denied = httpx.get(f"{simulator.url}/openai/models?api-version=v", headers={"api-key": "wrong"}, timeout=60)
    assert (denied.status_code, denied.json()["error"]["code"]) == (401, "401")


def test_a_configuration_names_models_deployments_and_limits(start_simulator: Start, tmp_path: Path) -> None:
    configuration = tmp_path / "provider.yaml"
    configuration.write_text(
        """
        models:
          - {name: gpt-4o, answers_as: gpt-4o-2024-11-20, context_window: 50}
        deployments: {ptu: gpt-4o}
        limits: {requests_per_minute: 2, enforce: true}
        """
    )
    simulator = start_simulator("--config", str(configuration))
    messages: Any = [{"role": "user", "content": "x"}]
    with AzureOpenAI(azure_endpoint=simulator.url, api_key="k", api_version="v", max_retries=0) as azure:
        completion = azure.chat.completions.create(model="ptu", messages=messages)
        assert completion.model == "gpt-4o-2024-11-20"
        assert list(simulator.usage()) == ["gpt-4o-2024-11-20"]
        with pytest.raises(openai.NotFoundError) as unknown:
            azure.chat.completions.create(model="gpt-4o", messages=messages)
        assert unknown.value.code == "DeploymentNotFound"
        with pytest.raises(openai.BadRequestError, match="maximum context length is 50 tokens"):
            azure.chat.completions.create(model="ptu", messages=[{"role": "user", "content": "long " * 60}])
        azure.chat.completions.create(model="ptu", messages=messages)
        with pytest.raises(openai.RateLimitError):
            azure.chat.completions.create(model="ptu", messages=messages)
    with OpenAI(base_url=f"{simulator.url}/v1", api_key="k") as client:
        assert [model.id for model in client.models.list()] == ["gpt-4o"]
        with pytest.raises(openai.NotFoundError) as missing:
            client.models.retrieve("gpt-4")
        assert missing.value.code == "model_not_found"


@pytest.mark.parametrize("written", ["models: 3", "unknown: true", "faults: {rules: [{faults: {explode: true}}]}", "{"])
def test_a_configuration_that_cannot_be_used_says_where(tmp_path: Path, written: str, capsys: Any) -> None:
    from tests.simulators.model_provider.__main__ import main

    configuration = tmp_path / "provider.yaml"
    configuration.write_text(written)

    assert main(["--config", str(configuration), "--port", "0"]) == 1
    assert str(configuration) in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(fresh_simulator: Simulator, capsys: Any) -> None:
    from tests.simulators.model_provider.__main__ import main

    port = fresh_simulator.url.rsplit(":", 1)[1]

    assert main(["--port", port]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_https_is_served_with_a_certificate(start_simulator: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    simulator = start_simulator("--tls-cert", str(chain), "--tls-key", str(key), verify=trust)

    assert simulator.url.startswith("https://")
    body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "write 10 tokens"}]}
    with pytest.raises(httpx.HTTPError):
        httpx.post(
            f"{simulator.url}/v1/chat/completions",
            json=body,
            headers={"x-simulate": "cut-after=2"},
            verify=trust,
            timeout=60,
        )
    assert simulator.requests(finished=1)[0]["cut"]
