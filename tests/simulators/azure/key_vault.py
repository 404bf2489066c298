"""Vaults by their names in the path, behind TLS and Key Vault's challenge.

https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret and
https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
"""

import secrets
import ssl
from pathlib import Path

import trustme

from tests.simulators.azure.managed_identity import ManagedIdentity
from tests.simulators.azure.server import Answer, SimulatedService

RESOURCE = "https://vault.azure.net"


class KeyVault(SimulatedService):
    """`put` a secret, and a new version of it. Who may read is whom `identity` gave a token for vaults."""

    def __init__(self, identity: ManagedIdentity, directory: Path) -> None:
        self.identity = identity
        self.resource = RESOURCE  # that its challenge asks a token for
        self.secrets: dict[tuple[str, str], list[tuple[str, str]]] = {}  # vault and name → versions, newest last
        self.disabled: set[tuple[str, str]] = set()
        authority = trustme.CA()
        self.ca_file = directory / "key-vault-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        super().__init__(context)

    @property
    def template(self) -> str:
        """ADUANA_KEY_VAULT_URL."""
        return f"{self.url}/{{vault}}"

    @property
    def environment(self) -> dict[str, str]:
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

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        bearer = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
        if not self.identity.accepts(bearer.removeprefix("Bearer "), RESOURCE):
            query["challenged"] = "yes"
            challenge = f'Bearer authorization="https://login.microsoftonline.com/contoso", resource="{self.resource}"'
            error = {"error": {"code": "Unauthorized", "message": "[TokenExpired] the token is missing or bad"}}
            return Answer(401, error, {"WWW-Authenticate": challenge})
        _, vault, _, name, *version = path.split("/")
        found = self.secrets.get((vault, name), [])
        wanted = [each for each in found if each[0] == version[0]] if version and version[0] else found[-1:]
        if not wanted:
            return Answer(404, {"error": {"code": "SecretNotFound", "message": f"{name} was not found"}})
        if (vault, name) in self.disabled:
            inner = {"code": "SecretDisabled"}
            return Answer(403, {"error": {"code": "Forbidden", "message": "not enabled", "innererror": inner}})
        id = f"{self.url}/secrets/{name}/{wanted[0][0]}"  # the client takes no longer path
        return Answer(200, {"value": wanted[0][1], "id": id, "attributes": {"enabled": True}})
