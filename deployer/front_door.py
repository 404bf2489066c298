"""Front Door's way to the environment: its request for a private link, approved on the environment's side.

Terraform makes the request; only Azure's API takes it.
https://learn.microsoft.com/azure/container-apps/how-to-integrate-with-azure-front-door
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from deployer.azure import Arm
from deployer.errors import CommandError
from deployer.installation import Installation

_PATIENCE = 600.0  # seconds until the request has come at the latest
_POLL = 15.0


async def approve_link(
    arm: Arm,
    installation: Installation,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[str, ...]:
    """Approve this installation's own requests, and no other's; what was done, as clauses. May be done again.

    Raises `AzureError`, and `CommandError` where no request comes or somebody rejected it.
    """
    message = request_message(installation)
    deadline = clock() + _PATIENCE
    while True:
        found = [
            each
            for each in await arm.list(f"{installation.environment}/privateEndpointConnections")
            if _says(each) == message
        ]
        states = {str(_state(each).get("status")) for each in found}
        for each in found:
            if _state(each).get("status") == "Pending":
                state = {"status": "Approved", "description": message}
                await arm.put(str(each["id"]), {"properties": {"privateLinkServiceConnectionState": state}})
        if "Pending" in states:
            return (f"the private link of {message} was approved",)
        if "Approved" in states:
            return ()
        if states & {"Rejected", "Disconnected"}:
            raise CommandError(
                f"the private link of {message} was {'/'.join(sorted(states)).lower()}",
                f"somebody did that on {installation.environment}",
                "Delete that connection, and the origins of Front Door with it; then plan and apply again.",
                "link_rejected",
            )
        if clock() > deadline:
            raise CommandError(
                f"{message} has not asked for its private link",
                f"none came to {installation.environment} in {_PATIENCE / 60:.0f} minutes",
                "Run the same command again in a while.",
                "link_missing",
            )
        await sleep(_POLL)


def request_message(installation: Installation) -> str:
    """As `terraform/modules/front-door` sends it."""
    return f"Front Door {installation.tenant.names().front_door}"


def _state(connection: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = connection["properties"].get("privateLinkServiceConnectionState") or {}
    return state


def _says(connection: dict[str, Any]) -> str:
    return str(_state(connection).get("description"))
