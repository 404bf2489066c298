"""The resolver that services use: one source a scheme, values kept for a time and read anew ahead of its end, one read at a
time of a secret.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.identity.entra import Identities
from core.secrets import (
    FORMS,
    Scheme,
    SecretError,
    SecretRef,
    SecretReferenceError,
    SecretResolver,
    SecretSource,
    SecretUnavailable,
)
from core.secrets.database import DatabaseSource, MasterKeys
from core.secrets.env import EnvironmentSource
from core.secrets.file import FileSource
from core.secrets.keyvault import KeyVaultSource
from core.settings import Settings
from core.snapshot import SealedSecret

_log = logging.getLogger("aduana.secrets")

_REFERENCE = ("env:", "file:", "kv:", "db:")
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 15.0  # seconds


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value; monotonic seconds."""

    value: str = field(repr=False)
    ahead_at: float  # from here on it is read anew while it is used
    until: float  # from here on it is not used: its time and its grace are over


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last reads failed."""

    error: Exception
    times: int
    until: float  # monotonic seconds; not tried again before, except where nothing but the read can help


class CachingResolver:
    """Keeps values in memory for `ttl` seconds, and where they cannot be read again for `grace` seconds more.

    Past most of its time a value is given at once and read behind the caller's back; past its grace it is waited for. `db://`
    is opened anew each time: its ciphertext is at hand, and what was rotated must count at once.
    """

    def __init__(self, sources: Mapping[Scheme, SecretSource], ttl: float, grace: float = 0.0) -> None:
        self._sources = dict(sources)
        self._ttl = ttl
        self._grace = grace
        self._kept: dict[SecretRef, _Kept] = {}
        self._failures: dict[SecretRef, _Failure] = {}
        self._reads: dict[SecretRef, asyncio.Task[str]] = {}

    def add(self, scheme: Scheme, source: SecretSource) -> None:
        """Serve a scheme; a source may need the resolver itself (master keys are references)."""
        self._sources[scheme] = source

    async def resolve(self, ref: SecretRef | str) -> str:
        """The value. Raises `SecretError`; `SecretReferenceError` for a text that is no reference."""
        parsed = _parsed(ref)
        kept, now = self._kept.get(parsed), time.monotonic()
        if kept is None or now >= kept.until:
            return await self._awaited(parsed)
        if now >= kept.ahead_at and not self._rests(parsed, now):
            self._start(parsed)
        return kept.value

    async def refresh(self, ref: SecretRef | str) -> str:
        """As `resolve`, but read anew now; the kept value where that fails and its grace lasts."""
        parsed = _parsed(ref)
        try:
            return await self._awaited(parsed)
        except SecretError:
            kept = self._kept.get(parsed)
            if kept is None or time.monotonic() >= kept.until:
                raise
            return kept.value

    async def _awaited(self, ref: SecretRef) -> str:
        if ref.scheme == "kv" and self._rests(ref, time.monotonic()):
            error = self._failures[ref].error  # a vault that is in trouble is not asked by every call
            raise type(error)(*error.args)
        # Shielded: who hangs up must not take the read away from the others that wait for it.
        return await asyncio.shield(self._start(ref))

    def _rests(self, ref: SecretRef, now: float) -> bool:
        """Whether it failed a moment ago and nobody is at it."""
        failure = self._failures.get(ref)
        return failure is not None and now < failure.until and ref not in self._reads

    def _start(self, ref: SecretRef) -> asyncio.Task[str]:
        read = self._reads.get(ref)
        if read is None:
            read = self._reads[ref] = asyncio.get_running_loop().create_task(self._read(ref))
            read.add_done_callback(lambda done: self._ended(ref, done))
        return read

    async def _read(self, ref: SecretRef) -> str:
        source = self._sources.get(ref.scheme)
        if source is None:
            raise SecretUnavailable(f"{ref}: {ref.scheme} references cannot be read here")
        value = await source.read(ref)
        if ref.scheme != "db":
            now = time.monotonic()
            ahead = self._ttl * random.uniform(0.7, 0.9)  # noqa: S311 - replicas that started together must not ask together
            self._kept[ref] = _Kept(value, now + ahead, now + self._ttl + self._grace)
        return value

    def _ended(self, ref: SecretRef, done: asyncio.Task[str]) -> None:
        self._reads.pop(ref, None)
        if done.cancelled():
            return
        error = done.exception()  # seen: every waiter may have gone
        if error is None:
            if self._failures.pop(ref, None) is not None:
                _log.info("%s can be read again", ref)
            return
        before = self._failures.get(ref)
        times = before.times + 1 if before is not None else 1
        now = time.monotonic()
        assert isinstance(error, Exception)
        self._failures[ref] = _Failure(error, times, now + min(_FIRST_RETRY * 2 ** (times - 1), _LONGEST_RETRY))
        kept = self._kept.get(ref)
        if times == 1 and kept is not None and now < kept.until:
            _log.warning("the last value is used for another %.0f s: %s", kept.until - now, error)


def open_resolver(
    environment: Mapping[str, str],
    *,
    ttl: float,
    grace: float = 0.0,
    vaults: SecretSource | None = None,
    master_keys: Mapping[int, str] | None = None,
    sealed: Callable[[], Mapping[str, SealedSecret]] | None = None,
) -> CachingResolver:
    """A resolver of the schemes whose sources are given; `env:` and `file:` it always reads.

    `master_keys`: version → reference (`settings.master_keys`); `sealed`: the current sealed secrets, a snapshot's or
    `database.read_secrets`'s. Without `sealed`, `db://` is refused.
    """
    resolver = CachingResolver({"env": EnvironmentSource(environment), "file": FileSource()}, ttl, grace)
    if vaults is not None:
        resolver.add("kv", vaults)
    if sealed is not None:
        resolver.add("db", DatabaseSource(MasterKeys(master_keys or {}, resolver), sealed))
    return resolver


def resolver_of(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    identities: Identities | None = None,
    sealed: Callable[[], Mapping[str, SealedSecret]] | None = None,
) -> CachingResolver:
    """A resolver of every scheme, as the settings say."""
    identities = identities or Identities(settings.azure_credential, settings.azure_client_id, settings.ca_bundle)
    return open_resolver(
        environment,
        ttl=settings.secret_ttl,
        grace=settings.secret_grace,
        vaults=KeyVaultSource(identities.of(), settings.key_vault_url, settings.ca_bundle),
        master_keys=settings.master_keys,
        sealed=sealed,
    )


async def resolve_setting(text: str, resolver: SecretResolver) -> str:
    """A setting that may be a reference (`settings.database_url`): its value, or the text itself."""
    if not text.startswith(_REFERENCE):
        return text
    try:
        return (await resolver.resolve(text)).strip()
    except SecretReferenceError:
        raise SecretUnavailable(f"a setting starts like a secret reference and is none; allowed are {FORMS}") from None


def _parsed(ref: SecretRef | str) -> SecretRef:
    return SecretRef.parse(ref) if isinstance(ref, str) else ref
