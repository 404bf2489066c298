"""Upstreams that are called with Entra ID tokens, and with secrets from Key Vault: real processes, and what the platform
gives them simulated over the network.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.proxy.stack import Stack, eventually, seed_text
from tests.simulators.azure.key_vault import KeyVault
from tests.simulators.azure.managed_identity import ManagedIdentity
from tests.simulators.azure.server import Answer
from tests.simulators.fixtures import Simulator

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
CLIENT_ID = "7f1c2b6e-3a44-4f0c-9b1d-2a5c8e9f0a11"


def start(
    stack: Stack, simulator: Simulator, auth: dict[str, Any], environment: dict[str, str], **upstream: Any
) -> None:
    provider = upstream.get("provider", "azure_openai")
    document = json.loads(seed_text(simulator.url, provider=provider))
    document["upstreams"][0] |= {"auth": auth, **upstream}
    stack.seed(json.dumps(document))
    stack.start_proxy(**environment)
    stack.start_writer()


def sent(simulator: Simulator) -> list[dict[str, str]]:
    """The credential's headers of each request that the provider saw."""
    return [
        {name: value for name, value in request["headers"] if name in ("authorization", "api-key")}
        for request in simulator.requests()
        if request["method"] == "POST"
    ]


def ask(stack: Stack) -> httpx.Response:
    with stack.http() as http:
        return http.post("/v1/chat/completions", json=CHAT)


@pytest.mark.parametrize("provider", ["azure_openai", "openai_compatible"])
def test_an_upstream_with_an_identity_gets_its_token_and_never_the_callers_key(
    new_stack, fresh_simulator: Simulator, managed_identity: ManagedIdentity, provider: str
):
    stack: Stack = new_stack()
    managed_identity.client_ids = (CLIENT_ID,)
    audience = "https://cognitiveservices.azure.us/.default"
    auth = {"managed_identity": True, "client_id": CLIENT_ID, "audience": audience}
    start(stack, fresh_simulator, auth, managed_identity.environment, provider=provider)
    for _ in range(3):
        assert ask(stack).status_code == 200
    ((token, resource, client_id, _),) = managed_identity.issued
    assert (resource, client_id) == ("https://cognitiveservices.azure.us", CLIENT_ID)
    assert sent(fresh_simulator) == [{"authorization": f"Bearer {token}"}] * 3


def test_a_token_is_renewed_behind_the_calls_and_outlives_the_identity_endpoint(
    new_stack, fresh_simulator: Simulator, managed_identity: ManagedIdentity
):
    managed_identity.lifetime = 4.0
    stack: Stack = new_stack()
    start(stack, fresh_simulator, {"managed_identity": True}, managed_identity.environment)
    assert ask(stack).status_code == 200
    eventually("a second token is there", lambda: len(managed_identity.issued) > 1)
    managed_identity.hold()  # from here on nobody would get one
    assert ask(stack).status_code == 200
    managed_identity.release()


def refuse(simulator: Simulator, *tokens: str) -> None:
    """The provider takes every token but these."""
    simulator.faults(*({"key": token, "faults": {"status": 401, "error-message": f"not {token}"}} for token in tokens))


def test_a_refused_token_is_renewed_once_for_all_calls_and_no_caller_notices(
    new_stack, fresh_simulator: Simulator, managed_identity: ManagedIdentity
):
    stack: Stack = new_stack()
    start(stack, fresh_simulator, {"managed_identity": True}, managed_identity.environment)
    assert ask(stack).status_code == 200
    refuse(fresh_simulator, *managed_identity.tokens)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(stack), range(32)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(managed_identity.issued) == 2
    first = stack.row(answers[0].headers["x-request-id"])
    assert [each["status"] for each in stack.attempts(first)] in ([401, 200], [200])
    tries = stack.rows("SELECT count(*) AS n FROM usage_attempts WHERE status = 401")[0]["n"]
    assert tries == sum(key["authorization"].endswith(managed_identity.tokens[0]) for key in sent(fresh_simulator)) - 1


def test_where_every_token_is_refused_the_caller_is_told_of_the_gateways_credential_and_the_endpoint_is_left_alone(
    new_stack, fresh_simulator: Simulator, managed_identity: ManagedIdentity
):
    stack: Stack = new_stack()
    start(stack, fresh_simulator, {"managed_identity": True}, managed_identity.environment)
    refuse(fresh_simulator, "entra-token-*")
    answers = [ask(stack) for _ in range(5)]
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers} == {
        (502, "upstream_credential_refused")
    }
    assert len(managed_identity.issued) == 2, "one renewal"
    assert len(sent(fresh_simulator)) == 6, "and one more try"
    assert not any("entra-token" in answer.text for answer in answers)


def test_an_identity_endpoint_that_is_away_takes_out_its_upstreams_until_it_is_back(
    new_stack, fresh_simulator: Simulator, managed_identity: ManagedIdentity
):
    managed_identity.error = Answer(500, {"statusCode": 500, "message": "away"})
    stack: Stack = new_stack()
    start(stack, fresh_simulator, {"managed_identity": True}, managed_identity.environment)
    answer = ask(stack)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_credential_unavailable")
    managed_identity.error = None
    eventually("it is served again", lambda: ask(stack).status_code == 200)


# ── Secrets from Key Vault ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tenant_whose_every_secret_is_in_key_vault_serves_and_follows_a_rotation(
    new_stack, fresh_simulator: Simulator, key_vault: KeyVault
):
    stack: Stack = new_stack(secret_ttl="0.5")
    for variable, name in [
        ("TEST_PEPPER", "pepper"),
        ("ADUANA_DATABASE_URL", "postgres"),
        ("ADUANA_REDIS_URL", "redis"),
    ]:
        key_vault.put("contoso-kv", name, stack.environment[variable])
    key_vault.put("contoso-kv", "aoai", "first-key")
    in_vault = {
        "ADUANA_PEPPERS": "1=kv://contoso-kv/pepper",
        "ADUANA_DATABASE_URL": "kv://contoso-kv/postgres",
        "ADUANA_REDIS_URL": "kv://contoso-kv/redis",
    }
    start(stack, fresh_simulator, {"secret_ref": "kv://contoso-kv/aoai"}, {**key_vault.environment, **in_vault})
    assert ask(stack).status_code == 200
    assert sent(fresh_simulator) == [{"api-key": "first-key"}]
    key_vault.put("contoso-kv", "aoai", "second-key")
    eventually(
        "the new key is in use",
        lambda: ask(stack).is_success and sent(fresh_simulator)[-1] == {"api-key": "second-key"},
    )


def test_a_secret_that_was_replaced_is_read_when_the_provider_refuses_the_old_one(
    new_stack, fresh_simulator: Simulator, key_vault: KeyVault
):
    stack: Stack = new_stack()  # which would read it again in four minutes
    key_vault.put("contoso-kv", "aoai", "first-key")
    start(stack, fresh_simulator, {"secret_ref": "kv://contoso-kv/aoai"}, key_vault.environment)
    assert ask(stack).status_code == 200
    key_vault.put("contoso-kv", "aoai", "second-key")
    refuse(fresh_simulator, "first-key")
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(lambda _: ask(stack), range(16))} == {200}
    assert key_vault.reads("aoai") == 2


def test_a_vault_outage_is_bridged_by_the_grace_and_then_takes_out_those_upstreams_alone(
    new_stack, fresh_simulator: Simulator, key_vault: KeyVault
):
    stack: Stack = new_stack(secret_ttl="0.3", secret_grace="3")
    key_vault.put("contoso-kv", "aoai", "a-key")
    document = json.loads(seed_text(fresh_simulator.url))
    open_to_all = {**document["upstreams"][0], "name": "open"}
    document["upstreams"][0]["auth"] = {"secret_ref": "kv://contoso-kv/aoai"}
    document["upstreams"].append(open_to_all)
    document["routes"].append({"model": "other", "targets": [{"upstream": "open", "deployment": "gpt-4o"}]})
    stack.seed(json.dumps(document))
    stack.start_proxy(**key_vault.environment)
    assert ask(stack).status_code == 200
    key_vault.away = True
    assert ask(stack).status_code == 200
    refused = eventually("its grace is over", lambda: None if (answer := ask(stack)).is_success else answer)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "upstream_credential_unavailable")
    with stack.http() as http:
        assert http.post("/v1/chat/completions", json={**CHAT, "model": "other"}).status_code == 200
    key_vault.away = False
    eventually("it is served again", lambda: ask(stack).is_success)
    assert "a-key" not in stack.log("proxy-0")
