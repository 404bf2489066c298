"""Whatever is sent as a token is taken or refused: nothing else happens."""

import asyncio
import string
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.entra.verification import TokenVerifier
from proxy.errors import Refusal
from tests.proxy.entra.test_verification import APP
from tests.simulators.azure.entra import EntraTenant, SigningKey, new_private_key, signed, unsigned

KEY = SigningKey(new_private_key())
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CLAIMS = ("iss", "aud", "tid", "ver", "exp", "nbf", "iat", "azp", "oid", "roles", "cnf", "nonce")
FIELDS = ("alg", "kid", "typ", "crit", "jwk", "b64")


class Ring:
    async def key(self, id: str) -> Any:
        return KEY.private.public_key() if id == KEY.kid else None


class Issuer:
    version = "2.0"
    name = "https://issuer"


GOOD = {
    "iss": "https://issuer",
    "aud": "api://gateway",
    "tid": "t",
    "ver": "2.0",
    "exp": 2000,
    "nbf": 0,
    "iat": 0,
    "azp": APP,
}
VERIFIER = TokenVerifier("t", ("api://gateway",), {"https://issuer": (Issuer(), Ring())})  # type: ignore[dict-item]


def verdict(token: str | bytes) -> str:
    data = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    try:
        return asyncio.run(VERIFIER.verify(data, 1000.0)).application
    except Refusal as refusal:
        assert refusal.status == 401
        return refusal.code


def test_the_good_one_is_taken():
    assert verdict(signed(GOOD, KEY)) == APP


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400) | st.text(string.ascii_letters + string.digits + "-_.=", max_size=400).map(str.encode))
def test_garbage_is_refused(data: bytes):
    assert verdict(data) == "invalid_token"


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    st.dictionaries(st.sampled_from(CLAIMS), JSON),
    st.binary(max_size=256),
)
def test_a_made_up_token_is_refused(header: dict[str, Any], claims: dict[str, Any], signature: bytes):
    assert verdict(unsigned(GOOD | claims, {"alg": "RS256", "kid": KEY.kid} | header, signature)) == "invalid_token"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([name for name in CLAIMS if name not in ("oid", "roles", "cnf", "nonce")]), JSON)
def test_a_signed_token_with_a_claim_of_any_shape_is_refused_or_means_the_same(name: str, value: Any):
    found = verdict(signed(GOOD | {name: value}, KEY))
    assert found in ("invalid_token", "expired_token", "token_not_yet_valid") or name in ("exp", "nbf", "iat")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_token_of_which_one_character_was_changed_is_refused(data: st.DataObject):
    token = signed(GOOD, KEY)
    # The last one carries bits that base64 leaves unused.
    at = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(
        st.sampled_from(string.ascii_letters + string.digits + "-_.=").filter(lambda each: each != token[at])
    )
    assert verdict(token[:at] + other + token[at + 1 :]) == "invalid_token"


def test_these_tests_use_the_claims_of_the_simulated_tenant(entra_tenant: EntraTenant):
    assert GOOD.keys() <= entra_tenant.claims(APP).keys()
