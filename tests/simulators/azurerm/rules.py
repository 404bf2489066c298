"""What Azure refuses: a name that is taken, a parent that is not there, a subnet that somebody uses, and so on."""

from typing import TYPE_CHECKING, Any

from tests.simulators.azurerm import ids
from tests.simulators.azurerm.cloud import Cloud, Resource
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.schema import Type

if TYPE_CHECKING:
    from tests.simulators.azurerm.operations import Session

_SOFT_DELETED = {"azurerm_key_vault": "VaultAlreadyExists", "azurerm_cognitive_account": "FlagMustBeSetForRestore"}


def before_creation(session: "Session", type_: Type, resource_id: str, planned: dict[str, Any]) -> None:
    """Whether this may be made.

    Raises:
        Refusal: it may not.
    """
    cloud = session.cloud
    if cloud.behaviours["existence"]:
        _is_new(session, type_, resource_id)
        _parents_are_there(cloud, resource_id)
    _references_are_there(cloud, planned)
    _name_is_not_kept(session, type_, resource_id)
    if type_.name == "azurerm_role_assignment":
        _role_is_not_assigned(cloud, planned)


def before_change(
    session: "Session", type_: Type, resource_id: str, planned: dict[str, Any], prior: dict[str, Any]
) -> None:
    """Whether this may be changed."""
    _references_are_there(session.cloud, planned)


def before_deletion(session: "Session", resource: Resource) -> None:
    """Whether this may go."""
    cloud = session.cloud
    if not cloud.behaviours["subnets_in_use"]:
        return
    if resource.type == "azurerm_resource_group":
        inside = cloud.below(resource.id)
        if inside and session.feature("resource_group", "prevent_deletion_if_contains_resources", True):
            raise named("ResourceGroupNotEmpty", contents="\n".join(f"* `{child.id}`" for child in inside))
    if resource.type == "azurerm_subnet":
        _subnet_is_free(cloud, resource)


def after_deletion(session: "Session", resource: Resource) -> None:
    """What stays of it."""
    cloud = session.cloud
    if resource.type not in _SOFT_DELETED or not cloud.behaviours["soft_delete"]:
        return
    block = resource.type.removeprefix("azurerm_")
    protected = bool(resource.values.get("purge_protection_enabled"))
    if protected or not session.feature(block, "purge_soft_delete_on_destroy", True):
        cloud.deleted[resource.id.lower()] = resource


def facts(session: "Session", type_: Type, resource_id: str, values: dict[str, Any]) -> dict[str, str]:
    """What a refusal's text may name."""
    cloud = session.cloud
    vault = str(values.get("key_vault_id") or resource_id).split("/vaults/")[-1].split("/")[0]
    return {
        "client": session.client,
        "tenant": cloud.tenant,
        "subscription": cloud.subscription,
        "location": str(values.get("location") or "uksouth"),
        "digest": cloud.digest(resource_id).replace("-", ""),
        "vault": vault,
        "type": type_.name,
        "target": resource_id,
    }


def _is_new(session: "Session", type_: Type, resource_id: str) -> None:
    if session.features.get("skip_import_check_on_create_and_allow_overwriting_existing_resources"):
        return
    if session.cloud.find(type_.name, resource_id) is not None:
        raise named("AlreadyExists")


def _parents_are_there(cloud: Cloud, resource_id: str) -> None:
    segments = resource_id.split("|")[0].split("/")
    if len(segments) > 5 and segments[3].lower() == "resourcegroups":
        group = "/".join(segments[:5])
        if cloud.at(group) is None:
            raise named("ResourceGroupNotFound", group=segments[4])
    # /subscriptions/S/resourceGroups/G/providers/N/kind/name/kind/name…: a parent of it that we know has to be there
    for end in range(9, len(segments) - 1, 2):
        parent = "/".join(segments[:end])
        if _is_ours(cloud, parent) and cloud.at(parent) is None:
            raise named("ParentResourceNotFound", parent=parent)


def _is_ours(cloud: Cloud, resource_id: str) -> bool:
    """Whether an id is of a type that this cloud keeps."""
    start = f"/subscriptions/{cloud.subscription}/"
    if not resource_id.lower().startswith(start):
        return False
    return any(
        naming.template[0] == "/" and naming.pattern.fullmatch(resource_id)
        for name, naming in ids.NAMINGS.items()
        if name not in ("azurerm_resource_provider_registration",)
    )


def _references_are_there(cloud: Cloud, values: Any) -> None:
    if not cloud.behaviours["existence"]:
        return
    for reference in _ids_in(values):
        if _is_ours(cloud, reference) and cloud.at(reference) is None:
            raise named("InvalidResourceReference", reference=reference)


def _ids_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for name, item in value.items() if name != "id" for found in _ids_in(item)]
    if isinstance(value, list):
        return [found for item in value for found in _ids_in(item)]
    return [value] if isinstance(value, str) and value.startswith("/subscriptions/") else []


def _name_is_not_kept(session: "Session", type_: Type, resource_id: str) -> None:
    cloud = session.cloud
    if resource_id.lower() not in cloud.deleted or not cloud.behaviours["soft_delete"]:
        return
    if type_.name == "azurerm_key_vault" and session.feature("key_vault", "recover_soft_deleted_key_vaults", True):
        return
    raise named(_SOFT_DELETED[type_.name])


def _role_is_not_assigned(cloud: Cloud, planned: dict[str, Any]) -> None:
    if not planned.get("role_definition_id"):
        raise named("RoleNotFound", role=planned.get("role_definition_name"))
    if not cloud.behaviours["unique_role_assignments"]:
        return
    said = _assignment(planned)
    for other in cloud.of_type("azurerm_role_assignment"):
        if _assignment(other.values) == said:
            raise named("RoleAssignmentExists", digest=other.id.rsplit("/", 1)[-1].replace("-", ""))


def _assignment(values: dict[str, Any]) -> tuple[str, str, str]:
    role = str(values.get("role_definition_id")).rsplit("/", 1)[-1]
    return str(values["scope"]).lower(), role.lower(), str(values["principal_id"]).lower()


def _subnet_is_free(cloud: Cloud, subnet: Resource) -> None:
    for other in list(cloud.resources.values()):
        if other.type in ids.KEY_SUFFIXES or other is subnet:
            continue
        if any(reference.lower() == subnet.id.lower() for reference in _ids_in(other.values)):
            raise named("InUseSubnetCannotBeDeleted", user=other.id)
    if subnet.values.get("delegation") and cloud.counts_down(subnet, "lingering_delegations"):
        raise named("InUseSubnetCannotBeDeleted", user=f"{subnet.id}/serviceAssociationLinks/legionservicelink")
