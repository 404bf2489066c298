"""The blob service of storage accounts, by their names in the path: containers, blobs, and leases on them.

https://learn.microsoft.com/rest/api/storageservices/get-container-properties, …/get-blob-properties. An account is there when
ARM has it; so is a container. Whether the caller may read is `allowed`.
"""

import base64
import json
import ssl
from typing import Any
from uuid import uuid4

from tests.simulators.azure.arm import ArmService
from tests.simulators.azure.server import Answer, Request, SimulatedService

AUDIENCE = "https://storage.azure.com"


class BlobStorage(SimulatedService):
    """`lock` a state as Terraform does."""

    def __init__(self, arm: ArmService, tls: ssl.SSLContext) -> None:
        self.arm = arm
        arm.entra.services.add(AUDIENCE)
        self.reset()
        super().__init__(tls)

    def reset(self) -> None:
        self.allowed = True  # by a role for data
        self.propagation = 0  # so many requests more are refused, as a role that was given is not in force yet
        self.let_in = True  # by the account's network rules
        self.blobs: dict[tuple[str, str, str], dict[str, str]] = {}  # account, container, blob → headers

    @property
    def template(self) -> str:
        """ADUANA_BLOB_URL."""
        return f"{self.url}/{{account}}"

    def lock(self, account: str, container: str, key: str, **info: Any) -> str:
        """A lease on a state, and who holds it; the lock's id."""
        id = str(uuid4())
        told = {
            "ID": id,
            "Operation": "OperationTypeApply",
            "Who": "ana@build-7",
            "Created": "2026-11-24T22:10:00Z",
            **info,
        }
        self.blobs[account, container, key] = {
            "x-ms-lease-status": "locked",
            "x-ms-lease-state": "leased",
            "x-ms-lease-duration": "infinite",
            "x-ms-meta-Terraformlockid": base64.b64encode(json.dumps(told).encode()).decode(),
        }
        return id

    def respond(self, request: Request) -> Answer:
        if self.arm.entra.accepts(request.token, AUDIENCE) is None:
            return _no(401, "InvalidAuthenticationInfo")
        if "x-ms-version" not in request.headers:
            return _no(400, "MissingRequiredHeader")
        if not self.let_in:
            return _no(403, "AuthorizationFailure")
        if self.propagation > 0:
            self.propagation -= 1
            return _no(403, "AuthorizationPermissionMismatch")
        if not self.allowed:
            return _no(403, "AuthorizationPermissionMismatch")
        _, account, container, *blob = request.path.split("/", 3)
        made = [each["id"].lower() for each in self.arm.subscription.resources.values()]
        if not any(
            each.endswith(f"/storageaccounts/{account}/blobservices/default/containers/{container}") for each in made
        ):
            return _no(404, "ContainerNotFound")
        if not blob:
            return Answer(200, None, {"x-ms-lease-status": "unlocked"})
        found = self.blobs.get((account, container, blob[0]))
        return Answer(200, None, dict(found)) if found is not None else _no(404, "BlobNotFound")


def _no(status: int, code: str) -> Answer:
    return Answer(status, None, {"x-ms-error-code": code})
