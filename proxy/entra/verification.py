"""Whether a token is an access token that our tenant issued for this gateway, and that is valid now.

The order is that of RFC 8725: the algorithm is ours to choose (RS256), the key comes from the issuer's own list and never from
the token, and every claim that gives it meaning is compared. https://learn.microsoft.com/entra/identity-platform/access-tokens
"""

import re
from collections.abc import Mapping
from typing import Any

import jwt
import msgspec
from jwt.api_jws import PyJWS
from jwt.utils import base64url_decode

from proxy.entra import VerifiedToken
from proxy.entra.discovery import KeysUnavailable
from proxy.entra.issuers import Issuer
from proxy.entra.keyring import KeyRing
from proxy.entra.refusals import early_token, expired_token, invalid_token, keys_unavailable

LARGEST_TOKEN = 16 * 1024  # bytes; one with Entra's most groups has some 10 KiB
LEEWAY = 60.0  # seconds between our clock and the issuer's

_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Header fields by which a token would bring its own key, or change what is signed (RFC 7515, section 4.1; RFC 7797).
_OWN_KEYS = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_TYPES = frozenset({"JWT", "AT+JWT", "APPLICATION/AT+JWT"})
# What ID tokens have and access tokens never do (OpenID Connect Core 1.0, sections 2 and 3.3.2.11).
_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash")

_jws = PyJWS(algorithms=["RS256"])


class _Claims(msgspec.Struct):
    iss: str
    aud: str
    tid: str
    ver: str
    exp: int
    nbf: int
    iat: int
    azp: str | None = None
    appid: str | None = None
    oid: str | None = None
    roles: list[str] = []
    cnf: Any = None  # RFC 7800: the key that its bearer has to prove to hold
    nonce: Any = None
    at_hash: Any = None
    c_hash: Any = None


_decode_header = msgspec.json.Decoder(dict[str, Any]).decode
_decode_claims = msgspec.json.Decoder(_Claims).decode


class TokenVerifier:
    """Verifies the tokens of one tenant for one set of audiences."""

    def __init__(self, tenant_id: str, audiences: tuple[str, ...], rings: Mapping[str, tuple[Issuer, KeyRing]]) -> None:
        """`rings`: by issuer."""
        self._tenant_id = tenant_id
        self._audiences = audiences
        self._rings = rings

    async def verify(self, token: bytes, now: float) -> VerifiedToken:
        """What it says of its bearer. `now`: Unix seconds. Raises `Refusal`: 401, or 503 where the keys cannot be had."""
        key_id, claims = _read(token)
        found = self._rings.get(claims.iss)
        if found is None:
            raise invalid_token("it was not issued by this gateway's Entra ID tenant (iss)")
        issuer, ring = found
        try:
            key = await ring.key(key_id)
        except KeysUnavailable:
            raise keys_unavailable() from None
        if key is None:
            raise invalid_token("the key that it is signed with (kid) is none of the tenant's")
        try:
            _jws.decode_complete(token, key, algorithms=["RS256"])
        except jwt.InvalidTokenError:
            raise invalid_token("its signature is wrong") from None
        return self._check(claims, issuer, key_id, now)

    def _check(self, claims: _Claims, issuer: Issuer, key_id: str, now: float) -> VerifiedToken:
        if claims.ver != issuer.version or claims.tid.lower() != self._tenant_id:
            raise invalid_token("its version or its tenant (ver, tid) is not that of its issuer")
        if claims.aud not in self._audiences:
            raise invalid_token(
                f"it is meant for {claims.aud[:200]!r} (aud), and this gateway takes tokens for "
                f"{' or '.join(self._audiences)}; ask Entra ID for one with that scope"
            )
        expires_at = claims.exp + LEEWAY
        if expires_at <= now:
            raise expired_token()
        if max(claims.nbf, claims.iat) > now + LEEWAY:
            raise early_token()
        # Every access token names the client that it was given to; an ID token, whose audience may be ours, does not.
        application = ((claims.azp if issuer.version == "2.0" else claims.appid) or "").lower()
        if not _GUID.fullmatch(application) or any(getattr(claims, name) is not None for name in _OF_ID_TOKENS):
            raise invalid_token("it is no access token (an ID token says who signed in, it lets nobody in)")
        if claims.cnf is not None:
            raise invalid_token("it is bound to a key of its owner's (cnf), and this gateway takes bearer tokens")
        object_id = claims.oid.lower() if claims.oid is not None else None
        return VerifiedToken(application, object_id, tuple(claims.roles), issuer.name, key_id, expires_at)


def _read(token: bytes) -> tuple[str, _Claims]:
    """The key's id and the claims, neither of them verified yet."""
    if len(token) > LARGEST_TOKEN:
        raise invalid_token(f"it is larger than {LARGEST_TOKEN} bytes")
    if _COMPACT.fullmatch(token) is None:
        raise invalid_token("it is not a signed JWT")
    header_part, claims_part, _ = token.split(b".")
    try:
        header = _decode_header(base64url_decode(header_part))
    except (ValueError, RecursionError):
        raise invalid_token("its header cannot be read") from None
    if header.get("alg") != "RS256":
        raise invalid_token("it is not signed by RS256, the algorithm of Entra ID")
    if _OWN_KEYS & header.keys() or str(header.get("typ", "JWT")).upper() not in _TYPES:
        raise invalid_token("its header has what no token of Entra ID has")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise invalid_token("its header does not name the key that it is signed with (kid)")
    try:
        return key_id, _decode_claims(base64url_decode(claims_part))
    except (ValueError, RecursionError):
        raise invalid_token(
            "its claims are not those of Entra ID's access tokens (iss, aud, tid, ver, exp, nbf, iat)"
        ) from None
