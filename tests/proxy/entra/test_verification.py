"""Which tokens let in, and what is said of those that do not."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization

from proxy.entra import looks_like_token
from proxy.entra.tokens import EntraTokens
from proxy.entra.verification import LARGEST_TOKEN, LEEWAY
from proxy.errors import Refusal
from tests.simulators.azure.entra import EntraTenant, SigningKey, signed, unsigned

APP = "11111111-2222-3333-4444-555555555555"
STRANGER = SigningKey()


async def refusal_of(tokens: EntraTokens, token: str | bytes) -> Refusal:
    with pytest.raises(Refusal) as raised:
        await tokens.verify(token.encode() if isinstance(token, str) else token)
    return raised.value


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("audience", ["api://gateway", None])
async def test_a_token_of_either_version_and_for_any_of_the_audiences_is_taken(
    entra_tenant: EntraTenant, tokens: EntraTokens, version: int, audience: str | None
):
    token = entra_tenant.mint(
        APP.upper(), version=version, aud=audience or entra_tenant.api_id, oid="AAAAAAAA-1111-2222-3333-444444444444",
        roles=["llm.caller"],
    )  # fmt: skip
    found = await tokens.verify(token.encode())
    assert (found.application, found.object, found.roles) == (
        APP, "aaaaaaaa-1111-2222-3333-444444444444", ("llm.caller",),
    )  # fmt: skip
    assert (found.issuer, found.key_id) == (entra_tenant.issuer(version), entra_tenant.keys[0].kid)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -LEEWAY + 30},  # the clocks differ a little
        {"nbf": LEEWAY - 30, "iat": LEEWAY - 30},
        {"oid": None},
        {"roles": None},
        {"roles": []},
        {"scp": "access_as_user"},
        {"groups": [str(uuid4()) for _ in range(200)]},
    ],
)
async def test_what_entra_may_say_or_leave_out_is_no_reason_to_refuse(entra_tenant, tokens, claims: dict[str, Any]):
    await tokens.verify(entra_tenant.mint(APP, **_timed(claims)).encode())


FOREIGN = str(uuid4())

WRONG_CLAIMS: list[tuple[dict[str, Any], str, str]] = [
    ({"iss": f"https://sts.windows.net/{FOREIGN}/"}, "invalid_token", "was not issued by this gateway's Entra ID tenant"),
    ({"iss": "https://login.microsoftonline.com/common/v2.0"}, "invalid_token", "was not issued by"),
    ({"iss": None}, "invalid_token", "its claims are not those"),
    ({"iss": 7}, "invalid_token", "its claims are not those"),
    ({"tid": FOREIGN}, "invalid_token", "its version or its tenant"),
    ({"tid": None}, "invalid_token", "its claims are not those"),
    ({"ver": "1.0"}, "invalid_token", "its version or its tenant"),
    ({"ver": None}, "invalid_token", "its claims are not those"),
    ({"aud": "https://cognitiveservices.azure.com"}, "invalid_token", "it is meant for 'https://cognitiveservices.azure.com'"),
    ({"aud": "API://gateway"}, "invalid_token", "it is meant for 'API://gateway'"),
    ({"aud": "api://gateway/"}, "invalid_token", "it is meant for"),
    ({"aud": ["api://gateway"]}, "invalid_token", "its claims are not those"),
    ({"aud": None}, "invalid_token", "its claims are not those"),
    ({"exp": -LEEWAY - 1}, "expired_token", "has expired"),
    ({"exp": None}, "invalid_token", "its claims are not those"),
    ({"exp": "tomorrow"}, "invalid_token", "its claims are not those"),
    ({"nbf": LEEWAY + 30}, "token_not_yet_valid", "not valid yet"),
    ({"nbf": None}, "invalid_token", "its claims are not those"),
    ({"iat": LEEWAY + 30}, "token_not_yet_valid", "not valid yet"),
    ({"iat": None}, "invalid_token", "its claims are not those"),
    ({"azp": None}, "invalid_token", "it is no access token"),
    ({"azp": "my-client"}, "invalid_token", "it is no access token"),
    ({"azp": None, "appid": APP}, "invalid_token", "it is no access token"),  # version 1's, in version 2
    ({"nonce": "n"}, "invalid_token", "it is no access token"),
    ({"at_hash": "h"}, "invalid_token", "it is no access token"),
    ({"c_hash": "h"}, "invalid_token", "it is no access token"),
    ({"cnf": {"kid": "k"}}, "invalid_token", "it is bound to a key of its owner's"),
    ({"oid": 7}, "invalid_token", "its claims are not those"),
    ({"roles": "llm.caller"}, "invalid_token", "its claims are not those"),
    ({"roles": [1]}, "invalid_token", "its claims are not those"),
]  # fmt: skip


@pytest.mark.parametrize(("claims", "code", "said"), WRONG_CLAIMS)
async def test_a_wrong_claim_is_refused_and_named(entra_tenant, tokens, claims: dict[str, Any], code: str, said: str):
    token = entra_tenant.mint(APP, **_timed(claims))
    refusal = await refusal_of(tokens, token)
    assert (refusal.status, refusal.code) == (401, code)
    assert said in refusal.message
    assert token not in refusal.message and tokens.known(token.encode(), time.time()) is None


def _id_token(tenant: EntraTenant) -> str:
    """As the sign-in of a web application whose registration is the gateway's own gets one."""
    return tenant.mint(APP, azp=None, azpacr=None, name="Alice", preferred_username="alice@contoso.com")


def _hmac_by_public_key(tenant: EntraTenant, encoding: serialization.Encoding) -> str:
    """The confusion of RFC 8725, section 2.1: the public key as the secret of HS256."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    secret = tenant.keys[0].private.public_key().public_bytes(encoding, form)
    signing_input = unsigned(tenant.claims(APP), {"alg": "HS256", "kid": tenant.keys[0].kid}).rsplit(".", 1)[0]
    mac = hmac.digest(secret, signing_input.encode(), sha256)
    return f"{signing_input}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _tampered(tenant: EntraTenant) -> str:
    header, _, signature = tenant.mint(APP).split(".")
    claims = json.dumps(tenant.claims(str(uuid4()))).encode()
    return f"{header}.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.{signature}"


def _header(**fields: Any) -> Callable[[EntraTenant], str]:
    return lambda tenant: tenant.mint(APP, header=fields)


FORGED: list[tuple[str, Callable[[EntraTenant], str], str]] = [
    ("alg none", lambda t: unsigned(t.claims(APP), {"alg": "none", "kid": t.keys[0].kid}, b"x"), "not signed by RS256"),
    ("alg None", lambda t: unsigned(t.claims(APP), {"alg": "None", "kid": t.keys[0].kid}, b"x"), "not signed by RS256"),
    ("no alg", lambda t: unsigned(t.claims(APP), {"kid": t.keys[0].kid}, b"x"), "not signed by RS256"),
    ("HS256 by the public key in PEM", lambda t: _hmac_by_public_key(t, serialization.Encoding.PEM), "RS256"),
    ("HS256 by the public key in DER", lambda t: _hmac_by_public_key(t, serialization.Encoding.DER), "RS256"),
    ("RS512 by the tenant's key", _header(alg="RS512"), "not signed by RS256"),
    ("PS256 by the tenant's key", _header(alg="PS256"), "not signed by RS256"),
    ("a stranger's key under the tenant's kid", lambda t: signed(t.claims(APP), STRANGER, {"kid": t.keys[0].kid}), "signature"),
    ("a stranger's key", lambda t: signed(t.claims(APP), STRANGER), "none of the tenant's"),
    ("its own jwk", lambda t: signed(t.claims(APP), STRANGER, {"jwk": STRANGER.jwk()}), "its header has what no token"),
    ("its own jku", _header(jku="https://evil.example/keys"), "its header has what no token"),
    ("its own x5u", _header(x5u="https://evil.example/cert"), "its header has what no token"),
    ("its own x5c", _header(x5c=["MIIB"]), "its header has what no token"),
    ("critical fields", _header(crit=["exp"]), "its header has what no token"),
    ("another type", _header(typ="dpop+jwt"), "its header has what no token"),
    ("no kid", lambda t: unsigned(t.claims(APP), {"alg": "RS256"}, b"x"), "does not name the key"),
    ("a kid that is a path", _header(kid="../../dev/null"), "none of the tenant's"),
    ("a kid that is no text", lambda t: unsigned(t.claims(APP), {"alg": "RS256", "kid": ["a"]}, b"x"), "does not name the key"),
    ("other claims under a signature", _tampered, "its signature is wrong"),
    ("no signature", lambda t: t.mint(APP).rsplit(".", 1)[0] + ".", "it is not a signed JWT"),
    ("an ID token", _id_token, "it is no access token"),
    ("four parts", lambda t: t.mint(APP) + ".x", "it is not a signed JWT"),
    ("blanks", lambda t: t.mint(APP).replace(".", ". "), "it is not a signed JWT"),
    ("standard base64", lambda t: t.mint(APP) + "=", "it is not a signed JWT"),
    ("a header that is no JSON", lambda t: "eyJ." + t.mint(APP).split(".", 1)[1], "its header cannot be read"),
    ("a header that is a list", lambda t: "W10." + t.mint(APP).split(".", 1)[1], "its header cannot be read"),
    ("claims that are no JSON", lambda t: "{}.eyJ.{}".format(*t.mint(APP).split(".")[::2]), "its claims are not those"),
    ("claims nested deep", lambda t: "{}.{}.{}".format(t.mint(APP).split(".")[0], "W1tb" * 3000, "eA"), "its claims are not"),
    ("too large", lambda t: t.mint(APP, wids="x" * LARGEST_TOKEN), "it is larger than"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "said"), [case[1:] for case in FORGED], ids=[case[0] for case in FORGED])
async def test_a_forged_token_is_refused_without_being_repeated(entra_tenant, tokens, make, said: str):
    token = make(entra_tenant)
    refusal = await refusal_of(tokens, token)
    assert (refusal.status, refusal.code) == (401, "invalid_token")
    assert said in refusal.message
    assert not any(part in refusal.message for part in token.split(".") if len(part) > 20)


async def test_a_token_of_another_tenant_of_the_same_authority_is_refused(entra_tenant, tokens, tmp_path):
    claims = entra_tenant.claims(APP, iss=f"{entra_tenant.url}/{FOREIGN}/v2.0", tid=FOREIGN)
    refusal = await refusal_of(tokens, signed(claims, entra_tenant.keys[0]))
    assert "was not issued by this gateway's Entra ID tenant" in refusal.message


async def test_one_versions_keys_and_claims_do_not_do_for_the_other(entra_tenant, tokens):
    v1 = entra_tenant.mint(APP, version=1, ver="2.0")
    assert "its version or its tenant" in (await refusal_of(tokens, v1)).message
    v1 = entra_tenant.mint(APP, version=1, appid=None, azp=APP)
    assert "it is no access token" in (await refusal_of(tokens, v1)).message


async def test_a_token_is_verified_once_and_known_until_it_expires(entra_tenant, tokens):
    token = entra_tenant.mint(APP).encode()
    assert tokens.known(token, time.time()) is None
    verified = await tokens.verify(token)
    assert tokens.known(token, time.time()) is verified
    assert tokens.known(token, verified.expires_at) is None
    assert tokens.known(token[:-1] + b"x", time.time()) is None
    assert token.decode() not in repr(vars(tokens)) + repr(verified)


async def test_the_tokens_that_are_known_are_bounded_and_the_idle_ones_go_first(entra_tenant, make_tokens):
    tokens = make_tokens(most=3)
    minted = [entra_tenant.mint(APP).encode() for _ in range(4)]
    for token in minted[:3]:
        await tokens.verify(token)
    assert tokens.known(minted[0], time.time()) is not None  # used last
    await tokens.verify(minted[3])
    known = [tokens.known(token, time.time()) is not None for token in minted]
    assert known == [True, False, True, True]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("eyJ.eyJ.x", True), ("eyJhbGciOiJub25lIn0.e30.", True), ("adu_abcdefgh_" + "s" * 43, False), ("eyJ.eyJ", False),
     ("sk-eyJ.eyJ.x", False), ("", False)],
)  # fmt: skip
def test_a_token_is_told_from_a_mistyped_key(text: str, is_one: bool):
    assert looks_like_token(text) is is_one


def _timed(claims: dict[str, Any]) -> dict[str, Any]:
    """Times of the tables are relative to now."""
    now = int(time.time())
    timed = ("exp", "nbf", "iat")
    return {
        name: now + int(at) if name in timed and isinstance(at, (int, float)) else at for name, at in claims.items()
    }
