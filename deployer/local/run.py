"""Running a local tenant: from nothing to ready, until a signal, back to nothing."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.supervisor import Child, ChildFailed, Supervisor
from deployer.directory_lock import DirectoryLock
from deployer.errors import USAGE, CommandError
from deployer.local import first_seed, ports, seeding, services
from deployer.local.errors import LocalTenantError
from deployer.local.layout import Layout, unusable
from deployer.local.postgres import PostgresServer
from deployer.local.tenant import LocalTenant, describe
from deployer.local.valkey import ValkeyServer
from deployer.whole_files import write_private

if TYPE_CHECKING:
    from core.seed.apply import IssuedKey
    from core.seed.file import SeedFile

_READY_WITHIN = 60.0  # seconds for a service


@dataclass(frozen=True, slots=True)
class Options:
    """What `aduana up` was asked for."""

    data_dir: Path
    proxy_port: int = 8080  # 0: any
    admin_port: int = 8081
    seed: Path | None = None
    workers: int = 1
    redis: bool = True


@dataclass(frozen=True, slots=True)
class Started:
    """A tenant that is ready, and the keys that this start issued: their texts are known now and never again."""

    tenant: LocalTenant
    keys: "tuple[IssuedKey, ...]"
    simulator: bool
    models: tuple[str, ...]  # that the built-in seed serves from the simulator
    real_models: tuple[str, ...]  # and from the providers whose credentials are in the environment


class Report(Protocol):
    """Who is told how it goes."""

    def progress(self, line: str) -> None: ...
    def ready(self, started: Started) -> None: ...


def run(options: Options, report: Report) -> None:
    """Start a tenant, run it until SIGINT or SIGTERM, stop it. Raises `CommandError`, with everything stopped."""
    layout = Layout.at(options.data_dir)
    if options.workers > 1 and not options.redis:
        raise LocalTenantError(
            "workers_need_redis",
            f"--workers {options.workers} and --no-redis exclude each other: without Redis limits are counted in one process",
            "Leave one of the two out",
            USAGE,
        )
    seed = seeding.read(options.seed) if options.seed is not None else None
    layout.create()
    lock = DirectoryLock(layout.lock)
    try:
        if not lock.acquire():
            raise _runs_already(layout, lock)
        try:
            work = _Run(layout, options, seed, report)
            with asyncio.Runner() as runner:
                runner.run(work.until_told())
        finally:
            lock.release()
    except OSError as error:
        raise unusable(layout.root, error) from error


class _Run:
    """One run of a tenant."""

    def __init__(self, layout: Layout, options: Options, seed: "SeedFile | None", report: Report) -> None:
        self._layout = layout
        self._options = options
        self._seed = seed
        self._report = report
        # Read before anything is written: what is damaged is told and left as it is.
        self._previous = layout.read_state()
        self._marker = layout.read_marker()
        self._supervisor = Supervisor(on_change=self._write_state)
        self._phase = "starting"
        self._ports: dict[str, int] = {}
        self._began_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._clock = time.monotonic()

    async def until_told(self) -> None:
        told = asyncio.Event()
        _on_signals(told, self._supervisor)
        start = asyncio.create_task(self._start())
        stop = asyncio.create_task(told.wait())
        try:
            await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                await stop
            self._phase = "stopping"
            self._report.progress("stopping")
        finally:
            start.cancel()
            stop.cancel()
            await asyncio.gather(start, stop, return_exceptions=True)
            await self._supervisor.stop_all()
            self._phase = "stopped"
            if self._supervisor.children:
                self._write_state()

    # ── The start ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _start(self) -> None:
        layout, options = self._layout, self._options
        marker = self._marker
        self._choose_ports({**self._previous.get("ports", {}), **marker.get("ports", {})})
        layout.prepare()
        server = PostgresServer(layout.postgres, port=self._ports["postgres"], password=layout.secret("postgres"))
        created = await asyncio.to_thread(server.initialise)
        if created:
            self._progress("postgres", "created its data directory")
        write_private(layout.secrets / "database-url", server.url("aduana") + "\n")
        await self._launch(services.postgres(layout, server))
        if "redis" in self._ports:
            valkey = ValkeyServer(layout.valkey, port=self._ports["redis"], password=layout.secret("redis"))
            write_private(layout.secrets / "redis-url", valkey.url + "\n")
            await self._launch(services.redis(layout, valkey))
        tenant = describe(layout, self._ports)
        await asyncio.to_thread(_migrate, server, tenant.database_url)

        built_in = marker.get("simulator", False) or (options.seed is None and "seed" not in marker)
        if built_in:
            self._ports["simulator"] = _keep_or_choose(marker.get("ports", {}).get("simulator"))
        issued = await self._apply_seed(tenant, built_in, marker)
        layout.write_marker(
            {
                "seed": str(options.seed.absolute()) if options.seed is not None else marker.get("seed", "built-in"),
                "simulator": built_in,
                "ports": {name: port for name, port in self._ports.items() if name not in ("proxy", "admin")},
            }
        )
        await self._launch_services(tenant, simulator=built_in)
        self._phase = "ready"
        self._write_state()
        real_models = first_seed.real_models(os.environ) if built_in else ()
        self._report.ready(Started(tenant, issued, built_in, first_seed.SIMULATED if built_in else (), real_models))

    def _choose_ports(self, before: Mapping[str, Any]) -> None:
        options = self._options
        chosen = {"proxy": options.proxy_port, "admin": options.admin_port}
        if options.proxy_port == options.admin_port != 0:
            raise LocalTenantError(
                "port_taken",
                f"port {options.proxy_port} cannot be the proxy's and the admin service's",
                "Give another --admin-port",
            )
        for name, port in chosen.items():
            if port and not ports.is_free(port):
                raise LocalTenantError(
                    "port_taken",
                    f"port {port}, which the {name} service would listen on, is taken by another program",
                    f"Stop that program, or choose another port with --{name}-port",
                )
        self._ports = {name: port or ports.free_port() for name, port in chosen.items()}
        self._ports["postgres"] = _keep_or_choose(before.get("postgres"))
        self._ports["writer"] = _keep_or_choose(before.get("writer"))
        if options.redis:
            self._ports["redis"] = _keep_or_choose(before.get("redis"))

    async def _apply_seed(
        self, tenant: LocalTenant, built_in: bool, marker: Mapping[str, Any]
    ) -> "tuple[IssuedKey, ...]":
        issued: tuple[IssuedKey, ...] = ()
        if built_in:
            # Only what changed since (the simulator's port, an upstream that came): what the user changed stays.
            text = first_seed.built_in_seed(self._ports["simulator"], os.environ)
            copy = self._layout.seed
            if not copy.exists() or copy.read_text(encoding="utf-8") != text or "seed" not in marker:
                fresh = copy.with_name("seed.unapplied.yaml")
                write_private(fresh, text)
                issued += await seeding.apply(tenant, _read_built_in(fresh))
                fresh.replace(copy)
                self._progress("seed", "applied the built-in one")
        if self._seed is not None:
            issued += await seeding.apply(tenant, self._seed)
            self._progress("seed", f"applied {self._options.seed}")
        return issued

    async def _launch_services(self, tenant: LocalTenant, *, simulator: bool) -> None:
        layout, environment = self._layout, tenant.environment
        drain = float(os.environ.get("ADUANA_DRAIN_TIMEOUT") or 30.0)
        children = [
            services.writer(layout, environment, self._ports["writer"]),
            services.admin(layout, environment, self._ports["admin"]),
            *([services.simulator(layout, self._ports["simulator"])] if simulator else []),
            *services.proxies(layout, environment, self._ports["proxy"], self._options.workers, drain),
        ]
        await asyncio.gather(*(self._launch(child) for child in children))

    async def _launch(self, child: Child) -> None:
        try:
            await self._supervisor.start(child, timeout=_READY_WITHIN)
        except ChildFailed as failure:
            last = " / ".join(failure.output[-3:])
            raise LocalTenantError(
                f"{child.name.split('-')[0]}_failed",
                f"{failure}: {last}" if last else str(failure),
                f"Read {child.log}; data were not touched" if child.log else "",
            ) from None
        self._progress(child.name, f"ready on port {child.port}" if child.port else "started")

    def _progress(self, name: str, what: str) -> None:
        self._report.progress(f"{time.monotonic() - self._clock:5.1f} s  {name:<10} {what}")

    def _write_state(self) -> None:
        try:
            self._layout.write_state(
                {
                    "phase": self._phase,
                    "supervisor": os.getpid() if self._phase != "stopped" else None,
                    "started_at": self._began_at,
                    "ports": self._ports,
                    "processes": [
                        {
                            "name": child.name,
                            "pid": child.pid,
                            "state": str(child.state),
                            "port": child.port,
                            "restarts": child.restarts,
                        }
                        for child in self._supervisor.children
                    ],
                }
            )
        except OSError as error:  # a full disk must not end what runs
            self._report.progress(f"state.json cannot be written: {error.strerror}")


def _read_built_in(file: Path) -> "SeedFile":
    """Only what the environment brought into it can be wrong."""
    try:
        return seeding.read(file)
    except CommandError as error:
        problems = "; ".join(sorted({str(found.get("problem", found["message"])) for found in error.details}))
        raise LocalTenantError(
            "bad_environment",
            f"the environment names a model provider that cannot be used: {problems or error}",
            "Correct AZURE_OPENAI_ENDPOINT, OPENAI_API_VERSION or OPENAI_BASE_URL, or unset them",
        ) from None


def _migrate(server: PostgresServer, database_url: str) -> None:
    import psycopg
    from psycopg import errors

    from core.store import Database, MigrationError, StoreUnavailable, migrate

    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE aduana")
    except errors.DuplicateDatabase:
        pass
    except psycopg.Error as error:
        raise LocalTenantError(
            "postgres_failed", f"Postgres did not let the database be created: {error}", "Read logs/postgres.log"
        ) from None
    try:
        migrate(Database(database_url))
    except (MigrationError, StoreUnavailable) as error:
        raise LocalTenantError(
            "migration_failed",
            f"the database could not be migrated: {error}",
            "Read logs/postgres.log; nothing was lost",
        ) from error


def _keep_or_choose(port: Any) -> int:
    return port if isinstance(port, int) and 0 < port < 65536 and ports.is_free(port) else ports.free_port()


def _runs_already(layout: Layout, lock: DirectoryLock) -> LocalTenantError:
    where = ""
    with suppress(LocalTenantError, KeyError):
        where = f" and serves on port {layout.read_state()['ports']['proxy']}"
    return LocalTenantError(
        "already_running",
        f"a local tenant runs on {layout.root} already (process {lock.holder or '?'}){where}",
        "Use it (`aduana status`), stop it (`aduana down`), or start another with another --data-dir and other ports",
    )


def _on_signals(told: asyncio.Event, supervisor: Supervisor) -> None:
    """The first signal stops in order; a second one does not wait."""
    loop = asyncio.get_running_loop()
    pending: list[asyncio.Task[None]] = []

    def hear() -> None:
        if told.is_set():
            pending.append(loop.create_task(supervisor.kill_all()))
        told.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(hear))
        else:
            loop.add_signal_handler(number, hear)
