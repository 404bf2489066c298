"""The identity endpoint of App Service and Container Apps: a token for whoever shows the header's secret.

https://learn.microsoft.com/azure/app-service/overview-managed-identity (REST endpoint reference)
"""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping

from tests.simulators.azure.server import Answer, SimulatedService


class ManagedIdentity(SimulatedService):
    """`accepts` says whether a token is good for a resource, as who receives it would. Tokens are opaque, but for an
    `object_id`, which they name.
    """

    def __init__(self, client_ids: tuple[str, ...] = ()) -> None:
        self.secret = secrets.token_urlsafe(16)
        self.client_ids = client_ids  # of user-assigned identities; the system's is there too
        self.lifetime = 86_400.0  # seconds
        self.issued: list[tuple[str, str, str | None, float]] = []  # token, resource, client id, expiry
        self.revoked: set[str] = set()
        self.object_id: str | None = None
        self.on_issue: Callable[[str, str], None] = lambda token, resource: None
        self._lock = threading.Lock()
        super().__init__()

    @property
    def environment(self) -> dict[str, str]:
        """What the platform puts into a process's environment."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": self.secret}

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        given = {name.lower(): value for name, value in headers.items()}
        if path != "/msi/token" or query.get("api-version") != "2019-08-01":
            return Answer(404, {"statusCode": 404, "message": "not found"})
        if given.get("x-identity-header") != self.secret:
            return Answer(401, {"statusCode": 401, "message": "the header is wrong"})
        client_id = query.get("client_id")
        if client_id is not None and client_id not in self.client_ids:
            return Answer(400, {"statusCode": 400, "message": "no user-assigned identity with this client id"})
        expires = time.time() + self.lifetime
        with self._lock:
            token = f"entra-token-{len(self.issued) + 1}-{secrets.token_hex(8)}"
            if self.object_id is not None:
                token = f"e30.{_base64({'oid': self.object_id})}.{token}"
            self.issued.append((token, query["resource"], client_id, expires))
            self.on_issue(token, query["resource"])
        return Answer(
            200,
            {
                "access_token": token,
                "client_id": client_id or "",
                "expires_on": str(int(expires)),
                "resource": query["resource"],
                "token_type": "Bearer",
            },
        )

    def accepts(self, token: str, resource: str) -> bool:
        return token not in self.revoked and any(
            (known, of) == (token, resource) and time.time() < expires for known, of, _, expires in self.issued
        )

    @property
    def tokens(self) -> list[str]:
        return [token for token, *_ in self.issued]


def _base64(claims: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
