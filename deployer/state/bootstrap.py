"""Making the storage of Terraform's states: what is missing or not as safe as it should be, and nothing else.

Each step is planned from what is there, so that the same plan made again is empty; what is there and not ours to decide (its
redundancy, its network rules, further tags) is left alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from deployer.azure import Refused, Session
from deployer.azure.documents import Document
from deployer.errors import CommandError
from deployer.preflight.needs import ROLES
from deployer.preflight.subscription import OUR_LOCK
from deployer.state.location import StateLocation
from deployer.state.lock import Unreadable, read_lock

_ROLE = "Storage Blob Data Contributor"
_KEPT_DAYS = 30
_ACCESS_EVERY, _ACCESS_ATTEMPTS = 10.0, 60  # seconds, times: a role is in force within ten minutes


class Action(StrEnum):
    """What is done to a thing."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is not as it should be. `before` is None for what is new."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One request to Resource Manager, or none where everything is as it should be."""

    id: str  # stable, for programs: `account`
    action: Action
    what: str  # for people
    differences: tuple[Difference, ...] = ()
    method: str = "PUT"
    path: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator asks for. `grant_to` are object ids, beside whoever is signed in."""

    redundancy: str  # Standard_ZRS, Standard_LRS, …
    tags: Mapping[str, str]
    grant_to: tuple[str, ...] = ()
    allowed_ranges: tuple[IPv4Network, ...] | None = None  # None: rules are left as they are; a new account has none


async def plan_bootstrap(session: Session, location: StateLocation, wishes: Wishes) -> tuple[Step, ...]:
    """What is to be done, in order. Changes nothing. Raises `AzureError`; `CommandError` where the name is not free."""
    account = await session.arm.find(location.account_id)
    if account is None:
        await _expect_free(session, location)
    services = await session.arm.find(f"{location.account_id}/blobServices/default") if account is not None else None
    claims = await session.claims()
    own = str(claims.get("oid", ""))
    steps = [
        await _provider(session, location),
        await _group(session, location, wishes),
        _account(location, wishes, account),
        _services(location, services),
        await _container(session, location, account),
    ]
    for principal in dict.fromkeys((own, *wishes.grant_to)):
        kind = ("ServicePrincipal" if claims.get("idtyp") == "app" else "User") if principal == own else None
        steps.append(await _role(session, location, principal, kind, account))
    steps.append(await _lock(session, location, account))
    return tuple(steps)


async def apply_bootstrap(
    session: Session, steps: Sequence[Step], watch: Callable[[Step, bool], None] = lambda step, ended: None
) -> int:
    """Do what the steps say, one after the other; how many there were to do. Raises `AzureError`.

    `watch` is told of each that begins (False) and has ended (True).
    """
    done = 0
    for step in steps:
        if step.action is Action.KEEP:
            continue
        watch(step, False)
        match step.method:
            case "POST":
                await session.arm.post(step.path)
            case "PATCH":
                await session.arm.patch(step.path, step.body)
            case _:
                await _put(session, step)
        watch(step, True)
        done += 1
    return done


async def _put(session: Session, step: Step) -> None:
    try:
        await session.arm.put(step.path, step.body)
    except Refused as refused:
        if refused.azure_code != "RoleAssignmentExists":  # under another name, by somebody else's hand
            raise


async def await_access(session: Session, location: StateLocation, sleep: Callable[[float], Any]) -> bool:
    """Wait until the caller may read the container; a role that was given a moment ago is not in force yet.

    False: not within ten minutes, or the account's network keeps this machine out. Raises `AzureError`.
    """
    for attempt in range(_ACCESS_ATTEMPTS):
        if attempt:
            await sleep(_ACCESS_EVERY)
        try:
            await read_lock(session, location)
        except Unreadable as unreadable:
            if unreadable.reason == "network":
                return False
            continue
        return True
    return False


async def _expect_free(session: Session, location: StateLocation) -> None:
    path = f"/subscriptions/{location.subscription_id}/providers/Microsoft.Storage/checkNameAvailability"
    asked = {"name": location.account, "type": "Microsoft.Storage/storageAccounts"}
    answer = await session.arm.post(path, asked)
    if isinstance(answer, dict) and not answer.get("nameAvailable", True):
        raise CommandError(
            f"the storage account's name {location.account} is taken",
            str(answer.get("message") or answer.get("reason") or ""),
            "Name another in state.storage_account, or the group that yours is in in state.resource_group.",
            "name_taken",
        )


async def _provider(session: Session, location: StateLocation) -> Step:
    path = f"/subscriptions/{location.subscription_id}/providers/Microsoft.Storage"
    state = str((await session.arm.get(path)).get("registrationState", ""))
    if state == "Registered":
        return Step("provider", Action.KEEP, "resource provider Microsoft.Storage")
    change = Difference("registrationState", state, "Registered")
    return Step("provider", Action.UPDATE, "resource provider Microsoft.Storage", (change,), "POST", f"{path}/register")


async def _group(session: Session, location: StateLocation, wishes: Wishes) -> Step:
    what = f"resource group {location.resource_group}"
    if await session.arm.find(location.group_id) is not None:
        return Step("resource_group", Action.KEEP, what)
    body = {"location": location.region, "tags": dict(wishes.tags)}
    return Step(
        "resource_group",
        Action.CREATE,
        what,
        (Difference("location", None, location.region),),
        "PUT",
        location.group_id,
        body,
    )


def _account(location: StateLocation, wishes: Wishes, there: Document | None) -> Step:
    """https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent"""
    what = f"storage account {location.account}"
    wanted: dict[str, Any] = {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "defaultToOAuthAuthentication": True,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    }
    if wishes.allowed_ranges is not None:
        rules = [{"value": _rule(each), "action": "Allow"} for each in wishes.allowed_ranges]
        wanted["networkAcls"] = {"defaultAction": "Deny", "bypass": "None", "ipRules": rules}
    if there is None:
        differences = tuple(
            Difference(name, None, value) for name, value in {"sku": wishes.redundancy, **wanted}.items()
        )
        body = {
            "location": location.region,
            "kind": "StorageV2",
            "sku": {"name": wishes.redundancy},
            "tags": dict(wishes.tags),
            "properties": wanted,
        }
        return Step("account", Action.CREATE, what, differences, "PUT", location.account_id, body)
    return _adjusted("account", what, location.account_id, there, wanted, "PATCH")


def _rule(network: IPv4Network) -> str:
    """Storage takes single addresses without a length, and ranges of four and more with it."""
    return str(network.network_address) if network.prefixlen == 32 else str(network)


def _services(location: StateLocation, there: Document | None) -> Step:
    """https://learn.microsoft.com/azure/storage/blobs/versioning-overview"""
    kept = {"enabled": True, "days": _KEPT_DAYS}
    wanted = {"isVersioningEnabled": True, "deleteRetentionPolicy": kept, "containerDeleteRetentionPolicy": kept}
    what = f"versions, and {_KEPT_DAYS} days for what was deleted"
    path = f"{location.account_id}/blobServices/default"
    return _adjusted("versioning", what, path, there or {}, wanted, "PUT")


def _adjusted(id: str, what: str, path: str, there: Document, wanted: Mapping[str, Any], method: str) -> Step:
    """What differs of its properties; a longer retention than ours stays."""
    has = there.get("properties") or {}
    differences = tuple(
        Difference(name, has.get(name), value) for name, value in wanted.items() if not _holds(has.get(name), value)
    )
    if not differences:
        return Step(id, Action.KEEP, what)
    body = {"properties": {each.field: each.after for each in differences}}
    if method == "PUT":  # whole: what it has beside ours comes along
        body = {"properties": {**{k: v for k, v in has.items() if k != "provisioningState"}, **body["properties"]}}
    return Step(id, Action.UPDATE if has else Action.CREATE, what, differences, method, path, body)


def _holds(has: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(has, dict):
        return all(_holds(has.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return isinstance(has, int) and has >= wanted
    return bool(has == wanted)


async def _container(session: Session, location: StateLocation, account: Document | None) -> Step:
    what = f"container {location.container}"
    if account is not None and await session.arm.find(location.container_id) is not None:
        return Step("container", Action.KEEP, what)
    body = {"properties": {"publicAccess": "None"}}
    change = Difference("publicAccess", None, "None")
    return Step("container", Action.CREATE, what, (change,), "PUT", location.container_id, body)


async def _role(
    session: Session, location: StateLocation, principal: str, kind: str | None, account: Document | None
) -> Step:
    """On the container alone. The name is derived, so that a second run finds its own again."""
    role, scope = ROLES[_ROLE], location.container_id
    what = f"role {_ROLE} on the container for {principal}"
    definition = f"/subscriptions/{location.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    if account is not None:
        held = await session.arm.list(
            f"{scope}/providers/Microsoft.Authorization/roleAssignments", filter=f"principalId eq '{principal}'"
        )
        if any(_gives(each, role, scope) for each in held):
            return Step("role", Action.KEEP, what)
    name = uuid5(NAMESPACE_URL, f"{scope.lower()}|{role}|{principal}")
    properties = {"roleDefinitionId": definition, "principalId": principal}
    if kind is not None:
        properties["principalType"] = kind
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
    return Step(
        "role", Action.CREATE, what, (Difference("role", None, _ROLE),), "PUT", path, {"properties": properties}
    )


def _gives(assignment: Document, role: str, scope: str) -> bool:
    """Whether it gives the role there, or above."""
    properties = assignment.get("properties") or {}
    at = str(properties.get("scope", "")).lower()
    right_role = str(properties.get("roleDefinitionId", "")).lower().endswith(role)
    return right_role and (scope.lower() == at or scope.lower().startswith(at.rstrip("/") + "/"))


async def _lock(session: Session, location: StateLocation, account: Document | None) -> Step:
    what = "lock against deletion"
    locks: list[Document] = []
    if account is not None:
        locks = await session.arm.list(f"{location.account_id}/providers/Microsoft.Authorization/locks")
    if any((each.get("properties") or {}).get("level") in ("CanNotDelete", "ReadOnly") for each in locks):
        return Step("lock", Action.KEEP, what)
    body = {"properties": {"level": "CanNotDelete", "notes": "Holds the states of Aduana's installations."}}
    path = f"{location.account_id}/providers/Microsoft.Authorization/locks/{OUR_LOCK}"
    return Step("lock", Action.CREATE, what, (Difference("level", None, "CanNotDelete"),), "PUT", path, body)


def pending(steps: Sequence[Step]) -> Iterator[Step]:
    """Those that do something."""
    return (step for step in steps if step.action is not Action.KEEP)
