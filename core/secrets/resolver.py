"""The resolver that services use: one source a scheme, a cache with a time to live, one read at a time of a secret."""

import asyncio
import time
from collections.abc import Callable, Mapping

from core.secrets import (
    FORMS,
    Scheme,
    SecretRef,
    SecretReferenceError,
    SecretResolver,
    SecretSource,
    SecretUnavailable,
)
from core.secrets.database import DatabaseSource, MasterKeys
from core.secrets.env import EnvironmentSource
from core.secrets.file import FileSource
from core.snapshot import SealedSecret

_REFERENCE = ("env:", "file:", "kv:", "db:")


class CachingResolver:
    """Keeps values in memory for `ttl` seconds; failures are not kept.

    `db://` is opened anew each time: its ciphertext is at hand, and what was rotated must count at once.
    """

    def __init__(self, sources: Mapping[Scheme, SecretSource], ttl: float) -> None:
        self._sources = dict(sources)
        self._ttl = ttl
        self._values: dict[SecretRef, tuple[float, str]] = {}  # until (monotonic seconds), value
        self._reads: dict[SecretRef, asyncio.Task[str]] = {}

    def add(self, scheme: Scheme, source: SecretSource) -> None:
        """Serve a scheme; a source may need the resolver itself (master keys are references)."""
        self._sources[scheme] = source

    async def resolve(self, ref: SecretRef | str) -> str:
        """The value. Raises `SecretError`; `SecretReferenceError` for a text that is no reference."""
        parsed = SecretRef.parse(ref) if isinstance(ref, str) else ref
        kept = self._values.get(parsed)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        read = self._reads.get(parsed)
        if read is None:
            read = self._reads[parsed] = asyncio.ensure_future(self._read(parsed))
            read.add_done_callback(lambda done: self._forget(parsed, done))
        # Shielded: who hangs up must not take the read away from the others that wait for it.
        return await asyncio.shield(read)

    async def _read(self, ref: SecretRef) -> str:
        if ref.scheme == "kv" and "kv" not in self._sources:
            raise SecretUnavailable(f"{ref}: Key Vault references are not supported by this version")
        if ref.scheme not in self._sources:
            raise SecretUnavailable(f"{ref}: {ref.scheme} references cannot be read here")
        value = await self._sources[ref.scheme].read(ref)
        if ref.scheme != "db":
            self._values[ref] = (time.monotonic() + self._ttl, value)
        return value

    def _forget(self, ref: SecretRef, done: asyncio.Task[str]) -> None:
        self._reads.pop(ref, None)
        if not done.cancelled():
            done.exception()  # seen: every waiter may have gone


def open_resolver(
    environment: Mapping[str, str],
    *,
    ttl: float,
    master_keys: Mapping[int, str] | None = None,
    sealed: Callable[[], Mapping[str, SealedSecret]] | None = None,
) -> CachingResolver:
    """A resolver of every scheme that this version reads.

    `master_keys`: version → reference (`settings.master_keys`); `sealed`: the current sealed secrets, a snapshot's or
    `database.read_secrets`'s. Without `sealed`, `db://` is refused.
    """
    resolver = CachingResolver({"env": EnvironmentSource(environment), "file": FileSource()}, ttl)
    if sealed is not None:
        resolver.add("db", DatabaseSource(MasterKeys(master_keys or {}, resolver), sealed))
    return resolver


async def resolve_setting(text: str, resolver: SecretResolver) -> str:
    """A setting that may be a reference (`settings.database_url`): its value, or the text itself."""
    if not text.startswith(_REFERENCE):
        return text
    try:
        return (await resolver.resolve(text)).strip()
    except SecretReferenceError:
        raise SecretUnavailable(f"a setting starts like a secret reference and is none; allowed are {FORMS}") from None
