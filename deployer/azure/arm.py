"""Azure Resource Manager: reads, lists, writes, and waiting for what goes on after a write was taken."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from deployer.azure.api_versions import api_version
from deployer.azure.documents import Document, DocumentClient, document
from deployer.azure.errors import Refused, Unreachable
from deployer.azure.requests import Answer, Service, link, retry_after

_POLL = 5.0  # seconds, where Azure says none
_PATIENCE = 1_800.0  # seconds for one operation
_ENDED = {"succeeded", "failed", "canceled", "cancelled"}


class Arm(DocumentClient):
    """Paths are resource ids, or begin like one; each is asked for in the version that `api_versions` knows for its type."""

    def __init__(
        self,
        service: Service,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(service)
        self._sleep, self._clock = sleep, clock

    async def get(self, path: str, **query: str) -> Document:
        """A resource, or whatever else a path answers with an object. Raises `Refused`, `Unreachable`, `SignInFailed`."""
        return document(await self._ask("GET", path, query))

    async def list(self, path: str, **query: str) -> list[Document]:
        """All of a collection, page by page."""
        return await self._collect(await self._ask("GET", path, query))

    async def post(self, path: str, body: Any = None, **query: str) -> Any:
        """An action, ended; what it answers."""
        answer = await self._ask("POST", path, query, {} if body is None else body)
        if answer.status == 202:
            answer = await self._wait(answer, path)
        return answer.body

    async def put(self, path: str, body: Mapping[str, Any], *, wait: bool = True) -> Document:
        """Create or replace a resource; the resource as it is when that has ended."""
        return await self._write("PUT", path, body, wait)

    async def patch(self, path: str, body: Mapping[str, Any], *, wait: bool = True) -> Document:
        """Change what the body names of a resource."""
        return await self._write("PATCH", path, body, wait)

    async def delete(self, path: str, *, wait: bool = True) -> bool:
        """Take a resource away. False: it was not there."""
        try:
            answer = await self._ask("DELETE", path, {})
        except Refused as error:
            if error.not_found:
                return False
            raise
        if answer.status == 202 and wait:
            await self._wait(answer, path)
        return answer.status != 204

    async def server_time(self) -> float | None:
        """Azure's clock, in Unix seconds."""
        return (
            await self._service.request("GET", "/subscriptions", query={"api-version": api_version("/subscriptions")})
        ).at

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: Any = None) -> Answer:
        versioned = {"api-version": query.get("api_version") or api_version(path)}
        versioned |= {_named(name): value for name, value in query.items() if name != "api_version"}
        return await self._service.request(method, path, query=versioned, body=body)

    async def _write(self, method: str, path: str, body: Mapping[str, Any], wait: bool) -> Document:
        answer = await self._ask(method, path, {}, dict(body))
        if not wait:
            return document(answer)
        if _monitors(answer):
            await self._wait(answer, path)
            return await self.get(path)
        return await self._provisioned(path, document(answer))

    async def _provisioned(self, path: str, resource: Document) -> Document:
        """Where a service says how far it is in the resource alone."""
        deadline = self._clock() + _PATIENCE
        while True:
            properties = resource.get("properties")
            state = str((properties if isinstance(properties, dict) else {}).get("provisioningState") or "Succeeded")
            if state.lower() in ("failed", "canceled", "cancelled"):
                raise self._failed("PUT", path, {"code": state, "message": "the resource says so of itself"})
            if state.lower() == "succeeded":
                return resource
            if self._clock() > deadline:
                raise Unreachable(f"{path} is still {state} after {_PATIENCE / 60:.0f} minutes")
            await self._sleep(_POLL)
            resource = await self.get(path)

    async def _wait(self, answer: Answer, path: str) -> Answer:
        """Follow an operation to its end; the last answer.

        https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
        """
        deadline = self._clock() + _PATIENCE
        status_url = answer.headers.get("azure-asyncoperation")
        url = status_url or answer.headers.get("location")
        while url is not None:
            said = retry_after(answer.headers)
            await self._sleep(_POLL if said is None else said)
            answer = await self._service.request("GET", link(answer.url, url))
            if status_url is not None:
                operation = answer.body if isinstance(answer.body, dict) else {}
                state = str(operation.get("status", ""))
                if state.lower() in _ENDED:
                    if state.lower() != "succeeded":
                        raise self._failed("operation", path, operation.get("error") or {"code": state})
                    return answer
            elif answer.status != 202:
                return answer
            if self._clock() > deadline:
                raise Unreachable(f"an operation on {path} goes on for more than {_PATIENCE / 60:.0f} minutes")
        return answer

    def _failed(self, method: str, path: str, error: Any) -> Refused:
        told = error if isinstance(error, dict) else {}
        return Refused(
            service=self._service.name,
            request=f"{method} {urlsplit(path).path}",
            status=200,
            azure_code=str(told.get("code", ""))[:100],
            told=" ".join(str(told.get("message", "")).split())[:1000],
            body=told,
        )


def _monitors(answer: Answer) -> bool:
    if "azure-asyncoperation" in answer.headers:
        return True
    return answer.status == 202 and "location" in answer.headers


def _named(name: str) -> str:
    """`filter` and `expand` are OData's."""
    return f"${name}" if name in ("filter", "expand", "top", "select") else name
