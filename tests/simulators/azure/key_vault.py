"""Vaults by their names in the path, behind TLS and Key Vault's challenge: secrets are read, written and recovered.

https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret and
https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
"""

import base64
import secrets
import ssl
from pathlib import Path
from typing import Any

import trustme

from tests.simulators.azure.entra import EntraTenant
from tests.simulators.azure.managed_identity import ManagedIdentity
from tests.simulators.azure.server import Answer, Request, SimulatedService

RESOURCE = "https://vault.azure.net"


class KeyVault(SimulatedService):
    """`put` a secret, and a new version of it. Who may read is whom `identity` gave a token for vaults."""

    def __init__(
        self, identity: ManagedIdentity | EntraTenant, directory: Path, authority: trustme.CA | None = None
    ) -> None:
        self.identity = identity
        if isinstance(identity, EntraTenant):
            identity.services.add(RESOURCE)
        self.resource = RESOURCE  # that its challenge asks a token for
        self.reset()
        authority = authority or trustme.CA()
        self.ca_file = directory / "key-vault-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        super().__init__(context)

    def reset(self) -> None:
        """Vaults with nothing in them, that whoever has a token may read."""
        self.secrets: dict[tuple[str, str], list[tuple[str, str]]] = {}  # vault and name → versions, newest last
        self.certificates: dict[tuple[str, str], bytes] = {}  # vault and name → DER
        self.disabled: set[tuple[str, str]] = set()
        self.deleted: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.tags: dict[tuple[str, str], dict[str, str]] = {}
        self.forbids_writing = 0  # so many more writes
        self.closed: set[str] = set()  # vaults whose network rules keep everybody out

    @property
    def template(self) -> str:
        """ADUANA_KEY_VAULT_URL."""
        return f"{self.url}/{{vault}}"

    @property
    def environment(self) -> dict[str, str]:
        assert isinstance(self.identity, ManagedIdentity)
        return {
            **self.identity.environment,
            "ADUANA_KEY_VAULT_URL": self.template,
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }

    def put(self, vault: str, name: str, value: str) -> str:
        """A new version; its id."""
        version = secrets.token_hex(16)
        self.secrets.setdefault((vault, name), []).append((version, value))
        return version

    def reads(self, name: str) -> int:
        """Requests for a secret that were not only to be challenged."""
        return sum(f"/secrets/{name}/" in path for path, query in self.requests if "challenged" not in query)

    def delete(self, vault: str, name: str) -> None:
        """Softly: it can be brought back, and until then its name is taken."""
        self.deleted[vault, name] = self.secrets.pop((vault, name))

    def respond(self, request: Request) -> Answer:
        if not self.identity.accepts(request.token, RESOURCE):
            self.requests[-1][1]["challenged"] = "yes"
            challenge = f'Bearer authorization="https://login.microsoftonline.com/contoso", resource="{self.resource}"'
            return Answer(401, _error("Unauthorized", "[TokenExpired] bad token"), {"WWW-Authenticate": challenge})
        _, vault, kind, name, *rest = request.path.split("/")
        if vault in self.closed:
            return Answer(403, _error("Forbidden", "public network access is disabled", "ForbiddenByConnection"))
        if kind == "certificates":
            return self._certificate(vault, name)
        if kind == "deletedsecrets":
            return self._deleted(request, vault, name, rest)
        if request.method == "PUT":
            return self._write(vault, name, request.body)
        return self._read(vault, name, rest)

    def _read(self, vault: str, name: str, version: list[str]) -> Answer:
        found = self.secrets.get((vault, name), [])
        wanted = [each for each in found if each[0] == version[0]] if version and version[0] else found[-1:]
        if not wanted:
            return Answer(404, _error("SecretNotFound", f"{name} was not found"))
        if (vault, name) in self.disabled:
            return Answer(403, _error("Forbidden", "not enabled", "SecretDisabled"))
        return Answer(200, {"value": wanted[0][1], **self._named(name, wanted[0][0])})

    def _certificate(self, vault: str, name: str) -> Answer:
        """https://learn.microsoft.com/rest/api/keyvault/certificates/get-certificate/get-certificate"""
        der = self.certificates.get((vault, name))
        if der is None:
            return Answer(404, _error("CertificateNotFound", f"{name} was not found"))
        enabled = (vault, name) not in self.disabled
        id = f"{self.url}/certificates/{name}/{secrets.token_hex(16)}"
        return Answer(200, {"id": id, "cer": base64.b64encode(der).decode(), "attributes": {"enabled": enabled}})

    def _write(self, vault: str, name: str, body: dict[str, Any]) -> Answer:
        if self.forbids_writing > 0:  # a role that was given a moment ago
            self.forbids_writing -= 1
            return Answer(403, _error("Forbidden", "the caller is not authorized", "ForbiddenByRbac"))
        if (vault, name) in self.deleted:
            return Answer(409, _error("Conflict", "deleted but recoverable", "ObjectIsDeletedButRecoverable"))
        self.tags[vault, name] = body.get("tags", {})
        return Answer(200, {"value": body["value"], **self._named(name, self.put(vault, name, body["value"]))})

    def _deleted(self, request: Request, vault: str, name: str, rest: list[str]) -> Answer:
        if (vault, name) not in self.deleted:
            return Answer(404, _error("SecretNotFound", f"deleted {name} was not found"))
        if request.method == "POST" and rest == ["recover"]:
            self.secrets[vault, name] = self.deleted.pop((vault, name))
        return Answer(200, {"recoveryId": f"{self.url}/deletedsecrets/{name}", **self._named(name, "0" * 32)})

    def _named(self, name: str, version: str) -> dict[str, Any]:
        """The client takes no longer path."""
        return {"id": f"{self.url}/secrets/{name}/{version}", "attributes": {"enabled": True}}


def _error(code: str, message: str, inner: str | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **({"innererror": {"code": inner}} if inner else {})}}
