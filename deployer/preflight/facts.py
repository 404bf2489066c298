"""What is known of the subscription: asked of Azure when the first check wants it, and once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from deployer.azure import Session
from deployer.azure.documents import Document

Fact = TypeVar("Fact")


class AzureFacts:
    """Every method may raise `AzureError`; all that ask for the same fact get the same answer, or the same error."""

    def __init__(self, session: Session, subscription_id: str) -> None:
        self.session = session
        self.arm, self.graph = session.arm, session.graph
        self.subscription_id = subscription_id
        self.path = f"/subscriptions/{subscription_id}"
        self._asked: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def subscription(self) -> Document:
        return await self._once(("subscription",), lambda: self.arm.get(self.path))

    async def claims(self) -> dict[str, Any]:
        """What the identity's token says: `oid`, `tid`, `idtyp`, …"""
        return await self._once(("claims",), self.session.claims)

    async def locations(self) -> dict[str, Document]:
        """By name."""
        listed = await self._once(("locations",), lambda: self.arm.list(f"{self.path}/locations"))
        return {each["name"].lower(): each for each in listed}

    async def providers(self) -> dict[str, Document]:
        """Resource providers by their namespace in small letters."""
        listed = await self._once(("providers",), lambda: self.arm.list(f"{self.path}/providers"))
        return {str(each.get("namespace", "")).lower(): each for each in listed}

    async def networks(self) -> list[Document]:
        """Every virtual network of the subscription."""
        path = f"{self.path}/providers/Microsoft.Network/virtualNetworks"
        return await self._once(("networks",), lambda: self.arm.list(path))

    async def locks(self) -> list[Document]:
        """Of the subscription and all that is in it."""
        path = f"{self.path}/providers/Microsoft.Authorization/locks"
        return await self._once(("locks",), lambda: self.arm.list(path))

    async def usages(self, namespace: str, region: str) -> dict[str, tuple[float, float]]:
        """A quota's lines: name in small letters → in use, limit."""
        kind = "/resourceType/flexibleServers" if namespace == "Microsoft.DBforPostgreSQL" else ""
        path = f"{self.path}/providers/{namespace}/locations/{region}{kind}/usages"
        listed = await self._once(("usages", namespace, region), lambda: self.arm.list(path))
        return {
            str(each["name"]["value"]).lower(): (float(each.get("currentValue") or 0), float(each.get("limit") or 0))
            for each in listed
            if isinstance(each.get("name"), dict) and each["name"].get("value")
        }

    async def models(self, region: str) -> list[Document]:
        """What a region's OpenAI accounts can be given."""
        path = f"{self.path}/providers/Microsoft.CognitiveServices/locations/{region}/models"
        listed = await self._once(("models", region), lambda: self.arm.list(path))
        of_openai = [each for each in listed if each.get("kind") in ("OpenAI", None)]
        return [each["model"] for each in of_openai if isinstance(each.get("model"), dict)]

    async def permissions(self, scope: str) -> list[Document]:
        """What the identity may do at a scope, its groups' roles included."""
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        return await self._once(("permissions", scope.lower()), lambda: self.arm.list(path))

    async def resource(self, resource_id: str) -> Document | None:
        """A resource; None where it is not there."""
        return await self._once(("resource", resource_id.lower()), lambda: self.arm.find(resource_id))

    async def _once(self, key: tuple[str, ...], ask: Callable[[], Awaitable[Fact]]) -> Fact:
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(ask())
        fact: Fact = await task
        return fact

    async def close(self) -> None:
        """End what is still being asked."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
