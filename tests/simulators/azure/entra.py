"""One tenant of Entra ID: discovery and signing keys of both versions, the client credentials grant, and tokens of any shape.

https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc,
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow,
https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

import base64
import json
import secrets
import ssl
import time
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import InvalidTokenError, decode, get_unverified_header
from jwt.algorithms import RSAAlgorithm
from jwt.api_jws import PyJWS

from tests.simulators.azure.server import Answer, SimulatedService


def new_private_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


_first_private_key = cache(new_private_key)  # making one takes most of a short test's time


class SigningKey:
    """One of the tenant's, or anybody's: `kid` is what its tokens name."""

    def __init__(self, private: rsa.RSAPrivateKey | None = None) -> None:
        self.private = private or new_private_key()
        self.kid = base64.urlsafe_b64encode(secrets.token_bytes(20)).rstrip(b"=").decode()

    def jwk(self) -> dict[str, Any]:
        return {**RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True), "use": "sig", "kid": self.kid} | {
            "x5t": self.kid
        }


class EntraTenant(SimulatedService):
    """A tenant with one API (the gateway's registration) and any number of clients with secrets. Services of Microsoft that it
    is told of (`services`) are given tokens for, too, and `accepts` is what those ask.
    """

    def __init__(self, directory: Path, authority: trustme.CA | None = None) -> None:
        self.tenant_id, self.api_id = str(uuid4()), str(uuid4())
        self.api_uri = "api://gateway"
        self.clients: dict[str, str] = {}  # application id → secret
        self.roles: dict[str, list[str]] = {}  # application id → app roles of the API that it was given
        self.services: set[str] = set()  # https://management.azure.com, …
        self.object_ids: dict[str, str] = {}  # application id → object id of its service principal
        self.extra_claims: dict[str, Any] = {}  # of tokens for services
        self.version = 2  # of the tokens that the API's registration asks for (requestedAccessTokenVersion)
        self.keys = [SigningKey(_first_private_key())]  # the newest signs
        self.key_documents: dict[str, Any] = {}  # path → what is answered in place of the signing keys or metadata
        authority = authority or trustme.CA()
        self.ca_file = directory / "entra-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        super().__init__(context)

    @property
    def settings(self) -> dict[str, str]:
        """ADUANA_*, in small letters and without the prefix, of a gateway that takes this tenant's tokens."""
        return {
            "entra_tenant_id": self.tenant_id,
            "entra_audience": f"{self.api_uri},{self.api_id}",
            "entra_authority": self.url,
            "ca_bundle": str(self.ca_file),
        }

    def issuer(self, version: int = 2) -> str:
        return f"{self.url}/{self.tenant_id}/v2.0" if version == 2 else f"https://sts.windows.net/{self.tenant_id}/"

    # ── Clients and keys ────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, *roles: str) -> str:
        """A client that may ask for tokens; its application id."""
        id = str(uuid4())
        self.clients[id], self.roles[id], self.object_ids[id] = secrets.token_urlsafe(24), list(roles), str(uuid4())
        return id

    def rotate(self) -> SigningKey:
        """A further key, which signs from here on; the others are still published."""
        self.keys.append(SigningKey())
        return self.keys[-1]

    def withdraw(self, key: SigningKey) -> None:
        self.keys.remove(key)

    def fetches(self, path: str = "/keys") -> int:
        """How often signing keys were asked for, of both versions."""
        return sum(asked.endswith(path) for asked, _ in self.requests)

    # ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def claims(self, application: str, version: int = 2, **claims: Any) -> dict[str, Any]:
        """Those of an access token for the API; what is None is left out."""
        now = int(time.time())
        usual = {
            "iss": self.issuer(version),
            "aud": self.api_id if version == 2 else self.api_uri,
            "tid": self.tenant_id,
            "ver": f"{version}.0",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "azp" if version == 2 else "appid": application,
            "azpacr" if version == 2 else "appidacr": "1",
            "oid": str(uuid4()),
            "sub": secrets.token_urlsafe(16),
            "roles": self.roles.get(application) or None,
            "rh": "1.AAAA",
            "uti": secrets.token_urlsafe(16),
        }
        return {name: value for name, value in (usual | claims).items() if value is not None}

    def mint(
        self,
        application: str,
        *,
        version: int = 2,
        key: SigningKey | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token that the tenant signs, with these claims (None: without) and header fields."""
        return signed(self.claims(application, version, **claims), key or self.keys[-1], header)

    def accepts(self, token: str, audience: str) -> dict[str, Any] | None:
        """The claims of a token that is good for a service; None where it is not."""
        try:
            kid = get_unverified_header(token)["kid"]
            key = next(each for each in self.keys if each.kid == kid)
            return decode(token, key.private.public_key(), algorithms=["RS256"], audience=audience)
        except (InvalidTokenError, StopIteration, KeyError):
            return None

    # ── What it answers ─────────────────────────────────────────────────────────────────────────────────────────────

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        if path in self.key_documents:
            return Answer(200, self.key_documents[path])
        tenant = f"/{self.tenant_id}"
        if path == f"{tenant}/v2.0/.well-known/openid-configuration":
            return Answer(200, self._metadata(2, "/discovery/v2.0/keys", "/oauth2/v2.0"))
        if path == f"{tenant}/.well-known/openid-configuration":
            return Answer(200, self._metadata(1, "/discovery/keys", "/oauth2"))
        if path == f"{tenant}/discovery/v2.0/keys":
            return Answer(200, {"keys": [{**key.jwk(), "issuer": self.issuer()} for key in self.keys]})
        if path == f"{tenant}/discovery/keys":
            return Answer(200, {"keys": [key.jwk() for key in self.keys]})
        return Answer(404, {"error": "invalid_tenant", "error_description": "AADSTS90002: tenant not found"})

    def answer_form(self, path: str, form: dict[str, str]) -> Answer:
        if path != f"/{self.tenant_id}/oauth2/v2.0/token":
            return Answer(404, {"error": "invalid_tenant", "error_description": "AADSTS90002: tenant not found"})
        application = form.get("client_id", "")
        if application not in self.clients or form.get("client_secret") != self.clients[application]:
            return Answer(401, {"error": "invalid_client", "error_description": "AADSTS7000215: invalid client secret"})
        if form.get("grant_type") != "client_credentials":
            return Answer(400, {"error": "unsupported_grant_type", "error_description": "AADSTS70003"})
        service = form.get("scope", "").removesuffix("/.default")
        if service in self.services:
            principal = self.object_ids[application]
            claims = {"aud": service, "oid": principal, "sub": principal, "appid": application, "idtyp": "app"}
            token = self.mint(application, version=1, **(claims | self.extra_claims))
            return Answer(
                200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}
            )
        if form.get("scope") not in (f"{self.api_uri}/.default", f"{self.api_id}/.default"):
            return Answer(400, {"error": "invalid_scope", "error_description": "AADSTS70011"})
        token = self.mint(application, version=self.version)
        return Answer(200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})

    def _metadata(self, version: int, keys: str, endpoints: str) -> dict[str, Any]:
        tenant = f"{self.url}/{self.tenant_id}"
        return {
            "issuer": self.issuer(version),
            "jwks_uri": f"{tenant}{keys}",
            "token_endpoint": f"{tenant}{endpoints}/token",
            "authorization_endpoint": f"{tenant}{endpoints}/authorize",
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


def signed(claims: dict[str, Any], key: SigningKey, header: dict[str, Any] | None = None) -> str:
    """A JWT with these claims, by anybody's key. A header field that is None is left out."""
    fields = {"kid": key.kid, "x5t": key.kid, **(header or {})}
    algorithm = fields.pop("alg", "RS256")
    return PyJWS().encode(json.dumps(claims).encode(), key.private, algorithm=algorithm, headers=fields)


def unsigned(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    """A JWT put together by hand."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
