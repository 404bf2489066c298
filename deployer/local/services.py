"""The processes of a local tenant: how each is started, when it is ready, and in which order they stop.

Proxies stop first and drain, then what they hand their calls to: the writer drains the ledger, then come the servers.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import core
from core.supervisor import Child
from deployer.local import probes
from deployer.local.layout import Layout
from deployer.local.postgres import PostgresServer
from deployer.local.valkey import ValkeyServer

POSTGRES, REDIS, SIMULATOR, WRITER, ADMIN, PROXY = range(6)
"""The stages, first to start and last to stop first."""

_CODE = Path(core.__file__).parent.parent


def postgres(layout: Layout, server: PostgresServer) -> Child:
    """SIGINT aborts open transactions and shuts down cleanly; losing its parent, it stops at once and recovers later."""
    identity = server.identity
    return Child(
        "postgres",
        server.command,
        environment=server.environment,
        directory=Path("/"),
        log=layout.logs / "postgres.log",
        port=server.port,
        prepare=server.prepare,
        ready=_on_a_thread(server.is_ready),
        stage=POSTGRES,
        stop_signal=signal.SIGINT,
        grace=30.0,
        death_signal=getattr(signal, "SIGQUIT", signal.SIGTERM),
        user=identity.user,
        group=identity.group,
    )


def redis(layout: Layout, server: ValkeyServer) -> Child:
    return Child(
        "redis",
        server.command,
        environment=server.environment,
        directory=server.directory,
        log=layout.logs / "redis.log",
        port=server.port,
        prepare=server.prepare,
        ready=_on_a_thread(server.is_ready),
        stage=REDIS,
    )


def simulator(layout: Layout, port: int) -> Child:
    return Child(
        "simulator",
        [*_module("tests.simulators.model_provider"), "--host", "127.0.0.1", "--port", str(port)],
        environment=_environment({}, {}),  # none of the user's credentials
        log=layout.logs / "simulator.log",
        port=port,
        ready=lambda _: _accepts(port),
        stage=SIMULATOR,
    )


def writer(layout: Layout, environment: Mapping[str, str], port: int) -> Child:
    """`port`: of its metrics and its health."""
    return Child(
        "writer",
        [*_module("proxy.writer"), "--metrics-port", str(port)],
        environment=_environment(os.environ, environment),
        log=layout.logs / "writer.log",
        port=port,
        ready=lambda _: probes.is_ready(port),
        stage=WRITER,
        grace=30.0,
    )


def admin(layout: Layout, environment: Mapping[str, str], port: int) -> Child:
    return Child(
        "admin",
        [*_module("admin"), "--host", "127.0.0.1", "--port", str(port)],
        environment=_environment(os.environ, environment),
        log=layout.logs / "admin.log",
        port=port,
        ready=lambda _: probes.is_ready(port),
        stage=ADMIN,
    )


def proxies(layout: Layout, environment: Mapping[str, str], port: int, workers: int, drain: float) -> list[Child]:
    """One process a worker, each bound to the one port. `drain`: seconds that streams in flight are given."""
    return [
        Child(
            name := f"proxy-{number}",
            [*_module("proxy"), "--host", "127.0.0.1", "--port", str(port), "--name", name, "--reuse-port"],
            environment=_environment(os.environ, environment),
            log=layout.logs / f"{name}.log",
            port=port,
            ready=partial(_proxy_is_ready, port, workers),
            stage=PROXY,
            grace=drain + 15.0,
        )
        for number in range(workers)
    ]


async def _proxy_is_ready(port: int, workers: int, pid: int) -> bool:
    return await probes.is_ready_among(port, pid, workers)


def _module(name: str) -> list[str]:
    # -P: nothing of the directory where the user happens to stand is imported.
    return [sys.executable, "-P", "-m", name]


def _environment(inherited: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """What a service sees: what `env:` references may name and how to reach upstreams, with the tenant's own settings."""
    ours = ("ADUANA_DEBUG", "ADUANA_DATABASE_URL", "ADUANA_REDIS_URL")  # the CLI's, and what the tenant decides
    kept = {name: value for name, value in (inherited or _bare()).items() if name not in ours}
    path = os.pathsep.join(filter(None, (str(_CODE), kept.get("PYTHONPATH"))))
    return {**kept, **settings, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _bare() -> dict[str, str]:
    names = ("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "SYSTEMROOT", "TIKTOKEN_CACHE_DIR")
    return {name: os.environ[name] for name in names if name in os.environ}


def _on_a_thread(ask: Callable[[], bool]) -> Callable[[int], Awaitable[bool]]:
    async def ready(_: int) -> bool:
        return await asyncio.to_thread(ask)

    return ready


async def _accepts(port: int) -> bool:
    _, connection = await asyncio.open_connection("127.0.0.1", port)
    connection.close()
    return True
