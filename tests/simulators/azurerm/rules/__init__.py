"""What Azure refuses: a parent that is not there, a name that is taken, a subnet that is too small or not delegated, and so on.

A module a subject. Each has the rules of its types, in tables by type: before a creation, before a change, before a deletion.
A rule raises a `Refusal` or lets pass; it never changes the cloud.
"""

from typing import Any

from tests.simulators.azurerm.cloud import Cloud, Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules import (
    accounts,
    container_apps,
    databases,
    diagnostics,
    existence,
    names,
    networks,
    private_endpoints,
    registration,
    role_assignments,
    usage,
    vaults,
)
from tests.simulators.azurerm.rules.attempt import Attempt, Rule, Session

_BEFORE_CREATION: dict[str, tuple[Rule, ...]] = {
    **accounts.BEFORE_CREATION,
    **container_apps.BEFORE_CREATION,
    **databases.BEFORE_CREATION,
    **diagnostics.BEFORE_CREATION,
    **networks.BEFORE_CREATION,
    **private_endpoints.BEFORE_CREATION,
    **role_assignments.BEFORE_CREATION,
    **vaults.BEFORE_CREATION,
}
_BEFORE_CHANGE: dict[str, tuple[Rule, ...]] = {
    **container_apps.BEFORE_CHANGE,
    **networks.BEFORE_CHANGE,
    **vaults.BEFORE_CHANGE,
}


def before_creation(attempt: Attempt) -> None:
    """Whether this may be made.

    Raises:
        Refusal: it may not.
    """
    existence.is_new(attempt)
    registration.is_registered(attempt)
    existence.parents_are_there(attempt)
    existence.references_are_there(attempt)
    usage.is_not_locked(attempt, writes=True)
    names.is_free(attempt)
    for rule in _BEFORE_CREATION.get(attempt.type, ()):
        rule(attempt)


def before_change(attempt: Attempt) -> None:
    """Whether this may be changed; `Attempt.prior` is what it was."""
    existence.references_are_there(attempt)
    usage.is_not_locked(attempt, writes=True)
    for rule in _BEFORE_CHANGE.get(attempt.type, ()):
        rule(attempt)


def before_reading(session: Session, resource: Resource) -> None:
    """Whether this may be looked at."""
    if resource.type in vaults.KEPT:
        vaults.may_be_reached(Attempt(session, resource.type, resource.id, resource.values))


def before_deletion(session: Session, resource: Resource) -> None:
    """Whether this may go."""
    attempt = Attempt(session, resource.type, resource.id, resource.values, resource.values)
    usage.is_not_locked(attempt)
    if session.cloud.behaviours["resources_in_use"]:
        usage.is_empty(session, resource)
        usage.is_not_used(session.cloud, resource)
    if resource.type in vaults.KEPT:
        vaults.may_be_reached(attempt)


def after_creation(attempt: Attempt) -> None:
    """What else comes of it."""
    registration.registers(attempt)


def after_deletion(session: Session, resource: Resource) -> None:
    """What stays of it."""
    names.keep(session, resource)


def facts(session: Session, type_name: str, resource_id: str, values: dict[str, Any]) -> dict[str, Any]:
    """What a refusal's text may name."""
    cloud: Cloud = session.cloud
    vault = str(values.get("key_vault_id") or resource_id).split("/vaults/")[-1].split("/")[0]
    return {
        "client": session.client,
        "tenant": cloud.tenant,
        "subscription": cloud.subscription,
        "location": str(values.get("location") or "uksouth"),
        "digest": cloud.digest(resource_id).replace("-", ""),
        "vault": vault,
        "type": type_name,
        "target": resource_id,
        "user": f"{resource_id}/serviceAssociationLinks/legionservicelink",
    }


__all__ = [
    "Attempt",
    "after_creation",
    "after_deletion",
    "before_change",
    "before_creation",
    "before_deletion",
    "before_reading",
    "facts",
    "named",
]
