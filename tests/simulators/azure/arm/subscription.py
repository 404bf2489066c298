"""The facts of one subscription. A test changes them as it likes; `reset` makes an ordinary one of it again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.simulators.azure.arm import catalogue

Document = dict[str, Any]


@dataclass(slots=True)
class Subscription:
    """All ids are compared in small letters."""

    tenant_id: str
    id: str = field(default_factory=lambda: str(uuid4()))
    name: str = "Contoso production"
    state: str = "Enabled"
    spending_limit: str = "Off"
    locations: list[Document] = field(default_factory=list)
    providers: dict[str, Document] = field(default_factory=dict)  # by namespace
    usages: dict[tuple[str, str], list[Document]] = field(default_factory=dict)  # namespace and region → lines
    models: dict[str, list[Document]] = field(default_factory=dict)  # by region
    model_capacities: dict[tuple[str, str, str, str], float] = field(
        default_factory=dict
    )  # region, model, version, SKU → units
    postgres: dict[str, Document] = field(default_factory=dict)  # capabilities by region
    permissions: dict[str, list[Document]] = field(default_factory=dict)  # by scope; what is nearest above holds
    role_assignments: list[Document] = field(default_factory=list)
    role_definitions: dict[str, Document] = field(default_factory=dict)  # by GUID
    locks: list[Document] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)  # names in use by others, anywhere in the world
    deleted_vaults: dict[str, Document] = field(default_factory=dict)
    deleted_accounts: dict[str, Document] = field(default_factory=dict)
    policies: list[Callable[[Document], Document | None]] = field(
        default_factory=list
    )  # resource → evaluation of a denial
    domain_verification_id: str = "5B2C8C5B0F6A4E3D9A1C77"
    resources: dict[str, Document] = field(default_factory=dict)  # by id in small letters

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """An ordinary subscription with nothing in it, of which the caller is the owner."""
        self.name, self.state, self.spending_limit = "Contoso production", "Enabled", "Off"
        self.locations = catalogue.locations(self.id)
        self.providers = catalogue.providers(self.id)
        lines = catalogue.usages()
        self.usages = {
            (namespace, region): [{**each, "name": dict(each["name"])} for each in of]
            for namespace, of in lines.items()
            for region in catalogue.REGIONS
        }
        self.models = {region: catalogue.models() for region in catalogue.REGIONS}
        self.postgres = {region: catalogue.postgres_capabilities(region) for region in catalogue.REGIONS}
        self.permissions = {self.path.lower(): [permission("*")]}
        for each in (
            self.role_assignments,
            self.role_definitions,
            self.locks,
            self.taken,
            self.deleted_vaults,
            self.deleted_accounts,
            self.policies,
            self.resources,
            self.model_capacities,
        ):
            each.clear()
        self.domain_verification_id = "5B2C8C5B0F6A4E3D9A1C77"

    @property
    def path(self) -> str:
        return f"/subscriptions/{self.id}"

    def add(self, resource_id: str, location: str = "uksouth", **fields: Any) -> Document:
        """Put a resource there, and its resource group: `add(id, properties={…}, tags={…})`."""
        segments = resource_id.split("/")
        if len(segments) > 5 and segments[3].lower() == "resourcegroups":
            self.resources.setdefault("/".join(segments[:5]).lower(), self._group(segments[4], location))
        resource = {
            "id": resource_id,
            "name": segments[-1],
            "type": type_of(resource_id),
            "location": location,
            **fields,
        }
        resource.setdefault("properties", {}).setdefault("provisioningState", "Succeeded")
        self.resources[resource_id.lower()] = resource
        return resource

    def group(self, name: str, location: str = "uksouth") -> str:
        """A resource group; its id."""
        group = self._group(name, location)
        self.resources[group["id"].lower()] = group
        return str(group["id"])

    def quota(self, namespace: str, region: str, name: str, used: float, limit: float) -> None:
        """Set a line of a quota."""
        lines = self.usages[(namespace, region)]
        lines[:] = [each for each in lines if each["name"]["value"] != name] + [catalogue.usage(name, used, limit)]

    def lock(self, scope: str, level: str = "CanNotDelete", name: str = "keep") -> None:
        """Put a lock on something."""
        self.locks.append(
            {
                "id": f"{scope}/providers/Microsoft.Authorization/locks/{name}",
                "name": name,
                "type": "Microsoft.Authorization/locks",
                "properties": {"level": level, "notes": "by the platform team"},
            }
        )

    def all_locks(self) -> list[Document]:
        """Those that a test put there, and those that were made."""
        return self.locks + [
            each for each in self.resources.values() if each["type"] == "Microsoft.Authorization/locks"
        ]

    def allowed(self, scope: str, action: str) -> bool:
        """Whether the caller may do that there."""
        from fnmatch import fnmatchcase

        def among(patterns: list[str]) -> bool:
            return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)

        return any(among(each["actions"]) and not among(each["notActions"]) for each in self.permissions_at(scope))

    def permissions_at(self, scope: str) -> list[Document]:
        """What the caller may do there: what is said of the nearest scope above."""
        at = scope.lower()
        while at:
            if at in self.permissions:
                return self.permissions[at]
            at = at.rsplit("/", 1)[0]
        return []

    def _group(self, name: str, location: str) -> Document:
        return {
            "id": f"{self.path}/resourceGroups/{name}",
            "name": name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": location,
            "properties": {"provisioningState": "Succeeded"},
        }


def permission(*actions: str, without: tuple[str, ...] = (), data: tuple[str, ...] = ()) -> Document:
    """One element of what the permissions API answers."""
    return {"actions": list(actions), "notActions": list(without), "dataActions": list(data), "notDataActions": []}


def type_of(resource_id: str) -> str:
    """`Microsoft.App/jobs` of an id."""
    if "/providers/" not in resource_id:
        return "Microsoft.Resources/resourceGroups"
    namespace, *segments = resource_id.rsplit("/providers/", 1)[1].split("/")
    return "/".join([namespace, *segments[::2]])
