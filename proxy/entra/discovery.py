"""Fetching an issuer's signing keys: its metadata say where they are. Over TLS alone, without redirects, bounded in size."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from proxy.entra.issuers import Issuer

if TYPE_CHECKING:
    import httpx

SigningKeys = Mapping[str, RSAPublicKey]  # by key id

_LARGEST = 512 * 1024  # bytes of a document; Entra's have some 20 KiB
_MOST_KEYS = 100
_SHORTEST_KEY = 2048  # bits: RFC 7518, section 3.3


class KeysUnavailable(Exception):
    """An issuer's signing keys cannot be had now; the message says why."""


class _Metadata(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _Key(msgspec.Struct):
    kty: str
    kid: str = ""
    use: str = "sig"
    alg: str = "RS256"
    n: str = ""
    e: str = ""
    issuer: str | None = None  # whose tokens it signs; Entra's version 2 documents hold those of other issuers too


class _KeySet(msgspec.Struct):
    keys: list[_Key]


async def fetch_signing_keys(http: "httpx.AsyncClient", issuer: Issuer, tenant_id: str) -> SigningKeys:
    """The keys that an issuer signs with now. Raises `KeysUnavailable`."""
    metadata = await _document(http, issuer.metadata_url, _Metadata)
    if metadata.issuer != issuer.name:
        raise KeysUnavailable(
            f"{issuer.metadata_url} speaks for the issuer {metadata.issuer[:200]!r}, not for {issuer.name!r}: are "
            "ADUANA_ENTRA_TENANT_ID and ADUANA_ENTRA_AUTHORITY right?"
        )
    if not metadata.jwks_uri.startswith("https://"):
        raise KeysUnavailable(f"{issuer.metadata_url} names signing keys that are not behind TLS")
    document = await _document(http, metadata.jwks_uri, _KeySet)
    keys = {key.kid: public for key in document.keys[:_MOST_KEYS] if (public := _usable(key, issuer, tenant_id))}
    if not keys:
        raise KeysUnavailable(f"{metadata.jwks_uri} has no RSA key that signs for {issuer.name}")
    return keys


def _usable(key: _Key, issuer: Issuer, tenant_id: str) -> RSAPublicKey | None:
    if key.kty != "RSA" or not key.kid or key.use != "sig" or key.alg != "RS256":
        return None
    # A key's issuer may be a template: https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer
    signs_for = key.issuer.replace("{tenantid}", tenant_id) if key.issuer is not None else issuer.name
    if issuer.version == "2.0" and signs_for != issuer.name:
        return None
    try:
        public = RSAAlgorithm.from_jwk({"kty": "RSA", "n": key.n, "e": key.e})
    except (jwt.InvalidKeyError, ValueError):
        return None
    return public if isinstance(public, RSAPublicKey) and public.key_size >= _SHORTEST_KEY else None


_T = TypeVar("_T", bound=msgspec.Struct)


async def _document(http: "httpx.AsyncClient", url: str, kind: type[_T]) -> _T:
    import httpx

    try:
        async with http.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise KeysUnavailable(f"{url} answered {answer.status_code}")
            data = bytearray()
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) > _LARGEST:
                    raise KeysUnavailable(f"{url} answered with more than {_LARGEST} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise KeysUnavailable(f"{url} cannot be reached: {_reason(error)}") from None
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise KeysUnavailable(f"{url} answered with what is no such document") from None


def _reason(error: Any) -> str:
    return str(error) or type(error).__name__
