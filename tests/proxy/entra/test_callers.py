"""Callers with tokens of Entra ID, through real proxies: from Microsoft's and OpenAI's own libraries to the ledger's rows."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msal
import openai
import pytest

from deployer.local.valkey import ValkeyServer
from tests.conftest import open_database
from tests.proxy.stack import Stack, eventually, seed_text
from tests.simulators.azure.entra import EntraTenant
from tests.simulators.fixtures import Simulator

ALICE, STRANGER = "a11ce000-1111-2222-3333-444444444444", "57a4e000-1111-2222-3333-444444444444"
HELLO: list[Any] = [{"role": "user", "content": "echo hello"}]


class Directory:
    """The clients of a tenant, as its gateway's seed names them."""

    def __init__(self, entra: EntraTenant) -> None:
        self.entra = entra
        self.ci, self.batch, self.portal = entra.register(), entra.register("llm.caller"), entra.register()


def seed_of(simulator_url: str, directory: Directory) -> str:
    """The usual tenant, and identities in three of its apps."""
    document = json.loads(seed_text(simulator_url))
    document["policies"] += [
        {"name": "keyless", "allowed_credentials": ["entra"]},
        {"name": "keys-only", "allowed_credentials": ["key"]},
        {"name": "slow", "requests_per_minute": 2},
    ]
    (team,) = document["clients"][0]["teams"]
    team["apps"][0]["identities"] = [
        {"name": "ci", "application": directory.ci},
        {"name": "alice", "object": ALICE.upper()},
        {"name": "operators", "role": "llm.caller"},
        {"name": "slow", "role": "llm.slow", "policy": "slow"},
    ]
    team["apps"] += [
        {"name": "keyless", "policy": "keyless", "keys": [{"name": "prod", "secret_ref": "env:KEYLESS"}],
         "identities": [{"name": "night", "role": "llm.night"}]},
        {"name": "old", "policy": "keys-only", "keys": [{"name": "prod", "secret_ref": "env:OLD"}],
         "identities": [{"name": "portal", "application": directory.portal}]},
    ]  # fmt: skip
    return json.dumps(document)


KEYLESS, OLD = ("adu_keyless0_" + "s" * 43, "adu_oldapp00_" + "s" * 43)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    entra = EntraTenant(tmp_path_factory.mktemp("entra"))
    yield Directory(entra)
    entra.close()


@pytest.fixture(scope="module")
def stack(
    postgres: str, simulator: Simulator, directory: Directory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A gateway that takes keys and the directory's tokens."""
    valkey = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    with open_database(postgres) as url:
        stack = Stack(tmp_path_factory.mktemp("stack"), url, valkey.url, log_level="debug", **directory.entra.settings)
        try:
            stack.seed(seed_of(simulator.url, directory), KEYLESS=KEYLESS, OLD=OLD)
            stack.start_proxy()
            stack.start_writer()
            yield stack
        finally:
            stack.close()
            valkey.kill()


def ask(stack: Stack, credential: str, header: str = "authorization", port: int | None = None) -> httpx.Response:
    value = f"Bearer {credential}" if header == "authorization" else credential
    url = f"http://127.0.0.1:{port or stack.port}/v1/chat/completions"
    body = {"model": "gpt-4o", "messages": HELLO}
    return httpx.post(url, headers={header: value}, json=body, trust_env=False, timeout=30)


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


@pytest.mark.parametrize("version", [1, 2])
def test_msal_signs_in_and_the_stock_openai_client_calls_with_its_token(
    stack: Stack, directory: Directory, version: int, monkeypatch: pytest.MonkeyPatch
):
    entra = directory.entra
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(entra.ca_file))  # MSAL's HTTP client prefers it to its `verify`
    entra.version = version
    client = msal.ConfidentialClientApplication(
        directory.ci,
        client_credential=entra.clients[directory.ci],
        authority=f"{entra.url}/{entra.tenant_id}",
        instance_discovery=False,
    )
    result = client.acquire_token_for_client([f"{entra.api_uri}/.default"])
    assert result is not None and "access_token" in result, result
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=result["access_token"], max_retries=0) as openai_client:
        answer = openai_client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
        assert answer.parse().choices[0].message.content == "hello"
    row = stack.row(answer.headers["x-request-id"])
    (identity,) = stack.rows("SELECT id, app_id FROM identities WHERE name = 'ci'")
    assert (row["key_id"], row["app_id"], row["caller"]) == (
        identity["id"], identity["app_id"], "contoso/research/chatbot/ci",
    )  # fmt: skip


def test_the_stock_azure_client_calls_with_a_token_provider(stack: Stack, directory: Directory):
    with openai.AzureOpenAI(
        azure_endpoint=stack.url,
        azure_ad_token_provider=lambda: directory.entra.mint(directory.ci),
        api_version="2024-10-21",
        max_retries=0,
    ) as client:
        whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
        pieces = client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
        assert whole.choices[0].message.content == streamed == "hello"
        assert "gpt-4o" in {model.id for model in client.models.list()}


def test_the_api_key_header_takes_a_token_too(stack: Stack, directory: Directory):
    assert ask(stack, directory.entra.mint(directory.ci), "api-key").status_code == 200


def test_the_token_goes_no_further_than_the_gateway(stack: Stack, directory: Directory, simulator: Simulator):
    token = directory.entra.mint(directory.ci)
    assert ask(stack, token).status_code == 200
    assert ask(stack, token + "A").status_code == 401
    assert token.rsplit(".", 1)[1] not in json.dumps(simulator.requests())
    logs = "".join(path.read_text(errors="replace") for path in Path(stack.directory).glob("*.log"))
    assert "eyJ" not in logs and token.rsplit(".", 1)[1] not in logs


@pytest.mark.parametrize(
    ("application", "object", "roles", "name"),
    [
        ("ci", ALICE, ["llm.caller"], "chatbot/ci"),
        ("stranger", ALICE, ["llm.caller"], "chatbot/alice"),
        ("stranger", STRANGER, ["llm.caller", "unknown.role"], "chatbot/operators"),
        ("batch", None, None, "chatbot/operators"),  # the role of its registration
        ("stranger", None, ["llm.night"], "keyless/night"),
    ],
)
def test_an_application_comes_before_an_object_and_an_object_before_a_role(
    stack: Stack, directory: Directory, application: str, object: str | None, roles: list[str] | None, name: str
):
    id = STRANGER if application == "stranger" else getattr(directory, application)
    claims = {"oid": object, **({"roles": roles} if roles is not None else {})}
    answer = ask(stack, directory.entra.mint(id, **claims))
    assert answer.status_code == 200, answer.text
    assert stack.row(answer.headers["x-request-id"])["caller"] == f"contoso/research/{name}"


@pytest.mark.parametrize(
    ("claims", "expected", "said"),
    [
        ({"oid": STRANGER, "roles": ["a", "b"]}, (403, "unknown_identity"), f"object {STRANGER}, role a or b"),
        ({"oid": None}, (403, "unknown_identity"), f"(application {STRANGER}, no role)"),
        ({"roles": ["llm.caller", "llm.night"]}, (403, "ambiguous_identity"), "(llm.caller, llm.night)"),
        ({"exp": 1}, (401, "expired_token"), "has expired"),
        ({"aud": "https://cognitiveservices.azure.com"}, (401, "invalid_token"), "this gateway takes tokens for api://gateway"),
    ],
)  # fmt: skip
def test_who_is_not_let_in_is_told_why_and_what_to_register(stack: Stack, directory: Directory, claims, expected, said):
    status, code, message = error_of(ask(stack, directory.entra.mint(STRANGER, **claims)))
    assert ((status, code), said in message) == (expected, True), message


def test_refusals_are_exceptions_of_the_sdk(stack: Stack, directory: Directory):
    for claims, kind in (({"exp": 1}, openai.AuthenticationError), ({}, openai.PermissionDeniedError)):
        token = directory.entra.mint(STRANGER, **claims)
        with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=token, max_retries=0) as client, pytest.raises(kind):
            client.models.list()


def test_keys_and_tokens_work_side_by_side_and_a_policy_may_take_one_kind_alone(stack: Stack, directory: Directory):
    night, portal = directory.entra.mint(STRANGER, roles=["llm.night"]), directory.entra.mint(directory.portal)
    assert [ask(stack, credential).status_code for credential in (stack.key, OLD, night)] == [200, 200, 200]
    for credential, said in ((KEYLESS, "does not take API keys"), (portal, "does not take tokens of Entra ID")):
        status, code, message = error_of(ask(stack, credential))
        assert (status, code, said in message) == (403, "credential_not_allowed", True), message
    assert error_of(ask(stack, KEYLESS[:-1] + "t"))[:2] == (401, "invalid_api_key")


def test_an_identity_has_limits_of_its_own(stack: Stack, directory: Directory):
    slow = [directory.entra.mint(STRANGER, roles=["llm.slow"]) for _ in range(3)]
    assert [ask(stack, token).status_code for token in slow] == [200, 200, 429]
    assert ask(stack, directory.entra.mint(directory.ci)).status_code == 200


def test_a_rotated_signing_key_is_found_and_the_old_ones_tokens_go_on(stack: Stack, directory: Directory):
    entra = directory.entra
    old = entra.mint(directory.ci)
    entra.rotate()
    assert [ask(stack, token).status_code for token in (entra.mint(directory.ci), old)] == [200, 200]
    entra.away = True
    try:
        assert ask(stack, entra.mint(directory.ci)).status_code == 200
    finally:
        entra.away = False


def test_without_a_tenant_a_token_is_refused_with_what_is_missing(tenant: Stack, directory: Directory):
    status, code, message = error_of(ask(tenant, directory.entra.mint(directory.ci)))
    assert (status, code, "ADUANA_ENTRA_TENANT_ID" in message) == (401, "entra_not_configured", True)
    assert error_of(ask(tenant, "sk-no-key-of-ours"))[:2] == (401, "invalid_api_key")


@pytest.mark.parametrize("how", ["disabled_at = now()", "removed_at = now()"])
def test_an_identity_that_is_switched_off_or_removed_is_refused_by_every_replica_within_two_seconds(
    new_stack, simulator: Simulator, directory: Directory, free_port: int, how: str
):
    stack = new_stack(**directory.entra.settings)
    stack.seed(seed_of(simulator.url, directory), KEYLESS=KEYLESS, OLD=OLD)
    ports = (stack.start_proxy(), stack.start_proxy("proxy-1", port=free_port))
    token = directory.entra.mint(directory.ci)
    assert [ask(stack, token, port=port).status_code for port in ports] == [200, 200]
    started = time.monotonic()
    stack.execute(f"UPDATE identities SET {how} WHERE name = 'ci'")
    for port in ports:
        eventually("the refusal", lambda port=port: ask(stack, token, port=port).status_code == 403)
    assert time.monotonic() - started < 2.0
    code = "disabled_identity" if how.startswith("disabled") else "unknown_identity"
    assert {error_of(ask(stack, token, port=port))[1] for port in ports} == {code}


def test_a_start_without_the_tenant_serves_keys_and_lets_tokens_in_when_it_is_back(
    new_stack, simulator: Simulator, directory: Directory
):
    stack = new_stack(**directory.entra.settings)
    stack.seed(seed_of(simulator.url, directory), KEYLESS=KEYLESS, OLD=OLD)
    directory.entra.away = True
    try:
        stack.start_proxy()
        answer = ask(stack, directory.entra.mint(directory.ci))
        assert error_of(answer)[:2] == (503, "entra_unavailable") and answer.headers["retry-after"] == "2"
        assert ask(stack, stack.key).status_code == 200
    finally:
        directory.entra.away = False
    eventually("tokens let in", lambda: ask(stack, directory.entra.mint(directory.ci)).status_code == 200)
