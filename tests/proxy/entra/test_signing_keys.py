"""The tenant's signing keys: fetched once for all, kept through outages, followed through rotations, not at anybody's pace."""

import asyncio
import time
from dataclasses import replace

import httpx
import pytest

from core.trust import client_context
from proxy.entra.discovery import KeysUnavailable, fetch_signing_keys
from proxy.entra.issuers import Issuer, issuers_of
from tests.proxy.entra.conftest import SLOW
from tests.proxy.entra.test_verification import APP, refusal_of
from tests.simulators.azure.entra import EntraTenant, SigningKey, new_private_key, signed
from tests.simulators.azure.server import Answer


def forged(tenant: EntraTenant, number: int) -> str:
    return signed(tenant.claims(APP), tenant.keys[0], {"kid": f"unknown-{number}"})


async def until(condition, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_hundred_callers_with_new_tokens_cause_one_fetch(entra_tenant, tokens):
    entra_tenant.hold()
    calls = [asyncio.create_task(tokens.verify(entra_tenant.mint(APP).encode())) for _ in range(100)]
    await until(lambda: entra_tenant.requests)
    entra_tenant.release()
    await asyncio.gather(*calls)
    assert (entra_tenant.fetches(), entra_tenant.fetches("openid-configuration")) == (1, 1)


async def test_a_caller_who_hangs_up_does_not_take_the_fetch_away_from_the_others(entra_tenant, tokens):
    entra_tenant.hold()
    calls = [asyncio.create_task(tokens.verify(entra_tenant.mint(APP).encode())) for _ in range(3)]
    await until(lambda: entra_tenant.requests)
    for gone in calls[:2]:  # the one that caused the fetch, and one that waits for it
        gone.cancel()
    entra_tenant.release()
    assert (await calls[2]).application == APP


async def test_a_key_that_was_rotated_in_is_fetched_when_the_first_token_names_it(entra_tenant, make_tokens):
    tokens = make_tokens(replace(SLOW, unknown=0.0))
    await tokens.verify(entra_tenant.mint(APP).encode())
    entra_tenant.rotate()
    await tokens.verify(entra_tenant.mint(APP).encode())
    await tokens.verify(entra_tenant.mint(APP, key=entra_tenant.keys[0]).encode())
    assert entra_tenant.fetches() == 2


async def test_a_flood_of_unknown_keys_is_no_flood_of_fetches(entra_tenant, make_tokens):
    tokens = make_tokens(replace(SLOW, unknown=60.0))
    await tokens.rings[entra_tenant.issuer()].refresh()
    await tokens.verify(entra_tenant.mint(APP).encode())
    refusals = await asyncio.gather(*(refusal_of(tokens, forged(entra_tenant, n)) for n in range(500)))
    assert {refusal.code for refusal in refusals} == {"invalid_token"}
    assert entra_tenant.fetches() == 2  # the first of them might have been of a new key
    await tokens.verify(entra_tenant.mint(APP).encode())


async def test_keys_outlive_their_refresh_while_the_tenant_is_away_and_are_refreshed_when_it_is_back(
    entra_tenant, make_tokens
):
    tokens = make_tokens(replace(SLOW, refresh=0.05, retry=(0.05, 0.05)))
    running = asyncio.create_task(tokens.run())
    ring = tokens.rings[entra_tenant.issuer()]
    await until(lambda: ring.keys)
    entra_tenant.away = True
    await until(lambda: ring.problem is not None)
    assert (await tokens.verify(entra_tenant.mint(APP).encode())).application == APP
    new = entra_tenant.rotate()
    refusal = await refusal_of(tokens, entra_tenant.mint(APP))
    assert (refusal.status, refusal.code) == (503, "entra_unavailable")  # it may be a good one: nobody can tell
    entra_tenant.away = False
    await until(lambda: new.kid in ring.keys)
    await tokens.verify(entra_tenant.mint(APP).encode())
    running.cancel()


@pytest.mark.parametrize("fault", ["away", "error", "hang"])
async def test_without_any_keys_a_token_is_not_called_wrong(entra_tenant, make_tokens, fault: str):
    tokens = make_tokens(replace(SLOW, patience=0.5))
    if fault == "away":
        entra_tenant.away = True
    elif fault == "error":
        entra_tenant.error = Answer(500, {})
    else:
        entra_tenant.hold()
    for _ in range(3):
        refusal = await refusal_of(tokens, entra_tenant.mint(APP))
        assert (refusal.status, refusal.code, refusal.retry_after) == (503, "entra_unavailable", 2.0)
    assert len(entra_tenant.requests) == 1  # the others were told at once


async def test_a_token_by_a_withdrawn_key_is_known_no_more(entra_tenant, tokens):
    old, token = entra_tenant.keys[0], entra_tenant.mint(APP).encode()
    await tokens.verify(token)
    entra_tenant.rotate()
    kept = entra_tenant.mint(APP).encode()
    ring = tokens.rings[entra_tenant.issuer()]
    await ring.refresh()
    await tokens.verify(kept)
    entra_tenant.withdraw(old)
    await ring.refresh()
    assert tokens.known(token, time.time()) is None and tokens.known(kept, time.time()) is not None
    assert "none of the tenant's" in (await refusal_of(tokens, token)).message


async def fetch(tenant: EntraTenant, issuer: Issuer | None = None):
    async with httpx.AsyncClient(verify=client_context(tenant.ca_file)) as http:
        return await fetch_signing_keys(http, issuer or issuers_of(tenant.url, tenant.tenant_id)[0], tenant.tenant_id)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0", "jwks_uri": "https://x"},
            "speaks for the issuer",
        ),
        ({"jwks_uri": "https://x"}, "answered with what is no such document"),
        ([], "answered with what is no such document"),
        ({"issuer": None, "jwks_uri": "http://127.0.0.1:9/keys"}, "not behind TLS"),
        ({"issuer": None, "jwks_uri": "https://127.0.0.1:9/keys"}, "cannot be reached"),
    ],
)
async def test_metadata_that_are_not_the_tenants_are_not_followed(entra_tenant, document, said: str):
    if isinstance(document, dict) and document.get("issuer", "") is None:
        document = document | {"issuer": entra_tenant.issuer()}
    entra_tenant.key_documents[f"/{entra_tenant.tenant_id}/v2.0/.well-known/openid-configuration"] = document
    with pytest.raises(KeysUnavailable, match=said):
        await fetch(entra_tenant)


async def test_of_the_published_keys_only_the_issuers_own_rsa_signing_keys_are_taken(entra_tenant):
    good, template, other, weak = SigningKey(), SigningKey(), SigningKey(), SigningKey(new_private_key(1024))
    issuer = entra_tenant.issuer()
    consumers = issuer.replace(entra_tenant.tenant_id, "9188040d-6c67-4c5b-b112-36a304b66dad")
    entra_tenant.key_documents[f"/{entra_tenant.tenant_id}/discovery/v2.0/keys"] = {
        "keys": [
            good.jwk() | {"issuer": issuer, "x5c": ["MIIB"], "cloud_instance_name": "microsoftonline.com"},
            template.jwk() | {"issuer": issuer.replace(entra_tenant.tenant_id, "{tenantid}")},
            other.jwk() | {"issuer": consumers},
            weak.jwk(),
            SigningKey().jwk() | {"use": "enc"},
            SigningKey().jwk() | {"alg": "RS512"},
            SigningKey().jwk() | {"kid": ""},
            SigningKey().jwk() | {"n": "!"},
            {"kty": "oct", "kid": "s", "k": "c2VjcmV0"},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": "x", "y": "y"},
        ]
    }
    assert set(await fetch(entra_tenant)) == {good.kid, template.kid}


@pytest.mark.parametrize("keys", [{"keys": []}, {"keys": [{"kty": "oct", "kid": "s"}]}, {"keys": [{}] * 30_000}])
async def test_a_document_without_usable_keys_replaces_nothing(entra_tenant, tokens, keys):
    ring = tokens.rings[entra_tenant.issuer()]
    await ring.refresh()
    before = ring.keys
    entra_tenant.key_documents[f"/{entra_tenant.tenant_id}/discovery/v2.0/keys"] = keys
    await ring.refresh()
    assert ring.keys is before and ring.problem is not None


async def test_an_authority_that_is_not_trusted_is_not_asked(entra_tenant):
    async with httpx.AsyncClient(verify=client_context(None)) as http:
        issuer = issuers_of(entra_tenant.url, entra_tenant.tenant_id)[0]
        with pytest.raises(KeysUnavailable, match="certificate verify failed"):
            await fetch_signing_keys(http, issuer, entra_tenant.tenant_id)
    assert entra_tenant.requests == []


@pytest.mark.parametrize(
    ("authority", "names"),
    [
        (
            "https://login.microsoftonline.com",
            ("https://login.microsoftonline.com/T/v2.0", "https://sts.windows.net/T/"),
        ),
        ("https://login.microsoftonline.us", ("https://login.microsoftonline.us/T/v2.0", "https://sts.windows.net/T/")),
        (
            "https://login.partner.microsoftonline.cn",
            ("https://login.partner.microsoftonline.cn/T/v2.0", "https://sts.chinacloudapi.cn/T/"),
        ),
    ],
)
def test_each_cloud_has_its_issuers(authority: str, names: tuple[str, ...]):
    assert tuple(issuer.name for issuer in issuers_of(authority, "T")) == names
