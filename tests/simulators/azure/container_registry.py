"""A container registry of Azure's kind: manifests by digest, tokens for everybody or for who shows one of Entra ID.

https://learn.microsoft.com/azure/container-registry/container-registry-authentication
"""

import secrets
import ssl

from tests.simulators.azure.entra import EntraTenant
from tests.simulators.azure.server import Answer, Request, SimulatedService

AUDIENCE = "https://containerregistry.azure.net"


class ContainerRegistry(SimulatedService):
    """Registries by their hosts in the path. `push` an image; its reference. `public`: whoever comes may pull (by Docker's
    token flow, not Azure's).
    """

    def __init__(self, entra: EntraTenant, tls: ssl.SSLContext) -> None:
        self.entra = entra
        entra.services.add(AUDIENCE)
        super().__init__(tls)
        self.reset()

    def reset(self) -> None:
        self.public = True
        self.anonymous = False  # whoever comes may pull, by Azure's token flow
        self.away = False
        self.may_pull = True  # whoever signs in
        self.manifests: set[tuple[str, str]] = set()  # repository, digest
        self._tokens: set[str] = set()

    @property
    def template(self) -> str:
        """ADUANA_REGISTRY_URL."""
        return f"{self.url}/{{host}}"

    def push(self, repository: str, host: str = "contoso.azurecr.io") -> str:
        digest = f"sha256:{secrets.token_hex(32)}"
        self.manifests.add((f"{host}/{repository}", digest))
        return f"{host}/{repository}@{digest}"

    def respond(self, request: Request) -> Answer:
        _, host, path = request.path.split("/", 2)
        if path == "token" and self.public:
            return Answer(200, {"token": self._issue()})
        if path == "oauth2/token" and request.method == "GET":
            return Answer(200, {"access_token": self._issue()}) if self.anonymous else _no(401, "UNAUTHORIZED", "no")
        if path == "oauth2/exchange":
            if self.entra.accepts(request.form["access_token"], AUDIENCE) is None or not self.may_pull:
                return _no(401, "UNAUTHORIZED", "authentication required")
            return Answer(200, {"refresh_token": self._issue()})
        if path == "oauth2/token":
            good = request.form["refresh_token"] in self._tokens
            return Answer(200, {"access_token": self._issue()}) if good else _no(401, "UNAUTHORIZED", "bad token")
        if request.token not in self._tokens:
            realm = f"{self.url}/{host}/{'token' if self.public else 'oauth2/token'}"
            challenge = f'Bearer realm="{realm}",service="{host}",scope="repository:x:pull"'
            return _no(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        repository, _, digest = path.removeprefix("v2/").partition("/manifests/")
        if (f"{host}/{repository}", digest) in self.manifests:
            return Answer(200, None, {"Docker-Content-Digest": digest})
        return _no(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _issue(self) -> str:
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        return token


def _no(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"errors": [{"code": code, "message": message}]}, headers)
