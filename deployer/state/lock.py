"""The lock of a state: a lease on its blob, whose owner stands in the blob's metadata as Terraform writes it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deployer.azure import AzureError, Refused, Session, Unreachable
from deployer.state.location import StateLocation

VERSION_HEADER = {"x-ms-version": "2023-11-03"}
"""https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services"""

_LOCK_METADATA = "x-ms-meta-terraformlockid"


@dataclass(frozen=True, slots=True)
class StateLock:
    """Who holds it. What Terraform did not write is empty; `created` is aware."""

    id: str
    who: str
    operation: str
    created: datetime | None


class Unreadable(Exception):
    """The container cannot be read. `reason` is for programs: `no_container`, `forbidden`, `network`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def read_lock(session: Session, location: StateLocation) -> StateLock | None:
    """The lock that is held now; None where there is none. Raises `Unreadable`, `AzureError`."""
    blobs = session.blobs(location.account)
    try:
        await blobs.request("HEAD", f"/{location.container}", query={"restype": "container"}, headers=VERSION_HEADER)
        answer = await blobs.request("HEAD", f"/{location.container}/{location.key}", headers=VERSION_HEADER)
    except Refused as refused:
        if refused.not_found and refused.request.endswith(f"/{location.key}"):
            return None  # nothing was applied yet
        raise _unreadable(location, refused) from None
    except Unreachable as unreachable:
        raise Unreadable("network", unreachable.message) from None
    if answer.headers.get("x-ms-lease-status", "").lower() != "locked":
        return None
    return _owner(answer.headers)


def _unreadable(location: StateLocation, refused: Refused) -> AzureError | Unreadable:
    if refused.not_found:
        return Unreadable("no_container", f"{location.account} has no container {location.container}")
    if refused.azure_code == "AuthorizationFailure":  # the firewall's word; a missing role has another
        return Unreadable("network", f"the network rules of {location.account} keep this machine out")
    if refused.forbidden:
        return Unreadable("forbidden", f"this identity may not read blobs of {location.account}")
    return refused


def _owner(headers: Mapping[str, str]) -> StateLock:
    try:
        told = json.loads(base64.b64decode(headers.get(_LOCK_METADATA, "")))
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    try:
        created = datetime.fromisoformat(str(told.get("Created", ""))[:19] + "+00:00")
    except ValueError:
        created = None
    return StateLock(
        id=str(told.get("ID", "")),
        who=str(told.get("Who", "")),
        operation=str(told.get("Operation", "")).removeprefix("OperationType").lower(),
        created=created,
    )
