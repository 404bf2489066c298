"""A session: one connection pool, one identity, and the clients over them."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import certifi
import httpx

from deployer.azure.arm import Arm
from deployer.azure.clouds import Cloud
from deployer.azure.credentials import Tokens, login_of
from deployer.azure.graph import Graph
from deployer.azure.requests import Service, Sleep
from deployer.azure.settings import AzureSettings

_IN_FLIGHT = 12  # requests at a time: Azure throttles by the hour, and preflight asks a hundred things at once
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class Session:
    """`arm` and `graph` for the two that are always there, `service` for what has an address of its own."""

    def __init__(self, http: httpx.AsyncClient, settings: AzureSettings, sleep: Sleep) -> None:
        self.cloud: Cloud = settings.cloud
        self.tokens = Tokens(login_of(settings))
        self._http, self._sleep = http, sleep
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        arm = self.service("Azure Resource Manager", self.cloud.arm, self.cloud.arm_audience)
        self.arm = Arm(arm, sleep=sleep)
        self.graph = Graph(self.service("Microsoft Graph", self.cloud.graph, self.cloud.graph_audience))

    @property
    def signed_in_as(self) -> str:
        """The way of signing in, for people."""
        return self.tokens.login.description

    async def claims(self, audience: str | None = None) -> dict[str, Any]:
        """What the identity's token says of it (`oid`, `tid`, `upn`, …): read, not verified, as it is for somebody else."""
        return _payload(await self.tokens.get(f"{audience or self.cloud.arm_audience}/.default"))

    def service(self, name: str, url: str, audience: str | None) -> Service:
        """Another service; `audience` None: it is called without a token."""
        tokens = self.tokens if audience is not None else None
        return Service(
            self._http, tokens, name=name, url=url, audience=audience or "", slots=self._slots, sleep=self._sleep
        )

    def vault(self, name: str) -> Service:
        """The data plane of a key vault."""
        return self.service(f"Key Vault {name}", self.cloud.vault.format(vault=name), self.cloud.vault_audience)

    def blobs(self, account: str) -> Service:
        """The data plane of a storage account's blobs; requests need the header `x-ms-version`."""
        return self.service(f"Storage {account}", self.cloud.blob.format(account=account), self.cloud.storage_audience)


@asynccontextmanager
async def open_azure(settings: AzureSettings, *, sleep: Sleep = asyncio.sleep) -> AsyncIterator[Session]:
    """A session; nothing is asked before its first request, which raises `SignInFailed` where there is no way in."""
    context = ssl.create_default_context()  # what the system trusts, and SSL_CERT_FILE
    context.load_verify_locations(cafile=certifi.where())
    if settings.ca_bundle is not None:
        context.load_verify_locations(cafile=str(settings.ca_bundle))
    async with httpx.AsyncClient(verify=context, timeout=_TIMEOUT, follow_redirects=False) as http:
        yield Session(http, settings, sleep)


def _payload(token: str) -> dict[str, Any]:
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
