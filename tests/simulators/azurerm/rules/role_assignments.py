"""Roles, and who has them."""

from typing import Any

from tests.simulators.azurerm import roles
from tests.simulators.azurerm.cloud import Cloud
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt

_SECRET_READERS = {"Key Vault Secrets User", "Key Vault Secrets Officer", "Key Vault Administrator"}
_SECRET_WRITERS = {"Key Vault Secrets Officer", "Key Vault Administrator"}


def role_is_there(attempt: Attempt) -> None:
    """A role that is named exists."""
    if not attempt.text("role_definition_id"):
        raise named("RoleNotFound", role=attempt.text("role_definition_name"))


def is_the_first(attempt: Attempt) -> None:
    """A principal has a role on a scope once."""
    if not attempt.cloud.behaviours["unique_role_assignments"]:
        return
    said = _said(attempt.values)
    for other in attempt.others():
        if _said(other.values) == said:
            raise named("RoleAssignmentExists", digest=other.id.rsplit("/", 1)[-1].replace("-", ""))


def principal_is_known(attempt: Attempt) -> None:
    """A principal that Entra's replicas do not know yet (`unknown_principals`), unless the check is left out."""
    if attempt.text("principal_type") or attempt.values.get("skip_service_principal_aad_check") is True:
        return
    principal = attempt.text("principal_id")
    if principal in attempt.cloud.behaviours["unknown_principals"]:
        raise named("PrincipalNotFound", digest=principal.replace("-", ""))


def _said(values: dict[str, Any]) -> tuple[str, str, str]:
    role = str(values.get("role_definition_id")).rsplit("/", 1)[-1]
    return str(values["scope"]).lower(), role.lower(), str(values["principal_id"]).lower()


def has_one_of(cloud: Cloud, principal: str, scope: str, wanted: set[str]) -> bool:
    """Whether a principal has one of these roles on a scope, or on one above."""
    for assignment in cloud.of_type("azurerm_role_assignment"):
        values = assignment.values
        above = str(values["scope"]).lower()
        if str(values["principal_id"]).lower() != principal.lower():
            continue
        if scope.lower() != above and not scope.lower().startswith(above.rstrip("/") + "/"):
            continue
        if roles.name_of(str(values.get("role_definition_id"))) in wanted:
            return True
    return False


def reads_secrets(cloud: Cloud, principal: str, vault: str) -> bool:
    """Whether a principal may read a vault's secrets."""
    return has_one_of(cloud, principal, vault, _SECRET_READERS)


def writes_secrets(cloud: Cloud, principal: str, vault: str) -> bool:
    """Whether a principal may write a vault's secrets."""
    return has_one_of(cloud, principal, vault, _SECRET_WRITERS)


BEFORE_CREATION = {"azurerm_role_assignment": (role_is_there, principal_is_known, is_the_first)}
