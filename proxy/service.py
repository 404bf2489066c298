"""One proxy process put together: what it reads at the start, what runs beside its calls, and how it ends."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from starlette.routing import Router

from core.identity.entra import Identities
from core.keys import Peppers
from core.redis import RedisAddress, parse_redis_url
from core.redis.login import EntraLogin, Login, PasswordLogin, require_tls
from core.secrets.resolver import CachingResolver, resolve_setting, resolver_of
from core.settings import Settings
from core.snapshot import SealedSecret, Snapshot
from core.snapshot.watch import SnapshotWatcher
from core.store.database import Database
from core.trust import client_context
from proxy.admission import Admitter
from proxy.answering import Answerer
from proxy.app import build_app
from proxy.calls import Gateway
from proxy.caps import Caps
from proxy.credentials import Credentials
from proxy.deferred.accounting import Accounting
from proxy.forwarding import Forwarder
from proxy.ledger import LedgerLog
from proxy.ledger.redis import RedisLog
from proxy.lists import Lists
from proxy.metering.tokenizer import Tokenizer
from proxy.metrics import Metrics
from proxy.objects import Objects
from proxy.readiness import Readiness
from proxy.realtime import Realtime
from proxy.realtime.shares import Ledger
from proxy.realtime.tokens import EphemeralTokens
from proxy.settlement import Settlement
from proxy.streaming import KeepAlive
from proxy.targets import Board
from proxy.upstream import ClientOptions, UpstreamClient

if TYPE_CHECKING:
    from core.store.sole import SoleProxy
    from proxy.entra.tokens import EntraTokens
    from proxy.limits.priming import Priming
    from proxy.rehashing import Rehashing
    from proxy.targets.sharing import Sharing

_log = logging.getLogger("aduana.proxy")

_COLLECT_AFTER = 20_000  # more objects made than freed; CPython's own 700 costs a tenth of a call
_TRY_AGAIN = 15.0  # seconds to the next try for a credential that could not be had
_COUNTING_AT_THE_END = 5.0  # seconds for counts under way when the process ends


class Service:
    """Everything that one process holds. Use `open`."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        database: Database,
        peppers: Peppers,
        ledger: LedgerLog,
        resolver: CachingResolver,
        identities: Identities,
    ) -> None:
        self._settings = settings
        self.metrics = Metrics()
        self.readiness = Readiness()
        self.board = Board(f"{socket.gethostname()}:{os.getpid()}")
        self._ledger = ledger
        self._identities = identities
        self._credentials = Credentials(resolver, identities)
        self._keep_alive = KeepAlive(settings.keep_alive_interval)
        self._tokenizer = Tokenizer()
        self._client = UpstreamClient(
            ClientOptions(
                connect_timeout=settings.upstream_timeouts.connect,
                max_connections=settings.max_connections,
                allowed_hosts=settings.egress_hosts,
                ca_bundle=settings.ca_bundle,
                environment=environment,
            )
        )
        self._settlement = Settlement(ledger, self._tokenizer, self.metrics)
        answerer = Answerer(self._credentials, self.metrics, self._keep_alive)
        forwarder = Forwarder(self._client, self._credentials, self.metrics, answerer)
        admitter = Admitter(ledger, self._tokenizer, lambda: self._gateway.route_table(), settings.redis_timeout)
        caps = Caps(self._tokenizer)
        self._objects = _objects(ledger, database)
        self._tokens = _entra_tokens(settings)
        self._accounting = Accounting(
            database, ledger, self._objects, forwarder, lambda: self._gateway.routes, settings.lease_seconds
        )
        self._gateway = Gateway(
            settings=settings,
            peppers=peppers,
            caps=caps,
            admitter=admitter,
            forwarder=forwarder,
            settlement=self._settlement,
            metrics=self.metrics,
            objects=self._objects,
            board=self.board,
            lists=Lists(self._objects, forwarder),
            accounting=self._accounting,
            tokens=self._tokens,
            realtime=Realtime(
                self._client,
                self._credentials,
                Ledger(
                    ledger,
                    lambda: self._gateway.routes,
                    self._tokenizer,
                    self.metrics,
                    settings.redis_timeout,
                ),
                EphemeralTokens(peppers),
            ),
        )
        self._priming = _priming(ledger, database)
        self._rehashing = _rehashing(database, peppers)
        self.watcher = SnapshotWatcher(database, settings, peppers, self._replace_snapshot)
        self._sole = _sole_proxy(settings, database)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sharing: Sharing | None = None
        self._expose()

    @classmethod
    async def open(cls, settings: Settings, environment: Mapping[str, str]) -> "Service":
        """Read what a process cannot do without. Postgres and Redis may be away.

        Raises `SecretError` and `ValueError` where it can never serve as it is configured, and `AnotherProxyServes` where
        it runs without Redis and is not the only one.
        """
        opened: list[Service] = []

        def sealed() -> Mapping[str, SealedSecret]:
            snapshot = opened[0].watcher.current if opened else None
            return snapshot.sealed_secrets if snapshot is not None else {}

        identities = Identities(settings.azure_credential, settings.azure_client_id, settings.ca_bundle)
        resolver = resolver_of(settings, environment, identities=identities, sealed=sealed)
        try:
            database = Database.of(settings, await resolve_setting(settings.database_url, resolver))
            peppers = await Peppers.load(settings.peppers, resolver)
        except Exception:
            identities.close()
            raise
        ledger = await _open_ledger(settings, resolver, identities)
        opened.append(cls(settings, environment, database, peppers, ledger, resolver, identities))
        opened[0]._sharing = await _open_sharing(opened[0].board, settings, resolver, identities)
        if opened[0]._sole is not None:
            await opened[0]._sole.acquire()
        return opened[0]

    def app(self) -> Router:
        """The ASGI application of this process."""
        return build_app(self._gateway, self.readiness, self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Any) -> AsyncIterator[None]:
        self._settings.forms_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._ledger.start()
        await self._objects.start()
        await self.watcher.start()
        for work in (self._keep_alive.run(), self._keep_credentials_fresh(), self._watch_age(), self._accounting.run()):
            self._run(work)
        if self._priming is not None:
            self._run(self._priming.run())
        if self._rehashing is not None:
            self._run(self._rehashing.run())
        if self._tokens is not None:
            self._run(self._tokens.run())
        if self._sharing is not None:
            self._run(self._sharing.run())
        # What is here now stays: the collector need not look at it again, and calls leave few cycles behind.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, 20, 50)
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._gateway.realtime is not None:
                await self._gateway.realtime.finish(_COUNTING_AT_THE_END)
            await self._settlement.finish(_COUNTING_AT_THE_END)
            await self.watcher.close()
            await self._ledger.close()
            await self._objects.close()
            if self._sole is not None:
                await self._sole.release()
            self._identities.close()
            await self._client.close()
            if self._tokens is not None:
                await self._tokens.close()
            await self._tokenizer.close()

    def _replace_snapshot(self, snapshot: Snapshot) -> None:
        self._ledger.use(snapshot)
        if self._priming is not None:
            self._priming.use(snapshot)
        self._gateway.replace_snapshot(snapshot)
        self._run(self._have_credentials(snapshot))

    async def _have_credentials(self, snapshot: Snapshot) -> None:
        await self._credentials.keep_fresh(snapshot)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_credentials_fresh(self) -> None:
        """Read the upstreams' secrets anew before the resolver forgets them, so that no call waits for one."""
        pause = ahead = self._settings.secret_ttl * random.uniform(0.6, 0.8)  # noqa: S311 - not all replicas at once
        while True:
            await asyncio.sleep(pause)
            snapshot = self.watcher.current
            if snapshot is not None:
                pause = ahead if await self._credentials.keep_fresh(snapshot) else min(ahead, _TRY_AGAIN)

    async def _watch_age(self) -> None:
        """Stop serving on a snapshot that is too old, and start again when Postgres is back."""
        while True:
            stale = self.watcher.stale()
            if stale:
                reason = "its configuration is too old (ADUANA_MAX_SNAPSHOT_AGE) and Postgres cannot be reached"
                if self._gateway.out_of_service is None:
                    _log.error("out of service: %s", reason)
                self._gateway.out_of_service = reason
            else:
                self._gateway.out_of_service = None
            await asyncio.sleep(1.0)

    def _expose(self) -> None:
        gateway, ledger, watcher = self._gateway, self._ledger, self.watcher
        self.readiness.needs(
            "snapshot",
            lambda: (
                None
                if gateway.routes is not None
                else "no configuration was read yet: is Postgres reachable and migrated?"
            ),
        )
        self.readiness.needs("snapshot_age", lambda: gateway.out_of_service)
        self.readiness.needs(
            "ledger",
            lambda: None if ledger.connected else "the ledger's Redis (or spool) cannot be reached",
        )
        self.metrics.add(self.board.collect)
        gauge = self.metrics.gauge
        gauge(
            "aduana_snapshot_version",
            "The snapshot in force",
            lambda: watcher.current.version if watcher.current else 0,
        )
        gauge("aduana_snapshot_age_seconds", "Since Postgres last confirmed it", lambda: watcher.age or 0.0)
        gauge("aduana_ledger_connected", "1 while records reach Redis or the spool", lambda: float(ledger.connected))
        gauge("aduana_ledger_unacknowledged", "Calls held until Postgres has them", lambda: ledger.unacknowledged)
        gauge("aduana_ledger_buffer_calls", "The most calls that are held", lambda: self._settings.ledger_buffer_calls)
        figures = self._accounting
        gauge("aduana_deferred_pending", "Objects whose usage comes later", lambda: figures.figures.pending)
        gauge("aduana_deferred_overdue", "Of them, due for five minutes", lambda: figures.figures.overdue)
        gauge("aduana_deferred_failing", "Of them, not to be asked the last time", lambda: figures.figures.failing)
        if (tokens := self._tokens) is not None:
            gauge("aduana_entra_keys_age_seconds", "Since signing keys were fetched", lambda: tokens.keys_age)
        gauge("aduana_ledger_dropped", "Calls let through unrecorded", lambda: ledger.dropped)


# What a process does not need it does not import: each of these is megabytes.


def _entra_tokens(settings: Settings) -> "EntraTokens | None":
    """Callers with access tokens, where a tenant is configured."""
    if settings.entra_tenant_id is None:
        return None
    from proxy.entra.tokens import EntraTokens

    return EntraTokens(settings)


def _rehashing(database: Database, peppers: Peppers) -> "Rehashing | None":
    """Moves keys from an older pepper to the newest, where there are several."""
    if len(list(peppers)) < 2:
        return None
    from proxy.rehashing import Rehashing

    return Rehashing(database, peppers)


def _sole_proxy(settings: Settings, database: Database) -> "SoleProxy | None":
    """Without Redis one process counts the limits, and so one process serves, unless it is declared otherwise."""
    if settings.redis_url is not None or settings.memory_mode_per_replica:
        return None
    from core.store.sole import SoleProxy

    return SoleProxy(database)


def _objects(ledger: LedgerLog, database: Database) -> Objects:
    """Claims go where the ledger goes."""
    if isinstance(ledger, RedisLog):
        from proxy.objects.redis import RedisObjects

        return RedisObjects(ledger, database)
    from proxy.ledger.spool import SpoolLog
    from proxy.objects.spool import SpoolObjects

    assert isinstance(ledger, SpoolLog)
    return SpoolObjects(ledger, database)


def _priming(ledger: LedgerLog, database: Database) -> "Priming | None":
    """Without Redis what was spent before is read from Postgres by this process."""
    if isinstance(ledger, RedisLog):
        return None
    from proxy.ledger.spool import SpoolLog
    from proxy.limits.priming import Priming

    assert isinstance(ledger, SpoolLog)
    return Priming(database, ledger)


async def _open_sharing(
    board: Board, settings: Settings, resolver: CachingResolver, identities: Identities
) -> "Sharing | None":
    """Without Redis each process knows of targets what it sees itself."""
    if settings.redis_url is None:
        return None
    from proxy.targets.opening import opener
    from proxy.targets.sharing import Sharing

    address = parse_redis_url(await resolve_setting(settings.redis_url, resolver))
    login = _redis_login(address, settings, identities)
    tls = _redis_tls(address, settings)
    return Sharing(board, opener(address, login, settings.redis_timeout, tls), login, settings.redis_timeout)


async def _open_ledger(settings: Settings, resolver: CachingResolver, identities: Identities) -> LedgerLog:
    if settings.redis_url is None:
        from proxy.ledger.spool import SpoolLog  # here: only memory mode needs it

        return SpoolLog(settings.state_dir / "spool", settings)
    redis_url = await resolve_setting(settings.redis_url, resolver)
    address = parse_redis_url(redis_url)
    tls = _redis_tls(address, settings)
    return RedisLog(redis_url, settings, tls=tls, login=_redis_login(address, settings, identities))


def _redis_tls(address: RedisAddress, settings: Settings) -> ssl.SSLContext | None:
    return client_context(settings.ca_bundle) if address.tls else None


def _redis_login(address: RedisAddress, settings: Settings, identities: Identities) -> Login:
    """By what Redis lets this process in. Raises `ValueError` where a token would go over the wire in the clear."""
    if settings.redis_auth == "password":
        return PasswordLogin(address)
    require_tls(address)
    return EntraLogin(identities.of(), address.username)
