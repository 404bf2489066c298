"""The upstreams' credentials: resolved ahead, kept in memory only, renewed in the background, one header an upstream."""

import logging

from core.secrets import SecretError, SecretReferenceError, SecretResolver
from core.snapshot import Snapshot, Upstream
from proxy.adapters import ADAPTERS

_log = logging.getLogger("aduana.credentials")

Header = tuple[bytes, bytes]


class CredentialUnavailable(Exception):
    """An upstream's secret cannot be had now; that upstream alone is out."""


class Credentials:
    """What goes to each upstream in place of the caller's key."""

    def __init__(self, resolver: SecretResolver) -> None:
        self._resolver = resolver
        self._headers: dict[tuple[str, str], tuple[Header, ...]] = {}  # (provider, reference) → header
        self._secrets: dict[str, bytes] = {}  # reference → value, for redaction

    def ready(self, upstream: Upstream) -> tuple[Header, ...] | None:
        """The header of an upstream where it is at hand; () where it takes none. The hot path's look-up."""
        if upstream.secret_ref is None:
            return ()
        return self._headers.get((upstream.provider, upstream.secret_ref))

    async def obtain(self, upstream: Upstream) -> tuple[Header, ...]:
        """The same, resolved now where it must be. Raises `CredentialUnavailable`."""
        headers = self.ready(upstream)
        return headers if headers is not None else await self._resolve(upstream)

    def secret_of(self, upstream: Upstream) -> bytes | None:
        """The secret itself, so that it can be taken out of what an upstream answers."""
        return self._secrets.get(upstream.secret_ref) if upstream.secret_ref is not None else None

    async def keep_fresh(self, snapshot: Snapshot) -> None:
        """Resolve every upstream's secret; what cannot be resolved keeps its last value and is logged by reference."""
        for upstream in snapshot.upstreams.values():
            if upstream.secret_ref is not None:
                try:
                    await self._resolve(upstream)
                except CredentialUnavailable as error:
                    _log.warning("upstream %s: %s", upstream.name, error)

    async def _resolve(self, upstream: Upstream) -> tuple[Header, ...]:
        assert upstream.secret_ref is not None
        try:
            # A line break around it is a file's or a shell's, and one within it would end the header.
            secret = (await self._resolver.resolve(upstream.secret_ref)).strip()
            if not (secret and secret.isascii() and secret.isprintable()):
                raise SecretError("the secret is not plain ASCII in one line")
            header = ADAPTERS[upstream.provider].credential(secret)
        except (SecretError, SecretReferenceError) as error:
            raise CredentialUnavailable(f"its secret {upstream.secret_ref} cannot be had: {error}") from None
        headers = (header,)
        self._headers[(upstream.provider, upstream.secret_ref)] = headers
        self._secrets[upstream.secret_ref] = secret.encode("ascii")
        return headers
