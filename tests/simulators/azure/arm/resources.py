"""Resources as ARM keeps them: made, read, listed, changed and deleted, with what ARM refuses of that."""

import re
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.simulators.azure.arm.faults import error
from tests.simulators.azure.arm.subscription import Document, Subscription, type_of
from tests.simulators.azure.server import Answer, Request

_SLOW = ("storageAccounts", "managedEnvironments", "flexibleServers", "redisEnterprise", "containerApps", "jobs")
_SOFT = {"microsoft.keyvault/vaults": "deleted_vaults", "microsoft.cognitiveservices/accounts": "deleted_accounts"}


def find(subscription: Subscription, resource_id: str) -> Document | None:
    """The resource, with what ARM shows in a parent of its children."""
    found = subscription.resources.get(resource_id.lower())
    if found is not None and found["type"].lower() == "microsoft.network/virtualnetworks":
        inside = children(subscription, found["id"])
        by = {
            kind: [each for each in inside if each["type"].lower().endswith("/" + kind.lower())]
            for kind in ("subnets", "virtualNetworkPeerings")
        }
        return {**found, "properties": {**found["properties"], **by}}
    return found


def children(subscription: Subscription, resource_id: str) -> list[Document]:
    """What lives in it, a level down."""
    pattern = re.compile(re.escape(resource_id.lower()) + r"/[^/]+/[^/]+")
    return [each for id, each in subscription.resources.items() if pattern.fullmatch(id)]


def listed(subscription: Subscription, path: str) -> list[Document] | None:
    """What a collection holds: of a group or the whole subscription, or of a parent; None: there is no such parent."""
    head, _, _ = path.rpartition("/")
    base = subscription.path.lower()
    if path.lower() == f"{base}/resourcegroups":
        return [
            each for each in subscription.resources.values() if each["type"] == "Microsoft.Resources/resourceGroups"
        ]
    if path.lower().endswith("/resources"):
        return [each for each in subscription.resources.values() if each["id"].lower().startswith(head.lower() + "/")]
    scope, _, kind = path.rpartition("/providers/")
    if kind.count("/") == 1 and (scope.lower() == base or scope.lower() in subscription.resources):
        start = scope.lower() + ("/" if scope.lower() == base else "/providers/")
        return [
            find(subscription, each["id"]) or each
            for each in subscription.resources.values()
            if each["type"].lower() == kind.lower() and each["id"].lower().startswith(start)
        ]
    # A storage account's blob services are there with it.
    parent = re.sub(r"/blobServices/default$", "", head, flags=re.IGNORECASE)
    if parent.lower() not in subscription.resources:
        return None
    return [
        each for id, each in subscription.resources.items() if re.fullmatch(re.escape(path.lower()) + r"/[^/]+", id)
    ]


def write(subscription: Subscription, request: Request, principal: str) -> tuple[Answer, str | None]:
    """PUT or PATCH; the answer, and the id of what goes on behind it."""
    path = request.path
    refused = _refusal(subscription, path, "write")
    if refused is not None:
        return refused, None
    body = request.body if isinstance(request.body, dict) else {}
    known = subscription.resources.get(path.lower())
    kind = type_of(path)
    if known is None and request.method == "PATCH":
        return _absent(path), None
    if kind != "Microsoft.Resources/resourceGroups" and (parent := _missing_parent(subscription, path)):
        return parent, None
    if kind == "Microsoft.Authorization/roleAssignments" and (twin := _twin(subscription, path, body)):
        return error(
            409, "RoleAssignmentExists", f"The role assignment already exists. The ID of it is {twin['name']}."
        ), None
    denied = [evaluation for policy in subscription.policies if (evaluation := policy({"type": kind, **body}))]
    if denied:
        return error(
            403, "RequestDisallowedByPolicy", f"Resource '{path.rsplit('/', 1)[1]}' was disallowed by policy."
        ), None
    resource: Document = merged(known or {}, body) if request.method == "PATCH" else dict(body)
    resource |= {"id": known["id"] if known else path, "name": path.rsplit("/", 1)[1], "type": kind}
    resource["properties"] = {**(resource.get("properties") or {}), "provisioningState": "Succeeded"}
    _compute(resource, principal)
    subscription.resources[path.lower()] = resource
    slow = kind.rsplit("/", 1)[1] in _SLOW
    status = 202 if slow and known is None and "storage" in kind.lower() else 200 if known else 201
    return Answer(status, None if status == 202 else resource), (path if slow else None)


def delete(subscription: Subscription, path: str) -> Answer:
    """With all that lives in it; vaults and accounts softly."""
    if purged := re.fullmatch(r"/.+/resourceGroups/[^/]+/deletedAccounts/([^/]+)", path, re.IGNORECASE):
        return Answer(200 if subscription.deleted_accounts.pop(purged[1].lower(), None) else 204, None)
    found = subscription.resources.get(path.lower())
    if found is None:
        return Answer(204, None)
    refused = _refusal(subscription, path, "delete")
    if refused is not None:
        return refused
    if kept := _SOFT.get(found["type"].lower()):
        getattr(subscription, kept)[found["name"].lower()] = deleted(subscription, found)
    for id in [id for id in subscription.resources if id == path.lower() or id.startswith(path.lower() + "/")]:
        del subscription.resources[id]
    return Answer(200, None)


def deleted(subscription: Subscription, resource: Document) -> Document:
    """What is shown of something that was softly deleted."""
    where = f"{subscription.path}/providers/{resource['type'].split('/')[0]}/locations/{resource['location']}"
    kept = "deletedVaults" if resource["type"].lower() == "microsoft.keyvault/vaults" else "deletedAccounts"
    group = re.search(r"/resourceGroups/[^/]+", resource["id"], re.IGNORECASE)
    return {
        "id": f"{where}{group[0] if group and kept == 'deletedAccounts' else ''}/{kept}/{resource['name']}",
        "name": resource["name"],
        "type": resource["type"],
        "location": resource["location"],
        "properties": {
            "vaultId": resource["id"],
            "location": resource["location"],
            "deletionDate": "2026-11-20T10:00:00Z",
            "scheduledPurgeDate": "2027-02-18T10:00:00Z",
            "purgeProtectionEnabled": resource.get("properties", {}).get("enablePurgeProtection", False),
        },
    }


def merged(old: Any, new: Any) -> Any:
    """JSON merge patch (RFC 7396), as ARM's PATCH amounts to."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    whole = {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return {key: value for key, value in whole.items() if value is not None}


def _refusal(subscription: Subscription, path: str, verb: str) -> Answer | None:
    action = f"{type_of(path)}/{verb}"
    if not subscription.allowed(path, action):
        return error(
            403,
            "AuthorizationFailed",
            f"The client does not have authorization to perform action '{action}' over scope '{path}' or the scope is invalid. "
            "If access was recently granted, please refresh your credentials.",
        )
    for lock in subscription.all_locks():
        scope = lock["id"].lower().split("/providers/microsoft.authorization/locks/")[0]
        stops = lock["properties"]["level"] == "ReadOnly" or verb == "delete"
        if stops and (path.lower() == scope or path.lower().startswith(scope + "/")):
            words = (
                f"The scope '{path}' cannot perform {verb} operation because following scope(s) are locked: '{scope}'."
            )
            return error(409, "ScopeLocked", words)
    return None


def _missing_parent(subscription: Subscription, path: str) -> Answer | None:
    if path.lower().startswith(f"{subscription.path}/providers/".lower()):
        return None
    group = "/".join(path.split("/")[:5])
    if group.lower() not in subscription.resources:
        name = group.rsplit("/", 1)[1]
        return error(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    parent = (
        path.rpartition("/providers/")[0] if "/providers/Microsoft.Authorization/" in path else path.rsplit("/", 2)[0]
    )
    parent = re.sub(r"/blobServices/default$", "", parent, flags=re.IGNORECASE)
    if "/providers/" in parent and parent.count("/") > 6 and parent.lower() not in subscription.resources:
        return error(
            404, "ParentResourceNotFound", f"Failed to perform 'write' on '{path}': the parent does not exist."
        )
    return None


def _twin(subscription: Subscription, path: str, body: Document) -> Document | None:
    wanted, scope = body.get("properties", {}), path.rpartition("/providers/")[0].lower()
    for each in subscription.resources.values():
        same = each["type"] == "Microsoft.Authorization/roleAssignments" and each["id"].lower() != path.lower()
        if same and each["id"].rpartition("/providers/")[0].lower() == scope:
            has = each["properties"]
            keys = ("roleDefinitionId", "principalId")
            if all(str(has.get(key)).lower() == str(wanted.get(key)).lower() for key in keys):
                return each
    return None


def _absent(path: str) -> Answer:
    group = path.split("/")[4] if path.count("/") > 4 else ""
    kind, name = type_of(path), path.rsplit("/", 1)[1]
    return error(
        404,
        "ResourceGroupNotFound" if kind == "Microsoft.Resources/resourceGroups" else "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix",
    )


def absent(path: str) -> Answer:
    """The answer for what is not there."""
    return _absent(path)


def _compute(resource: Document, principal: str) -> None:
    """What Azure adds by itself."""
    properties, name = resource["properties"], resource["name"]
    match resource["type"].lower():
        case "microsoft.storage/storageaccounts":
            properties.setdefault("primaryEndpoints", {"blob": f"https://{name}.blob.core.windows.net/"})
        case "microsoft.keyvault/vaults":
            properties.setdefault("vaultUri", f"https://{name}.vault.azure.net/")
        case "microsoft.managedidentity/userassignedidentities":
            properties.setdefault("principalId", str(uuid5(NAMESPACE_URL, resource["id"] + "principal")))
            properties.setdefault("clientId", str(uuid5(NAMESPACE_URL, resource["id"] + "client")))
        case "microsoft.authorization/roleassignments":
            properties.setdefault("scope", resource["id"].rpartition("/providers/")[0])
            properties.setdefault("createdBy", principal)
