"""Microsoft Graph: the directory's groups, applications and what they may do."""

from collections.abc import Mapping
from typing import Any

from deployer.azure.documents import Document, DocumentClient, document
from deployer.azure.errors import Refused


class Graph(DocumentClient):
    """Paths are below `/v1.0`, such as `/groups/{id}`. OData's query options are given without their `$`."""

    _next = "@odata.nextLink"

    async def get(self, path: str, **query: str) -> Document:
        return document(await self._service.request("GET", f"/v1.0{path}", query=_odata(query)))

    async def list(self, path: str, **query: str) -> list[Document]:
        """All of a collection, page by page."""
        return await self._collect(await self._service.request("GET", f"/v1.0{path}", query=_odata(query)))

    async def post(self, path: str, body: Mapping[str, Any]) -> Document:
        """Create an object, or ask for an action; the answer."""
        made = (await self._service.request("POST", f"/v1.0{path}", body=dict(body))).body
        return made if isinstance(made, dict) else {}

    async def patch(self, path: str, body: Mapping[str, Any]) -> None:
        """Change what the body names of an object."""
        await self._service.request("PATCH", f"/v1.0{path}", body=dict(body))

    async def delete(self, path: str) -> None:
        """Take an object away; it is well where it was not there."""
        try:
            await self._service.request("DELETE", f"/v1.0{path}")
        except Refused as error:
            if not error.not_found:
                raise


def _odata(query: Mapping[str, str]) -> dict[str, str]:
    return {f"${name}": value for name, value in query.items()}
