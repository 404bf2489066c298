"""The directory: whether the application may be registered, and the groups and applications that are named."""

from collections.abc import Iterable
from typing import Any

from deployer.azure import Refused
from deployer.azure.documents import Document
from deployer.preflight.checks import Context, Finding, error, or_passed, warning

APP_ROLES = ("llm.admin", "llm.reader")

# https://learn.microsoft.com/graph/permissions-reference and
# https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
_GRAPH_RIGHTS = ("Application.ReadWrite.OwnedBy", "Application.ReadWrite.All", "Directory.ReadWrite.All")
_ROLES = (
    "Application Administrator",
    "Application Developer",
    "Cloud Application Administrator",
    "Global Administrator",
)


async def look_at_registration(context: Context) -> Iterable[Finding]:
    if context.tenant.entra.mode == "existing":
        return await _existing(context)
    claims = await context.azure.session.claims(context.azure.session.cloud.graph_audience)
    application = claims.get("idtyp") == "app"
    rights = {str(each) for each in claims.get("roles") or []}
    if application and rights.intersection(_GRAPH_RIGHTS):
        return or_passed([], f"may register, by {', '.join(sorted(rights.intersection(_GRAPH_RIGHTS)))}")
    held = await _directory_roles(context, claims, application)
    if by := held.intersection(_ROLES):
        return or_passed([], f"may register, as {', '.join(sorted(by))}")
    if not application:
        policy = await context.azure.graph.get("/policies/authorizationPolicy")
        if (policy.get("defaultUserRolePermissions") or {}).get("allowedToCreateApps"):
            return or_passed([], "may register: this directory lets every user do it")
    right = f"the Graph permission {_GRAPH_RIGHTS[0]}" if application else f"the role {_ROLES[1]}"
    words = "this identity may not register applications"
    remedy = f"Give it {right}, or have one registered and say entra.mode: existing with its application_id."
    return [error(words, remedy, "entra.mode")]


async def _directory_roles(context: Context, claims: dict[str, Any], application: bool) -> set[str]:
    whose = f"/servicePrincipals/{claims.get('oid')}" if application else "/me"
    try:
        listed = await context.azure.graph.list(f"{whose}/transitiveMemberOf/microsoft.graph.directoryRole")
    except Refused as refused:
        if refused.forbidden:
            return set()
        raise
    return {str(each.get("displayName", "")) for each in listed}


async def _existing(context: Context) -> list[Finding]:
    id = context.tenant.entra.application_id
    found = await context.azure.graph.find(f"/applications(appId='{id}')")
    if found is None:
        words = f"the application {id} is not in this directory"
        return [error(words, "Correct entra.application_id.", "entra.application_id")]
    name = found.get("displayName", id)
    has = {str(each.get("value")) for each in found.get("appRoles") or [] if each.get("isEnabled", True)}
    findings = [
        error(f"{name} has no app role {each}", f"Add it, for users and groups: value {each}.", "entra.application_id")
        for each in APP_ROLES
        if each not in has
    ]
    principal = await context.azure.graph.find(f"/servicePrincipals(appId='{id}')")
    if principal is None:
        words = f"{name} has no service principal here: nobody can sign in to it"
        findings.append(error(words, f"Make one: az ad sp create --id {id}.", "entra.application_id"))
    elif not principal.get("appRoleAssignmentRequired", False):
        words = f"{name} lets everybody of the directory sign in; the roles decide what they see"
        findings.append(warning(words, "Require an assignment (appRoleAssignmentRequired).", "entra.application_id"))
    return or_passed(findings, f"{name}, with {' and '.join(APP_ROLES)}")


async def look_at_groups(context: Context) -> Iterable[Finding]:
    entra = context.tenant.entra
    findings: list[Finding] = []
    for setting, groups in (("admin_groups", entra.admin_groups), ("reader_groups", entra.reader_groups)):
        for id in groups:
            found: Document | None = await context.azure.graph.find(
                f"/groups/{id}", select="id,displayName,securityEnabled"
            )
            where = f"entra.{setting}"
            if found is None:
                findings.append(error(f"the group {id} is not in this directory", f"Correct {where}.", where))
            elif not found.get("securityEnabled", True):
                words = f"{found.get('displayName', id)} is no security group: roles cannot be given to it"
                findings.append(error(words, "Name a security group.", where))
    if not entra.admin_groups:
        words = "no group has the role llm.admin: nobody can use the dashboard until somebody is given it"
        findings.append(warning(words, "Name one in entra.admin_groups.", "entra.admin_groups"))
    count = len(entra.admin_groups) + len(entra.reader_groups)
    return or_passed(findings, f"{count} group{'' if count == 1 else 's'}", figures={"groups": count})
