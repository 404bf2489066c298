"""What Azure's resources have of their own: provisioned throughput, access tokens, dated paths."""

from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai import AzureOpenAI

from tests.simulators.fixtures import Simulator

Start = Callable[..., Simulator]
MESSAGES: Any = [{"role": "user", "content": "write 3 tokens"}]


def azure(url: str, **credential: Any) -> AzureOpenAI:
    return AzureOpenAI(azure_endpoint=url, api_version="2024-10-21", max_retries=0, **(credential or {"api_key": "k"}))


def configured(tmp_path: Any, text: str) -> list[str]:
    (tmp_path / "provider.yaml").write_text(text)
    return ["--config", str(tmp_path / "provider.yaml")]


def test_a_provisioned_deployment_says_how_busy_it_is_and_refuses_what_is_over(
    start_simulator: Start, tmp_path: Any
) -> None:
    simulator = start_simulator(
        *configured(tmp_path, "provisioned: {ptu: {concurrent_requests: 2, retry_after: 0.25}}\n")
    )
    with azure(simulator.url) as client:
        streams = []
        for used in ("50.0%", "100.0%"):
            held = client.chat.completions.with_raw_response.create(
                model="ptu", messages=MESSAGES, stream=True, extra_headers={"x-simulate": "hang-after=1"}
            )
            assert held.headers["azure-openai-deployment-utilization"] == used
            streams.append(held.parse())
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="ptu", messages=MESSAGES)
        assert refused.value.response.headers["azure-openai-deployment-utilization"] == "150.0%"
        assert refused.value.response.headers["retry-after-ms"] == "250"
        other = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
        assert "azure-openai-deployment-utilization" not in other.headers
        for stream in streams:
            stream.close()
        simulator.requests(finished=4)
        assert client.chat.completions.create(model="ptu", messages=MESSAGES).choices


def test_a_utilization_can_be_set(fresh_simulator: Simulator) -> None:
    with azure(fresh_simulator.url) as client:
        fresh_simulator.provisioned(ptu={"utilization": 97.5})
        answer = client.chat.completions.with_raw_response.create(model="ptu", messages=MESSAGES)
        assert answer.headers["azure-openai-deployment-utilization"] == "97.5%"
        fresh_simulator.provisioned(ptu={"utilization": 100})
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="ptu", messages=MESSAGES)
        fresh_simulator.provisioned()
        client.chat.completions.create(model="ptu", messages=MESSAGES)


def test_an_access_token_is_good_until_it_is_not(start_simulator: Start, tmp_path: Any) -> None:
    simulator = start_simulator(*configured(tmp_path, "bearer_tokens: [one]\napi_keys: [key]\n"))

    def refused(**credential: Any) -> dict[str, Any] | None:
        with azure(simulator.url, **credential) as client:
            try:
                client.models.list()
            except openai.AuthenticationError as error:
                return error.body  # type: ignore[return-value]
        return None

    assert refused(azure_ad_token="one") is None
    assert refused(api_key="key") is None
    assert "Access token is missing" in (refused(azure_ad_token="two") or {})["message"]
    assert "subscription key" in (refused(api_key="one") or {})["message"]
    simulator.accept_tokens("two")
    assert refused(azure_ad_token="two") is None
    assert (refused(azure_ad_token="one") or {})["code"] == "401"
    # OpenAI knows no access tokens.
    answer = httpx.get(f"{simulator.url}/v1/models", headers={"authorization": "Bearer two"}, timeout=60)
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["files", "batches", "vector_stores"])
def test_a_dated_path_asks_for_its_version(fresh_simulator: Simulator, path: str) -> None:
    assert httpx.get(f"{fresh_simulator.url}/openai/{path}", timeout=60).status_code == 404
    assert httpx.get(f"{fresh_simulator.url}/openai/{path}?api-version=v", timeout=60).status_code == 200
    assert httpx.get(f"{fresh_simulator.url}/openai/v1/{path}", timeout=60).status_code == 200
