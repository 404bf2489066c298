"""Front Door's private link to the environment, approved in a simulated Azure."""

from typing import Any

import pytest

from deployer.azure import AzureSettings, open_azure
from deployer.errors import CommandError
from deployer.front_door import approve_link
from deployer.installation import Installation
from deployer.tenant_file import parse_tenant
from tests.deployer.tenant_files import with_settings
from tests.simulators.azure.tenant import AzureTenant

FRONT = {"visibility": "external", "front": "front_door", "domain": "llm.contoso.com"}


def installation(azure: AzureTenant) -> Installation:
    return Installation(parse_tenant(with_settings(subscription_id=azure.subscription_id, ingress=FRONT)))


def ask(azure: AzureTenant, name: str, message: str, status: str = "Pending") -> None:
    """As Front Door does it: a connection on the environment that is to be approved."""
    environment = installation(azure).environment
    state = {"status": status, "description": message}
    azure.arm.subscription.add(environment)
    azure.arm.subscription.add(
        f"{environment}/privateEndpointConnections/{name}", properties={"privateLinkServiceConnectionState": state}
    )


def states(azure: AzureTenant) -> dict[str, str]:
    return {
        each["name"]: each["properties"]["privateLinkServiceConnectionState"]["status"]
        for id, each in azure.arm.subscription.resources.items()
        if "/privateendpointconnections/" in id
    }


async def approved(azure: AzureTenant, waits: list[float] | None = None, **arguments: Any) -> tuple[str, ...]:
    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    settings = AzureSettings.from_environment("uksouth", azure.tenant_id, azure.environment)
    async with open_azure(settings) as session:
        return await approve_link(session.arm, installation(azure), **{"sleep": sleep, **arguments})


async def test_what_our_front_door_asks_is_approved_once_and_what_another_asks_is_left(
    azure_tenant: AzureTenant,
) -> None:
    ask(azure_tenant, "ours", "Front Door aduana-contoso-prod-afd")
    ask(azure_tenant, "theirs", "Front Door of somebody else")
    done = await approved(azure_tenant)
    assert done == ("the private link of Front Door aduana-contoso-prod-afd was approved",)
    assert states(azure_tenant) == {"ours": "Approved", "theirs": "Pending"}
    assert await approved(azure_tenant) == ()


async def test_a_request_that_has_not_come_yet_is_waited_for(azure_tenant: AzureTenant) -> None:
    ask(azure_tenant, "theirs", "Front Door of somebody else")

    async def it_comes(seconds: float) -> None:
        ask(azure_tenant, "ours", "Front Door aduana-contoso-prod-afd")

    assert len(await approved(azure_tenant, sleep=it_comes)) == 1


@pytest.mark.parametrize(("status", "code"), [("Rejected", "link_rejected"), (None, "link_missing")])
async def test_without_a_link_the_reason_and_what_to_do_are_said(
    azure_tenant: AzureTenant, status: str | None, code: str
) -> None:
    ask(azure_tenant, "theirs", "Front Door of somebody else")
    if status is not None:
        ask(azure_tenant, "ours", "Front Door aduana-contoso-prod-afd", status)
    hours = iter(range(0, 7200, 360))
    with pytest.raises(CommandError) as refused:
        await approved(azure_tenant, clock=lambda: float(next(hours)))
    assert refused.value.code == code
    assert refused.value.remedy
