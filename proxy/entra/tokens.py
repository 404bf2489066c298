"""The tokens of one process: each is verified once and known by its SHA-256 until it expires."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from time import monotonic

from core.settings import Settings
from core.trust import client_context
from proxy.entra import VerifiedToken
from proxy.entra.discovery import fetch_signing_keys
from proxy.entra.issuers import issuers_of
from proxy.entra.keyring import KeyRing, Rhythm
from proxy.entra.verification import TokenVerifier

_MOST = 10_000  # tokens that are known at once


class EntraTokens:
    """Verifies tokens, and knows those that it has verified. `run` keeps the signing keys fresh."""

    def __init__(self, settings: Settings, rhythm: Rhythm = Rhythm(), most: int = _MOST) -> None:  # noqa: B008 - frozen
        """Raises `OSError` or `ssl.SSLError` where the CA bundle cannot be read."""
        import httpx  # here: without a tenant nothing is fetched

        assert settings.entra_tenant_id is not None
        tenant_id = settings.entra_tenant_id
        self._http = httpx.AsyncClient(
            verify=client_context(settings.ca_bundle), timeout=rhythm.patience, follow_redirects=False
        )
        issuers = issuers_of(settings.entra_authority, tenant_id)
        self.rings = {
            issuer.name: KeyRing(
                issuer.name,
                partial(fetch_signing_keys, self._http, issuer, tenant_id),
                rhythm,
                partial(self._forget, issuer.name),
            )
            for issuer in issuers
        }
        rings = {issuer.name: (issuer, self.rings[issuer.name]) for issuer in issuers}
        self._verifier = TokenVerifier(tenant_id, settings.entra_audience, rings)
        self._known: OrderedDict[bytes, VerifiedToken] = OrderedDict()
        self._most = most

    def known(self, credential: bytes, now: float) -> VerifiedToken | None:
        """A token that was verified before and has not expired. `now`: Unix seconds."""
        digest = sha256(credential).digest()
        token = self._known.get(digest)
        if token is None or token.expires_at <= now:
            return None
        self._known.move_to_end(digest)
        return token

    async def verify(self, credential: bytes) -> VerifiedToken:
        """The same of one that is not known, which it is from here on. Raises `Refusal`."""
        token = await self._verifier.verify(credential, time.time())
        self._known[sha256(credential).digest()] = token
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return token

    async def run(self) -> None:
        """Keep the signing keys fresh until cancelled."""
        async with asyncio.TaskGroup() as group:
            for ring in self.rings.values():
                group.create_task(ring.run())

    async def close(self) -> None:
        """End what is under way."""
        for ring in self.rings.values():
            await ring.close()
        await self._http.aclose()

    @property
    def keys_age(self) -> float:
        """Seconds since signing keys were last fetched, of the issuer that was asked longest ago."""
        return monotonic() - min(ring.fetched_at for ring in self.rings.values())

    def _forget(self, issuer: str, key_ids: Iterable[str]) -> None:
        """A key that its issuer withdrew signs for nobody any more."""
        withdrawn = frozenset(key_ids)
        for digest in [
            digest for digest, token in self._known.items() if token.issuer == issuer and token.key_id in withdrawn
        ]:
            del self._known[digest]
