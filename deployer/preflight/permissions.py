"""Whether the identity may do what an installation does, the giving of roles and its conditions included."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

from deployer.azure.documents import Document
from deployer.preflight.checks import Context, Finding, error, passed, warning
from deployer.preflight.needs import GIVE_ROLES, actions_elsewhere, given_roles, needed_actions

_GIVERS = "Role Based Access Control Administrator"


async def look_at_permissions(context: Context) -> Iterable[Finding]:
    tenant, azure = context.tenant, context.azure
    group = await azure.resource(context.group_id)
    scope = context.group_id if group is not None else azure.path
    wanted: dict[str, list[str]] = defaultdict(list)
    wanted[scope] = list(dict.fromkeys(needed_actions(tenant)))
    if group is not None:  # it is there: nobody has to make it
        wanted[scope].remove("Microsoft.Resources/subscriptions/resourceGroups/write")
    for resource, action in actions_elsewhere(tenant):
        if action not in wanted[resource]:
            wanted[resource].append(action)
    findings: list[Finding] = []
    for where, actions in wanted.items():
        granted = await azure.permissions(where)
        findings += _missing(where, [action for action in actions if not allows(granted, action)])
    may_give = not any(GIVE_ROLES in each.message for each in findings)
    if may_give:
        findings += [each async for each in _conditions(context, scope)]
    count = sum(map(len, wanted.values()))
    return findings or [
        passed(f"{count} actions at {len(wanted)} scope{'s' if len(wanted) > 1 else ''}", figures={"actions": count})
    ]


def allows(permissions: Sequence[Document], action: str) -> bool:
    """Whether these permissions hold the action: in one's `actions` and not in the same one's `notActions`."""
    return any(
        _among(action, each.get("actions") or ()) and not _among(action, each.get("notActions") or ())
        for each in permissions
    )


def _among(action: str, patterns: Iterable[str]) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) is not None for pattern in patterns
    )


def _missing(scope: str, actions: list[str]) -> Iterator[Finding]:
    giving = [each for each in actions if each.startswith("Microsoft.Authorization/")]
    others = [each for each in actions if each not in giving]
    where = scope.rsplit("/", 1)[-1] if scope.count("/") > 2 else "the subscription"
    if others:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        words = f"may not at {where}: {shown}"
        yield error(words, "Give this identity Contributor there.", scope, figures={"missing": len(others)})
    if giving:
        role = "User Access Administrator" if any("locks" in each for each in giving) else _GIVERS
        words = f"may not at {where}: {', '.join(giving)}"
        yield error(
            words,
            f"Give this identity {role} there (or Owner), for as long as installing takes.",
            scope,
            figures={"missing": len(giving)},
        )


async def _conditions(context: Context, scope: str) -> AsyncIterator[Finding]:
    """A right to give roles may be bound by a condition to certain roles.

    https://learn.microsoft.com/azure/role-based-access-control/delegate-role-assignments-examples
    """
    azure = context.azure
    principal = str((await azure.claims()).get("oid", ""))
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
    held = await azure.arm.list(path, filter=f"assignedTo('{principal}')") if principal else []
    bound: list[str] = []
    for assignment in held:
        properties = assignment.get("properties") or {}
        definition = await azure.resource(str(properties.get("roleDefinitionId", "")).removesuffix("/"))
        granted = ((definition or {}).get("properties") or {}).get("permissions") or []
        if not allows(granted, GIVE_ROLES):
            continue
        if not properties.get("condition"):
            return  # one without a condition is enough
        bound.append(str(properties["condition"]))
    if not bound:
        return  # by a group or a way that is not told; the permissions say that it may
    refused = {
        name: id for name, id in given_roles(context.tenant).items() if not any(_lets(id, each) for each in bound)
    }
    unread = [each for each in bound if not _GUIDS.search(each)]
    if refused and not unread:
        ids = ", ".join(f"{name} ({id})" for name, id in refused.items())
        yield error(
            f"the condition on its right to give roles leaves out: {', '.join(refused)}",
            f"Have these added to the condition: {ids}.",
            scope,
        )
    elif refused:
        yield warning(
            "its right to give roles has a condition that cannot be judged here",
            f"See that it lets through: {', '.join(refused)}.",
            scope,
        )


_GUIDS = re.compile(
    r"RoleDefinitionId\]\s*(?P<kind>ForAnyOfAnyValues|ForAnyOfAllValues|ForAllOfAnyValues)?:?(?P<not>GuidNotEquals|GuidEquals)\s*"
    r"\{(?P<ids>[^}]*)\}",
    re.IGNORECASE,
)


def _lets(role: str, condition: str) -> bool:
    """Whether a condition of the portal's forms lets a role be given: `@Request[…RoleDefinitionId] …GuidEquals {…}`."""
    found = [each for each in _GUIDS.finditer(condition) if "@request" in condition[: each.start()].lower()]
    if not found:
        return False
    for each in found:
        listed = role.lower() in each["ids"].lower()
        if listed == (each["not"].lower() == "guidnotequals"):
            return False
    return True
