"""The upstreams' credentials: had ahead, kept in memory only, renewed in the background, one header an upstream.

A secret by its reference, or an Entra ID token of the identity that the upstream names.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

import msgspec

from core.identity import TokenSource, TokenUnavailable
from core.identity.entra import Identities
from core.secrets import SecretError, SecretReferenceError
from core.secrets.resolver import CachingResolver
from core.snapshot import Snapshot, Upstream, UpstreamIdentity
from proxy.adapters import ADAPTERS
from proxy.upstream.head import field_lines

_log = logging.getLogger("aduana.credentials")

Header = tuple[bytes, bytes]

_REREAD_EVERY = 30.0  # seconds between two readings of a secret that an upstream refused
_FORMER = 2  # values of a credential that answers may still speak of


class CredentialUnavailable(Exception):
    """An upstream's secret or token cannot be had now; that upstream alone is out."""


class Credential(msgspec.Struct, frozen=True, gc=False):
    """What proves to an upstream who asks: a header, and the same as it is written. Never shown."""

    headers: tuple[Header, ...]
    lines: bytes
    secret: bytes  # the header's value, less its scheme

    @classmethod
    def of(cls, header: Header) -> "Credential":
        """Raises `ValueError` for a value that no header can have."""
        return cls((header,), field_lines((header,)), header[1].rpartition(b" ")[2])

    def __repr__(self) -> str:
        return "Credential()"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


NO_CREDENTIAL = Credential((), b"", b"")


@dataclass(slots=True)
class _Bearer:
    """An identity's tokens for one audience, and the header of the last one."""

    tokens: TokenSource
    scope: str
    token: str | None
    credential: "Credential"


class Credentials:
    """What goes to each upstream in place of the caller's key."""

    def __init__(self, resolver: CachingResolver, identities: Identities) -> None:
        self._resolver = resolver
        self._identities = identities
        self._headers: dict[tuple[str, str], Credential] = {}  # (provider, reference) →
        self._bearers: dict[UpstreamIdentity, _Bearer] = {}
        self._shown: dict[
            str | UpstreamIdentity, tuple[tuple[bytes, ...], ...]
        ] = {}  # the last values, as they may be spelt
        # When a secret was last read because its value was refused (monotonic seconds), and that reading.
        self._rereads: dict[tuple[str, str], tuple[float, asyncio.Task[Credential]]] = {}

    def ready(self, upstream: Upstream) -> Credential | None:
        """The credential of an upstream where it is at hand; `NO_CREDENTIAL` where it takes none. The hot path's look-up."""
        if upstream.secret_ref is not None:
            return self._headers.get((upstream.provider, upstream.secret_ref))
        if upstream.identity is None:
            return NO_CREDENTIAL
        bearer = self._bearers.get(upstream.identity)
        if bearer is None:
            return None
        token = bearer.tokens.ready(bearer.scope)
        if token is None:
            return None
        if token is not bearer.token:
            self._hold(upstream.identity, bearer, token)
        return bearer.credential

    async def obtain(self, upstream: Upstream) -> Credential:
        """The same, had now where it must be. Raises `CredentialUnavailable`."""
        headers = self.ready(upstream)
        return headers if headers is not None else await self._have(upstream, anew=False)

    async def replaced(self, upstream: Upstream, refused: Credential) -> bool:
        """Whether there is another credential than the one that the upstream refused; it is asked for now, once for all."""
        current = self.ready(upstream)
        if current is not None and current != refused:
            return True
        try:
            if upstream.identity is not None:
                bearer = self._bearer(upstream.identity)
                await bearer.tokens.renew(bearer.scope, bearer.token)
            elif upstream.secret_ref is not None:
                await asyncio.shield(self._reread(upstream, upstream.secret_ref))
        except (TokenUnavailable, CredentialUnavailable) as error:
            _log.warning("upstream %s refuses its credential, and there is no other: %s", upstream.name, error)
        return self.ready(upstream) not in (None, refused)

    def spellings(self, upstream: Upstream) -> Iterable[bytes]:
        """The credential as it may stand in what an upstream answers, so that it can be taken out."""
        known = upstream.secret_ref if upstream.secret_ref is not None else upstream.identity
        if known is not None:
            for value in self._shown.get(known, ()):
                yield from value

    async def keep_fresh(self, snapshot: Snapshot) -> bool:
        """Have every upstream's credential; False: one cannot be had, and its upstream is out."""
        wanted = [
            each for each in snapshot.upstreams.values() if each.secret_ref is not None or each.identity is not None
        ]
        return all(await asyncio.gather(*(self._keep(upstream) for upstream in wanted)))

    async def _keep(self, upstream: Upstream) -> bool:
        try:
            await self._have(upstream, anew=True)
        except CredentialUnavailable as error:
            _log.warning("upstream %s: %s", upstream.name, error)
            return False
        return True

    async def _have(self, upstream: Upstream, *, anew: bool) -> Credential:
        if upstream.secret_ref is not None:
            return await self._resolve(upstream.provider, upstream.secret_ref, anew)
        if upstream.identity is None:
            return NO_CREDENTIAL
        bearer = self._bearer(upstream.identity)
        try:
            token = await bearer.tokens.obtain(bearer.scope)  # kept fresh by its source
        except TokenUnavailable as error:
            raise CredentialUnavailable(str(error)) from None
        self._hold(upstream.identity, bearer, token)
        return bearer.credential

    def _reread(self, upstream: Upstream, secret_ref: str) -> asyncio.Task[Credential]:
        """The reading of a secret that was refused: the last one, where that was a moment ago."""
        now = monotonic()
        of = (upstream.provider, secret_ref)
        at, reading = self._rereads.get(of, (float("-inf"), None))
        if reading is None or (reading.done() and now - at >= _REREAD_EVERY):
            reading = asyncio.get_running_loop().create_task(self._have(upstream, anew=True))
            self._rereads[of] = (now, reading)
        return reading

    async def _resolve(self, provider: str, secret_ref: str, anew: bool) -> Credential:
        read = self._resolver.refresh if anew else self._resolver.resolve
        try:
            # A line break around it is a file's or a shell's, and one within it would end the header.
            secret = (await read(secret_ref)).strip()
            if not (secret and secret.isascii() and secret.isprintable()):
                raise SecretError("the secret is not plain ASCII in one line")
        except (SecretError, SecretReferenceError) as error:
            self._headers.pop((provider, secret_ref), None)
            raise CredentialUnavailable(f"its secret {secret_ref} cannot be had: {error}") from None
        headers = self._headers[(provider, secret_ref)] = Credential.of(ADAPTERS[provider].credential(secret))
        self._show(secret_ref, secret)
        return headers

    def _bearer(self, identity: UpstreamIdentity) -> _Bearer:
        bearer = self._bearers.get(identity)
        if bearer is None:
            bearer = self._bearers[identity] = _Bearer(
                self._identities.of(identity.client_id), identity.audience, None, NO_CREDENTIAL
            )
        return bearer

    def _hold(self, identity: UpstreamIdentity, bearer: _Bearer, token: str) -> None:
        bearer.token = token
        bearer.credential = Credential.of((b"authorization", b"Bearer " + token.encode("ascii")))
        self._show(identity, token)

    def _show(self, of: str | UpstreamIdentity, secret: str) -> None:
        raw = secret.encode("ascii")
        spelt = (raw, json.dumps(secret)[1:-1].encode(), quote(secret, safe="").encode(), base64.b64encode(raw))
        value = tuple(dict.fromkeys(spelt))
        earlier = [each for each in self._shown.get(of, ()) if each != value]
        self._shown[of] = (value, *earlier[: _FORMER - 1])
