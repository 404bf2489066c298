"""A backup or an export of an installation whose database is reached from inside its network alone: the job makes it and puts
it into the storage account of the state, in a container of its own, by a role that it has for just that; it is fetched from
there and taken away.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from core.trust import client_context
from deployer.azure import Session
from deployer.backup import BackupError
from deployer.backup.blobs import SCOPE, BlobFolder
from deployer.installation import Installation
from deployer.jobs.bootstrapping import require_result
from deployer.preflight.needs import ROLES
from deployer.state.location import locate_state

CONTAINER = "exports"
_ROLE = "Storage Blob Data Contributor"


async def fetch(
    session: Session,
    installation: Installation,
    command: str,
    arguments: Sequence[str],
    target: Path,
    ca_bundle: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Have the job run `command` (`export` or `backup`), and bring what it made to `target`, a directory that is there.

    What it says of it. Raises `AzureError`, `BackupError`, `CommandError`; nothing is left in the account.
    """
    location = locate_state(installation.tenant)
    if location is None:
        raise BackupError(
            "the tenant's state is on this machine, and there is no storage account that it could be handed over by",
            "Run the command inside the network, with --database-url.",
            code="no_storage",
        )
    container = f"{location.account_id}/blobServices/default/containers/{CONTAINER}"
    folder = f"{installation.tenant.name}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    url = f"{session.cloud.blob.format(account=location.account)}/{CONTAINER}/{folder}"
    await session.arm.put(container, {"properties": {"publicAccess": "None"}})
    grant = await _grant(session, installation, container, location.subscription_id)
    try:
        say("the job writes it inside the network …")
        ended = await installation.job(session).run([command, *arguments, "--to-blob", url], say=say)
        result = require_result(ended, f"the {command}")
        if "error" in result:
            raise BackupError(str(result["error"]["message"]), str(result["error"].get("remedy", "")))
        token = await session.tokens.get(SCOPE)
        with BlobFolder(url, lambda: token, client_context(ca_bundle)) as blobs:
            try:
                for blob in result["blobs"]:
                    say(f"{blob['name']}, {blob['bytes'] / 1e6:,.1f} MB")
                    await asyncio.to_thread(blobs.get, blob["name"], target / Path(blob["name"]).name, blob)
            finally:
                for blob in result["blobs"]:
                    await asyncio.to_thread(blobs.remove, blob["name"])
        return result
    finally:
        await session.arm.delete(grant)


async def _grant(session: Session, installation: Installation, container: str, subscription: str) -> str:
    """Give the job's identity the role on the one container; the assignment's id. A second time changes nothing."""
    name = installation.tenant.names().identities["job"]
    identity = await session.arm.get(
        f"{installation.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
    principal = str(identity["properties"]["principalId"])
    id = f"{container}/providers/Microsoft.Authorization/roleAssignments/{uuid5(NAMESPACE_URL, container + principal)}"
    role = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{ROLES[_ROLE]}"
    properties = {"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal"}
    await session.arm.put(id, {"properties": properties})
    return id
