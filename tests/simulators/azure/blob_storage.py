"""The blob service of storage accounts, by their names in the path: containers, blobs, and leases on them.

https://learn.microsoft.com/rest/api/storageservices/get-container-properties, …/get-blob-properties. An account is there when
ARM has it; so is a container. Whether the caller may read is `allowed`.
"""

import base64
import json
import re
import ssl
from typing import Any
from uuid import uuid4

from tests.simulators.azure.arm import ArmService
from tests.simulators.azure.managed_identity import ManagedIdentity
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
        self.contents: dict[tuple[str, str, str], bytes] = {}
        self.blocks: dict[tuple[str, str, str], dict[str, bytes]] = {}  # that no list has named yet
        self.identities: list[ManagedIdentity] = []  # whose tokens are taken, too

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
        known = any(each.accepts(request.token, AUDIENCE) for each in self.identities)
        if not known and self.arm.entra.accepts(request.token, AUDIENCE) is None:
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
        if request.method != "HEAD" and (answer := self._content(request, (account, container, blob[0]))) is not None:
            return answer
        found = self.blobs.get((account, container, blob[0]))
        return Answer(200, None, dict(found)) if found is not None else _no(404, "BlobNotFound")

    def _content(self, request: Request, name: tuple[str, str, str]) -> Answer | None:
        """Block blobs: put in pieces, and the list of them; got, deleted. None: it is about something else."""
        match request.method, request.query.get("comp"):
            case "PUT", "block":
                self.blocks.setdefault(name, {})[request.query["blockid"]] = request.content
                return Answer(201, None)
            case "PUT", "blocklist":
                listed = re.findall(r"<Latest>([^<]+)</Latest>", request.content.decode())
                blocks = self.blocks.pop(name, {})
                if any(block not in blocks for block in listed):
                    return _no(400, "InvalidBlockList")
                self.contents[name] = b"".join(blocks[block] for block in listed)
                return Answer(201, None)
            case "GET", None if name in self.contents:
                return Answer(200, self.contents[name], {"Content-Type": "application/octet-stream"})
            case "DELETE", None:
                return Answer(202, None) if self.contents.pop(name, None) is not None else _no(404, "BlobNotFound")
        return None


def _no(status: int, code: str) -> Answer:
    return Answer(status, None, {"x-ms-error-code": code})
