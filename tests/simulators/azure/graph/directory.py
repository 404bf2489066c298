"""The facts of one directory."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Document = dict[str, Any]

# https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
ROLE_TEMPLATES = {
    "Application Administrator": "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
    "Application Developer": "cf1c38e5-3621-4004-a7cb-879624dced7c",
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
}


@dataclass(slots=True)
class Directory:
    """Objects are as Graph shows them, by their object ids."""

    tenant_id: str
    groups: dict[str, Document] = field(default_factory=dict)
    applications: dict[str, Document] = field(default_factory=dict)
    service_principals: dict[str, Document] = field(default_factory=dict)
    app_role_assignments: list[Document] = field(default_factory=list)  # appRoleAssignedTo of any service principal
    roles: list[str] = field(default_factory=list)  # directory roles of the caller, by name
    users_may_create_apps: bool = True
    may_read: bool = True  # whether the caller may read the directory at all

    def reset(self) -> None:
        """Nothing but the caller, who may make applications."""
        for each in (self.groups, self.applications, self.service_principals, self.app_role_assignments, self.roles):
            each.clear()
        self.roles.append("Application Administrator")
        self.users_may_create_apps = self.may_read = True

    def group(self, name: str, id: str | None = None, security: bool = True) -> str:
        """A group; its object id."""
        id = id or str(uuid4())
        self.groups[id] = {"id": id, "displayName": name, "securityEnabled": security, "mailEnabled": not security}
        return id

    def application(self, name: str, *roles: str) -> Document:
        """A registration with these app roles, and its service principal."""
        made = {
            "id": str(uuid4()),
            "appId": str(uuid4()),
            "displayName": name,
            "appRoles": [
                {"id": str(uuid4()), "value": each, "isEnabled": True, "allowedMemberTypes": ["User"]} for each in roles
            ],
        }
        self.applications[made["id"]] = made
        self.principal(made)
        return made

    def principal(self, application: Document) -> Document:
        """The service principal of a registration."""
        made = {"id": str(uuid4()), "appId": application["appId"], "displayName": application.get("displayName", "")}
        self.service_principals[made["id"]] = made
        return made
