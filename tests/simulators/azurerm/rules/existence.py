"""What has to be there, and what must not be there yet."""

from typing import Any

from tests.simulators.azurerm import ids
from tests.simulators.azurerm.cloud import Cloud
from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt


def is_new(attempt: Attempt) -> None:
    """The provider looks first, and wants what is there to be imported."""
    if not attempt.cloud.behaviours["existence"]:
        return
    if attempt.session.features.get("skip_import_check_on_create_and_allow_overwriting_existing_resources"):
        return
    # Types that share an id (two kinds of web test) share a name.
    if ids.key(attempt.type, attempt.id) in attempt.cloud.resources:
        raise named("AlreadyExists")


def parents_are_there(attempt: Attempt) -> None:
    """A resource's group, and what it hangs below."""
    cloud = attempt.cloud
    if not cloud.behaviours["existence"]:
        return
    segments = attempt.id.split("|")[0].split("/")
    if len(segments) > 5 and segments[3].lower() == "resourcegroups" and cloud.at("/".join(segments[:5])) is None:
        raise named("ResourceGroupNotFound", group=segments[4])
    # /subscriptions/S/resourceGroups/G/providers/N/kind/name/kind/name/…
    for end in range(9, len(segments) - 1, 2):
        parent = "/".join(segments[:end])
        if is_ours(cloud, parent) and cloud.at(parent) is None:
            raise named("ParentResourceNotFound", parent=parent)


def references_are_there(attempt: Attempt) -> None:
    """What the arguments name."""
    if not attempt.cloud.behaviours["existence"]:
        return
    for reference in ids_in(attempt.values):
        if is_ours(attempt.cloud, reference) and attempt.cloud.at(reference) is None:
            raise named("InvalidResourceReference", reference=reference)


def is_ours(cloud: Cloud, resource_id: str) -> bool:
    """Whether an id is one of this subscription's, and of a type that this cloud keeps."""
    if not resource_id.lower().startswith(f"/subscriptions/{cloud.subscription}/"):
        return False
    return any(
        naming.template[0] == "/" and naming.pattern.fullmatch(resource_id)
        for name, naming in ids.NAMINGS.items()
        if name != "azurerm_resource_provider_registration"
    )


def ids_in(value: Any) -> list[str]:
    """The ids of resources in some values, their own left out."""
    if isinstance(value, dict):
        return [found for name, item in value.items() if name != "id" for found in ids_in(item)]
    if isinstance(value, list):
        return [found for item in value for found in ids_in(item)]
    return [value] if isinstance(value, str) and value.startswith("/subscriptions/") else []
