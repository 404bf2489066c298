"""The app registration, in a simulated directory over HTTP."""

from typing import Any

import pytest

from deployer.azure import AzureSettings, Refused, open_azure
from deployer.registration import ADMIN, READER, Registration, audience_of, display_name, register
from deployer.tenant import Tenant
from deployer.tenant_file import parse_tenant
from tests.deployer.tenant_files import with_settings
from tests.simulators.azure.tenant import AzureTenant

ADMINS, READERS = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"


def tenant(azure: AzureTenant, **settings: Any) -> Tenant:
    groups = {"entra__admin_groups": [ADMINS], "entra__reader_groups": [READERS]}
    return parse_tenant(with_settings(entra__tenant_id=azure.tenant_id, **groups, **settings))


async def registered(azure: AzureTenant, wanted: Tenant) -> Registration:
    settings = AzureSettings.from_environment("uksouth", azure.tenant_id, azure.environment)
    async with open_azure(settings) as session:
        return await register(session.graph, wanted)


def assigned(azure: AzureTenant) -> set[tuple[str, str]]:
    roles = {
        role["id"]: role["value"]
        for application in azure.graph.directory.applications.values()
        for role in application["appRoles"]
    }
    return {(each["principalId"], roles[each["appRoleId"]]) for each in azure.graph.directory.app_role_assignments}


async def test_a_registration_is_made_once_with_its_roles_and_groups(azure_tenant: AzureTenant) -> None:
    wanted = tenant(azure_tenant)
    first = await registered(azure_tenant, wanted)
    [application] = azure_tenant.graph.directory.applications.values()
    assert {role["value"] for role in application["appRoles"]} == {ADMIN, READER}
    assert application["identifierUris"] == [audience_of(wanted)]
    assert assigned(azure_tenant) == {(ADMINS, ADMIN), (READERS, READER)}
    assert len(first.changes) == 6

    again = await registered(azure_tenant, wanted)
    assert (again.application_id, again.principal_id, again.changes) == (first.application_id, first.principal_id, ())


@pytest.mark.parametrize("gone", ["appRoles", "principal", "assignments"])
async def test_what_is_missing_of_one_is_made_and_the_rest_is_left(azure_tenant: AzureTenant, gone: str) -> None:
    wanted = tenant(azure_tenant)
    first = await registered(azure_tenant, wanted)
    directory = azure_tenant.graph.directory
    if gone == "appRoles":
        directory.applications[next(iter(directory.applications))]["appRoles"].pop()
    elif gone == "principal":
        directory.service_principals.clear()
        directory.app_role_assignments.clear()
    else:
        directory.app_role_assignments.clear()

    second = await registered(azure_tenant, wanted)
    assert second.application_id == first.application_id and second.changes
    assert assigned(azure_tenant) == {(ADMINS, ADMIN), (READERS, READER)}


async def test_another_registration_of_the_same_name_is_left_alone(azure_tenant: AzureTenant) -> None:
    wanted = tenant(azure_tenant)
    other = azure_tenant.graph.directory.application(display_name(wanted))
    made = await registered(azure_tenant, wanted)
    assert made.application_id != other["appId"] and other["appRoles"] == []


async def test_an_existing_registration_gets_the_roles_that_it_lacks(azure_tenant: AzureTenant) -> None:
    existing = azure_tenant.graph.directory.application("Ours", READER, "something.else")
    wanted = tenant(azure_tenant, entra__mode="existing", entra__application_id=existing["appId"])
    made = await registered(azure_tenant, wanted)
    assert made.application_id == existing["appId"] == audience_of(wanted)
    assert {role["value"] for role in existing["appRoles"]} == {ADMIN, READER, "something.else"}


async def test_who_may_not_make_one_is_told_by_azures_own_word(azure_tenant: AzureTenant) -> None:
    azure_tenant.graph.directory.roles.clear()
    azure_tenant.graph.directory.users_may_create_apps = False
    with pytest.raises(Refused, match="Authorization_RequestDenied"):
        await registered(azure_tenant, tenant(azure_tenant))
