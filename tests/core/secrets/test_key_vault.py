"""`kv://` against a vault over TLS, with the tokens of the platform's identity endpoint."""

import asyncio
from dataclasses import replace

import pytest

from core.secrets import SecretNotFound, SecretUnavailable
from core.secrets.keyvault import KeyVaultSource
from core.secrets.resolver import CachingResolver, resolver_of
from core.settings import Settings
from tests.simulators.azure.key_vault import KeyVault
from tests.simulators.azure.server import Answer


@pytest.fixture
def resolver(key_vault: KeyVault, monkeypatch: pytest.MonkeyPatch) -> CachingResolver:
    for name, value in key_vault.environment.items():
        monkeypatch.setenv(name, value)
    return resolver_of(settings(key_vault), {})


def settings(key_vault: KeyVault, **values: float) -> Settings:
    return Settings(database_url="postgresql://db/aduana", key_vault_url=key_vault.template, **values)


async def test_the_newest_version_is_read_or_the_one_that_is_named(key_vault: KeyVault, resolver: CachingResolver):
    first = key_vault.put("contoso-kv", "openai", "old")
    key_vault.put("contoso-kv", "openai", "new")
    key_vault.put("other-kv", "openai", "of another vault")
    assert await resolver.resolve("kv://contoso-kv/openai") == "new"
    assert await resolver.resolve(f"kv://contoso-kv/openai/{first}") == "old"
    assert await resolver.resolve("kv://other-kv/openai") == "of another vault"
    assert len(key_vault.identity.issued) == 1, "one token for every vault and secret"
    assert key_vault.identity.issued[0][1] == "https://vault.azure.net"


async def test_a_hundred_callers_make_one_read(key_vault: KeyVault, resolver: CachingResolver):
    key_vault.put("contoso-kv", "openai", "value")
    assert set(await asyncio.gather(*(resolver.resolve("kv://contoso-kv/openai") for _ in range(100)))) == {"value"}
    assert key_vault.reads("openai") == 1


async def test_what_cannot_be_read_says_why_and_what_to_do(key_vault: KeyVault, resolver: CachingResolver):
    key_vault.put("contoso-kv", "off", "hunter2")
    key_vault.disabled.add(("contoso-kv", "off"))
    key_vault.put("contoso-kv", "empty", "")
    for name, kind, said in [
        ("missing", SecretNotFound, "the vault has no such secret$"),
        (f"off/{'0' * 32}", SecretNotFound, "no such secret, or not this version"),
        ("off", SecretUnavailable, r"refuses to show it \(SecretDisabled\).*Key Vault Secrets User"),
        ("empty", SecretNotFound, "the secret is empty"),
    ]:
        with pytest.raises(kind, match=f"^kv://contoso-kv/{name}: .*{said}") as error:
            await resolver.resolve(f"kv://contoso-kv/{name}")
        assert "hunter2" not in str(error.value)


async def test_a_token_that_the_vault_does_not_take_is_renewed_once(key_vault: KeyVault, resolver: CachingResolver):
    key_vault.put("contoso-kv", "a", "value")
    key_vault.put("contoso-kv", "b", "value")
    await resolver.resolve("kv://contoso-kv/a")
    key_vault.identity.revoked.update(key_vault.identity.tokens)
    assert await resolver.resolve("kv://contoso-kv/b") == "value"
    assert len(key_vault.identity.issued) == 2


async def test_a_vault_that_takes_no_token_is_said_so(key_vault: KeyVault, resolver: CachingResolver, monkeypatch):
    key_vault.put("contoso-kv", "a", "value")
    monkeypatch.setattr(key_vault.identity, "accepts", lambda *_: False)
    with pytest.raises(SecretUnavailable, match=r"does not accept this process's token \(401\)"):
        await resolver.resolve("kv://contoso-kv/a")
    assert len(key_vault.identity.issued) == 2, "one renewal"


async def test_no_token_for_anything_but_vaults_is_given_to_who_answers_as_one(
    key_vault: KeyVault, resolver: CachingResolver
):
    key_vault.resource = "https://management.azure.com"
    key_vault.put("contoso-kv", "a", "value")
    with pytest.raises(SecretUnavailable, match=r"only for https://vault\.azure\.net/\.default"):
        await resolver.resolve("kv://contoso-kv/a")
    assert {resource for _, resource, *_ in key_vault.identity.issued} == {"https://vault.azure.net"}


async def test_an_identity_endpoint_that_is_away_is_named(key_vault: KeyVault, resolver: CachingResolver):
    key_vault.identity.error = Answer(400, {"statusCode": 400, "message": "no identity"})
    with pytest.raises(SecretUnavailable, match=r"kv://contoso-kv/a: no token for .* as managed_identity"):
        await resolver.resolve("kv://contoso-kv/a")


async def test_a_vault_in_trouble_is_not_asked_by_every_call(key_vault: KeyVault, resolver: CachingResolver):
    key_vault.error = Answer(503, {"error": {"code": "ServiceUnavailable", "message": "down"}})
    for _ in range(20):
        with pytest.raises(SecretUnavailable, match=r"the vault answered 503 \(ServiceUnavailable\)"):
            await resolver.resolve("kv://contoso-kv/a")
    assert len(key_vault.requests) <= 3


async def test_an_outage_is_bridged_for_as_long_as_the_grace_lasts(
    key_vault: KeyVault, resolver: CachingResolver, caplog: pytest.LogCaptureFixture
):
    short = resolver_of(settings(key_vault, secret_ttl=0.2, secret_grace=2.0), {})
    key_vault.put("contoso-kv", "a", "value")
    assert await short.resolve("kv://contoso-kv/a") == "value"
    key_vault.error = Answer(503, {"error": {"code": "ServiceUnavailable", "message": "down"}})
    assert await short.refresh("kv://contoso-kv/a") == "value"
    async with asyncio.timeout(20):
        with pytest.raises(SecretUnavailable):
            while await short.resolve("kv://contoso-kv/a") == "value":
                await asyncio.sleep(0.02)
    assert "the last value is used for another" in caplog.text
    key_vault.error = None
    key_vault.put("contoso-kv", "a", "another")
    async with asyncio.timeout(20):
        while True:
            try:
                assert await short.resolve("kv://contoso-kv/a") == "another"
                break
            except SecretUnavailable:
                await asyncio.sleep(0.02)


async def test_a_rotated_secret_is_picked_up_and_nobody_waits_for_it(key_vault: KeyVault, resolver: CachingResolver):
    short = resolver_of(settings(key_vault, secret_ttl=0.001), {})
    key_vault.put("contoso-kv", "a", "old")
    assert await short.resolve("kv://contoso-kv/a") == "old"
    key_vault.put("contoso-kv", "a", "new")
    key_vault.hold()
    assert await short.resolve("kv://contoso-kv/a") == "old", "given at once, and read behind"
    key_vault.release()
    async with asyncio.timeout(10):
        while await short.resolve("kv://contoso-kv/a") != "new":
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("https://{vault}.vault.azure.net", "https://vault.azure.net/.default"),
        ("https://{vault}.vault.azure.cn", "https://vault.azure.cn/.default"),
        ("https://{vault}.vault.usgovcloudapi.net:443", "https://vault.usgovcloudapi.net/.default"),
        ("https://127.0.0.1:8443/{vault}", "https://vault.azure.net/.default"),
    ],
)
def test_a_clouds_vaults_have_the_audience_of_their_suffix(url: str, scope: str):
    assert KeyVaultSource(None, url)._scope == scope


async def test_one_setting_says_whom_vaults_and_models_are_verified_by(key_vault: KeyVault, monkeypatch, tmp_path):
    for name, value in key_vault.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    key_vault.put("contoso-kv", "openai", "value")
    with pytest.raises(SecretUnavailable, match="certificate"):
        await resolver_of(settings(key_vault), {}).resolve("kv://contoso-kv/openai")
    trusting = replace(settings(key_vault), ca_bundle=key_vault.ca_file)
    assert await resolver_of(trusting, {}).resolve("kv://contoso-kv/openai") == "value"
    broken = replace(settings(key_vault), ca_bundle=tmp_path / "none.pem")
    with pytest.raises(SecretUnavailable, match=r"none\.pem"):
        await resolver_of(broken, {}).resolve("kv://contoso-kv/openai")
