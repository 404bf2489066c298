"""`python -m proxy.writer [--metrics-port N]`: settings from the environment, an orderly end on SIGTERM or SIGINT."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg

from core.redis.clients import open_clients
from core.secrets import SecretError, SecretReferenceError
from core.secrets.resolver import resolve_setting, resolver_of
from core.settings import Settings, SettingsError
from core.store.database import Database
from core.termination import end_when_told
from proxy.writer import Source
from proxy.writer.drain import Writer
from proxy.writer.health import serve_health
from proxy.writer.redis_source import RedisSource
from proxy.writer.spool_source import SpoolSource

_log = logging.getLogger("aduana.writer")

_REPORT = 10.0  # seconds
_REDIS_TIMEOUT = 5.0


async def _resolved(settings: Settings) -> tuple[str, str | None]:
    resolver = resolver_of(settings, os.environ)
    database = await resolve_setting(settings.database_url, resolver)
    redis = None if settings.redis_url is None else await resolve_setting(settings.redis_url, resolver)
    return database, redis


def _report(writer: Writer, stop: threading.Event) -> None:
    before, at = 0, time.monotonic()
    while not stop.wait(_REPORT):
        totals, now = writer.totals, time.monotonic()
        if totals.records:
            _log.info(
                "%d calls written, %.0f/s lately, %.2f s behind; %d orphans, %d corrected, %d put aside, %d missing",
                totals.calls,
                (totals.calls - before) / (now - at),
                totals.lag,
                totals.orphans,
                totals.corrected,
                totals.rejected,
                totals.missing,
            )
        before, at = totals.calls, now


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 an orderly end, 2 wrong usage or settings."""
    end_when_told()
    parser = argparse.ArgumentParser(prog="python -m proxy.writer", description="Bring the ledger into Postgres.")
    parser.add_argument("--metrics-port", type=int, help="serve /metrics, /livez and /readyz there")
    parser.add_argument("--metrics-host", default="127.0.0.1")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        database_url, redis_url = asyncio.run(_resolved(settings))
        database = Database.of(settings, database_url)
        connector = database.connector("aduana-writer", statement_timeout=60.0, lock_timeout=5.0)
    except (SettingsError, SecretError, SecretReferenceError, ValueError) as error:
        print(f"the writer cannot start: {error}", file=sys.stderr)  # noqa: T201 - before there is a log
        return 2
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )

    def connect() -> psycopg.Connection[Any]:
        return connector.connect(autocommit=True)

    def sources(clients: Callable[[], list[UUID]]) -> list[Source]:
        found: list[Source] = [
            SpoolSource(settings.state_dir / "spool")
        ]  # also what was left from a time without Redis
        if redis_url is not None:
            nodes = open_clients(redis_url, settings, timeout=_REDIS_TIMEOUT, name="aduana-writer")
            found.append(RedisSource(nodes, clients))
        return found

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    writer = Writer(connect, sources, settings.lease_seconds, settings.deferred_kept_days)
    if options.metrics_port is not None:
        serve_health(writer.totals, options.metrics_host, options.metrics_port)
    threading.Thread(target=_report, args=(writer, stop), daemon=True, name="report").start()
    _log.info("the writer drains %s", "Redis" if redis_url else "the spool")
    writer.run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
