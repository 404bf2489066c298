"""The app registration that people and applications sign in to: made through Microsoft Graph, or one that exists.

It is known by a tag that names the installation, never by its display name alone: another one of that name is left as it is.
Each part is looked for first and made where it is missing, so all of it may be done again.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from deployer.azure import Graph, Refused
from deployer.tenant import Tenant

ADMIN, READER = "llm.admin", "llm.reader"
_TITLES = {ADMIN: "Administrators of the LLM gateway", READER: "Readers of the LLM gateway"}
_WORDS = {
    ADMIN: "May change everything in the gateway's admin plane.",
    READER: "May see usage, budgets and the configuration.",
}
# Names that never change need ids that never change: a role made twice must be the same role.
_NAMESPACE = uuid.UUID("5f1c9c0e-6d0b-5c0f-9a53-b7a2a0d3f7c1")


@dataclass(frozen=True, slots=True)
class Registration:
    """What was found or made."""

    application_id: str  # the client id
    principal_id: str  # of its service principal in this directory
    changes: tuple[str, ...]  # what was made now, as clauses


def audience_of(tenant: Tenant) -> str:
    """What access tokens for this installation are for. Known before the registration is made, for the services' settings
    name it: https://learn.microsoft.com/entra/identity-platform/reference-app-manifest#identifieruris-attribute."""
    if tenant.entra.application_id is not None:
        return tenant.entra.application_id
    return f"api://{tenant.entra.tenant_id}/{tenant.prefix}-{tenant.name}"


def display_name(tenant: Tenant) -> str:
    """As it stands in the directory."""
    return f"Aduana {tenant.name}"


async def register(graph: Graph, tenant: Tenant) -> Registration:
    """Make what is missing. Raises `AzureError`."""
    changes: list[str] = []
    application = await _application(graph, tenant, changes)
    application = await _with_roles(graph, application, changes)
    app_id = str(application["appId"])
    principal_id = await _principal(graph, app_id, changes)
    await _assign(graph, tenant, application, principal_id, changes)
    return Registration(app_id, principal_id, tuple(changes))


async def unregister(graph: Graph, tenant: Tenant) -> tuple[str, ...]:
    """Delete the registration that was made here; an existing one stays. What was done, as clauses. Raises `AzureError`."""
    made = await _made_here(graph, tenant) if tenant.entra.mode == "create" else None
    if made is None:
        return ()
    await graph.delete(f"/applications/{made['id']}")
    return (f"deleted the app registration {display_name(tenant)}",)


async def _made_here(graph: Graph, tenant: Tenant) -> dict[str, Any] | None:
    for each in await graph.list("/applications", filter=f"displayName eq '{display_name(tenant)}'"):
        if _tag(tenant) in each.get("tags", ()):
            return dict(each)
    return None


async def _application(graph: Graph, tenant: Tenant, changes: list[str]) -> dict[str, Any]:
    wanted = tenant.entra.application_id
    if wanted is not None:
        return dict(await graph.get(f"/applications(appId='{wanted}')"))
    if (found := await _made_here(graph, tenant)) is not None:
        return found
    tag, name = _tag(tenant), display_name(tenant)
    made = await graph.post(
        "/applications",
        {
            "displayName": name,
            "signInAudience": "AzureADMyOrg",
            "identifierUris": [audience_of(tenant)],
            "tags": [tag],
            "appRoles": [],
        },
    )
    changes.append(f"made the app registration {name}")
    return dict(made)


async def _with_roles(graph: Graph, application: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    there = list(application.get("appRoles", ()))
    missing = [role for role in (ADMIN, READER) if role not in {each.get("value") for each in there}]
    if missing:
        roles = [*there, *(_role(str(application["appId"]), role) for role in missing)]
        await graph.patch(f"/applications/{application['id']}", {"appRoles": roles})
        application = {**application, "appRoles": roles}
        changes += [f"gave it the role {role}" for role in missing]
    return application


def _role(app_id: str, value: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"{app_id}/{value}")),
        "value": value,
        "displayName": _TITLES[value],
        "description": _WORDS[value],
        "allowedMemberTypes": ["User"],
        "isEnabled": True,
    }


async def _principal(graph: Graph, app_id: str, changes: list[str]) -> str:
    try:
        return str((await graph.get(f"/servicePrincipals(appId='{app_id}')"))["id"])
    except Refused as error:
        if not error.not_found:
            raise
    made = await graph.post("/servicePrincipals", {"appId": app_id})
    changes.append("made its service principal")
    return str(made["id"])


async def _assign(
    graph: Graph, tenant: Tenant, application: dict[str, Any], principal_id: str, changes: list[str]
) -> None:
    ids = {each.get("value"): each["id"] for each in application["appRoles"]}
    assigned = {
        (each.get("principalId"), each.get("appRoleId"))
        for each in await graph.list(f"/servicePrincipals/{principal_id}/appRoleAssignedTo")
    }
    for role, groups in ((ADMIN, tenant.entra.admin_groups), (READER, tenant.entra.reader_groups)):
        for group in groups:
            if (group, ids[role]) not in assigned:
                body = {"principalId": group, "resourceId": principal_id, "appRoleId": ids[role]}
                await graph.post(f"/servicePrincipals/{principal_id}/appRoleAssignedTo", body)
                changes.append(f"gave the group {group} the role {role}")


def _tag(tenant: Tenant) -> str:
    return f"aduana:{tenant.subscription_id}/{tenant.name}"
