"""Graph's front and its routes. https://learn.microsoft.com/graph/api/overview"""

import re
import ssl
import threading
from typing import Any
from uuid import uuid4

from tests.simulators.azure.entra import EntraTenant
from tests.simulators.azure.graph.directory import ROLE_TEMPLATES, Directory, Document
from tests.simulators.azure.server import Answer, Request, SimulatedService

AUDIENCE = "https://graph.microsoft.com"
_MAKERS = {
    "Application Administrator",
    "Application Developer",
    "Global Administrator",
    "Cloud Application Administrator",
}
_COLLECTIONS = {"groups": "groups", "applications": "applications", "servicePrincipals": "service_principals"}


def error(status: int, code: str, message: str) -> Answer:
    """Graph's shape of an error."""
    return Answer(status, {"error": {"code": code, "message": message, "innerError": {"request-id": str(uuid4())}}})


class GraphService(SimulatedService):
    """One directory behind Graph's front."""

    def __init__(self, entra: EntraTenant, tls: ssl.SSLContext) -> None:
        self.entra = entra
        entra.services.add(AUDIENCE)
        self.directory = Directory(entra.tenant_id)
        self.lock = threading.RLock()
        self.reset()
        super().__init__(tls)

    def reset(self) -> None:
        """An ordinary directory."""
        self.journal: list[tuple[str, str]] = []
        self.page_size = 100
        self.directory.reset()

    def respond(self, request: Request) -> Answer:
        with self.lock:
            self.journal.append((request.method, request.path))
            claims = self.entra.accepts(request.token, AUDIENCE)
            if claims is None:
                return error(401, "InvalidAuthenticationToken", "Access token is empty or not good here.")
            path = request.path.removeprefix("/v1.0")
            if request.method == "GET":
                return self._read(path, request, claims)
            if not self._may_write(claims):
                return error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
            return self._write(path, request)

    # ── Reads ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, path: str, request: Request, claims: Document) -> Answer:
        if path == "/me/transitiveMemberOf/microsoft.graph.directoryRole" or re.fullmatch(
            r"/servicePrincipals/[^/]+/transitiveMemberOf/microsoft\.graph\.directoryRole", path
        ):
            roles = [
                {"id": str(uuid4()), "displayName": each, "roleTemplateId": ROLE_TEMPLATES.get(each, str(uuid4()))}
                for each in self.directory.roles
            ]
            return self._page(request, roles)
        if not self.directory.may_read:
            return error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        if path == "/organization":
            return self._page(request, [{"id": self.directory.tenant_id, "displayName": "Contoso"}])
        if path == "/policies/authorizationPolicy":
            permissions = {"allowedToCreateApps": self.directory.users_may_create_apps}
            return Answer(200, {"id": "authorizationPolicy", "defaultUserRolePermissions": permissions})
        if path == "/me":
            return Answer(200, {"id": claims["oid"], "displayName": "An operator"})
        if found := re.fullmatch(r"/servicePrincipals/([^/]+)/appRoleAssignedTo", path):
            return self._page(
                request, [each for each in self.directory.app_role_assignments if each["resourceId"] == found[1]]
            )
        if found := re.fullmatch(r"/(\w+)(?:/([0-9a-f-]+)|\(appId='([0-9a-f-]+)'\))?", path):
            return self._object(request, found)
        return error(404, "Request_ResourceNotFound", f"Resource not found for the segment '{path}'.")

    def _object(self, request: Request, found: re.Match[str]) -> Answer:
        kept = self._kept(found[1])
        if kept is None:
            return error(404, "Request_ResourceNotFound", f"Resource not found for the segment '{found[1]}'.")
        if found[2] is None and found[3] is None:
            return self._page(request, [each for each in kept.values() if _matches(each, request.query.get("$filter"))])
        for each in kept.values():
            if found[2] == each["id"] or (found[3] is not None and found[3] == each.get("appId")):
                return Answer(200, each)
        words = f"Resource '{found[2] or found[3]}' does not exist."
        return error(404, "Request_ResourceNotFound", words)

    def _page(self, request: Request, found: list[Any]) -> Answer:
        start = int(request.query.get("$skiptoken", "0"))
        body: dict[str, Any] = {"value": found[start : start + self.page_size]}
        if start + self.page_size < len(found):
            body["@odata.nextLink"] = f"{self.url}{request.path}?$skiptoken={start + self.page_size}"
        return Answer(200, body)

    # ── Writes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _may_write(self, claims: Document) -> bool:
        granted = set(claims.get("roles", ())) & {"Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"}
        by_default = self.directory.users_may_create_apps and claims.get("idtyp") != "app"
        return bool(granted or by_default or set(self.directory.roles) & _MAKERS)

    def _write(self, path: str, request: Request) -> Answer:
        body = request.body or {}
        if request.method == "POST" and path == "/applications":
            made = {"id": str(uuid4()), "appId": str(uuid4()), "appRoles": [], **body}
            self.directory.applications[made["id"]] = made
            return Answer(201, made)
        if request.method == "POST" and path == "/servicePrincipals":
            of = [each for each in self.directory.applications.values() if each["appId"] == body.get("appId")]
            if not of:
                return error(
                    400,
                    "Request_BadRequest",
                    "The appId does not reference a valid application.",
                )
            if any(each["appId"] == body["appId"] for each in self.directory.service_principals.values()):
                return error(409, "Request_MultipleObjectsWithSameKeyValue", "The service principal exists already.")
            return Answer(201, self.directory.principal(of[0]) | body)
        if found := re.fullmatch(r"/servicePrincipals/([^/]+)/appRoleAssignedTo", path):
            return self._assign(found[1], body)
        if found := re.fullmatch(r"/(applications|servicePrincipals|groups)/([^/]+)", path):
            kept = self._kept(found[1]) or {}
            if found[2] not in kept:
                return error(404, "Request_ResourceNotFound", f"Resource '{found[2]}' does not exist.")
            if request.method == "DELETE":
                del kept[found[2]]
            else:
                kept[found[2]].update(body)
            return Answer(204, None)
        return error(404, "Request_ResourceNotFound", f"Resource not found for the segment '{path}'.")

    def _assign(self, resource: str, body: Document) -> Answer:
        key = ("principalId", "appRoleId")
        twin = [
            each
            for each in self.directory.app_role_assignments
            if each["resourceId"] == resource and all(each[name] == body[name] for name in key)
        ]
        if twin:
            return error(400, "Request_BadRequest", "Permission being assigned already exists on the object")
        made = {"id": str(uuid4()), "resourceId": resource, **body}
        self.directory.app_role_assignments.append(made)
        return Answer(201, made)

    def _kept(self, collection: str) -> dict[str, Document] | None:
        name = _COLLECTIONS.get(collection)
        return getattr(self.directory, name) if name else None


def _matches(document: Document, text: str | None) -> bool:
    """`displayName eq 'x'` and the like: the only filter that is played."""
    found = re.fullmatch(r"(\w+) eq '([^']*)'", text or "")
    return text is None or (found is not None and document.get(found[1]) == found[2])
