"""The gateway as it is run: one proxy process with keys, snapshot and ledger on real Postgres and Redis, and its writer.

The proxy has the subject's core; Postgres, Redis and the writer share the other one, and Postgres and the writer stand
back there for what a call waits for.
"""

import asyncio
import os
import secrets
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psycopg

from bench import machine
from bench.processes import answers, spawn, stop, wait_until
from bench.subjects import BenchError, Site
from bench.traffic import COMPLETION_TOKENS, MODEL, PROMPT_TOKENS
from core import keys
from core.keys import Peppers
from core.secrets.resolver import open_resolver
from core.seed.apply import apply_seed
from core.seed.file import parse_seed
from core.store import Database
from core.store.migrate import migrate
from deployer.local.errors import LocalTenantError
from deployer.local.ports import free_port
from deployer.local.postgres import PostgresServer
from deployer.local.valkey import ValkeyServer

NAME = "aduana"
UNLIMITED = "aduana-unlimited"
_NICE = 5

_SEED = """\
upstreams:
  - name: fake
    provider: azure_openai
    endpoint: http://127.0.0.1:{port}
    api_version: "2024-10-21"
    auth: {{secret_ref: "env:BENCH_UPSTREAM_KEY"}}
routes:
  - model: {model}
    targets:
      - {{upstream: fake, deployment: {model}, priority: 0}}
{policies}clients:
  - name: bench
{policy}    teams:
      - name: bench
        apps:
          - name: bench
            keys:
              - {{name: bench, secret_ref: "env:BENCH_KEY"}}
{budgets}prices:
  - {{provider: azure_openai, model: {model}, input_per_million: "2.50", cached_input_per_million: "1.25",
     output_per_million: "10.00", effective_from: 2024-10-01}}
"""

_POLICIES = """\
policies:
  - name: bench  # every kind of limit is checked, and none is reached
    requests_per_minute: 100000000
    tokens_per_minute: 1000000000000
    tokens_per_day: 1000000000000
    max_concurrent_requests: 1000000
"""
_POLICY = "    policy: bench\n"
_BUDGETS = """\
budgets:
  - {scope: "app:bench/bench/bench", period: month, amount_usd: "1000000", on_exceeded: block}
"""


class UsageEvents:
    """The ledger in Postgres."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    def total(self) -> int:
        return self._count("true")

    def right(self) -> int:
        return self._count(
            "status = 200 AND usage_source = 'reported' AND NOT cancelled AND NOT unpriced AND cost_usd > 0 "
            f"AND input_tokens = {PROMPT_TOKENS} AND output_tokens = {COMPLETION_TOKENS}"
        )

    def _count(self, condition: str) -> int:
        with psycopg.connect(self._database_url) as connection:
            row = connection.execute(f"SELECT count(*) FROM usage_events WHERE {condition}").fetchone()
            assert row is not None
            return int(row[0])


class Aduana:
    """`python -m proxy` and everything that it needs, with limits and a budget on."""

    name = NAME
    limited = True

    def __init__(self) -> None:
        self.port = self.stream_port = 0
        self.key = keys.generate().text
        self.version = version("aduana")
        self.ledger: UsageEvents | None = None
        self._postgres: PostgresServer | None = None
        self._valkey: ValkeyServer | None = None
        self._proxy: subprocess.Popen[bytes] | None = None
        self._writer: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> list[int]:
        return [self._proxy.pid] if self._proxy is not None else []

    @property
    def backing_pids(self) -> list[int]:
        return [held.pid for held in (self._postgres, self._valkey, self._writer) if held is not None]

    def start(self, site: Site) -> None:
        directory = site.directory / self.name
        directory.mkdir(mode=0o711)
        environment = self._prepare(site, directory)
        # Two connections and a listener: the writer is first, so that the proxy's first calls find it.
        log = directory / "writer.log"
        command = [sys.executable, "-m", "proxy.writer"]
        self._writer = spawn(command, core=site.cores.backing, log=log, environment=environment, nice=_NICE)
        self.port = self.stream_port = free_port()
        log = directory / "proxy.log"
        command = [sys.executable, "-m", "proxy", "--host", "127.0.0.1", "--port", str(self.port), "--name", "proxy-0"]
        self._proxy = spawn(command, core=site.cores.subject, log=log, environment=environment)
        wait_until(lambda: answers(f"http://127.0.0.1:{self.port}/readyz"), self._proxy, log, "the proxy")
        if self._writer.poll() is not None:
            wait_until(lambda: False, self._writer, directory / "writer.log", "the ledger's writer")

    def stop(self) -> None:
        for process in (self._proxy, self._writer):
            if process is not None:
                stop(process)
        if self._valkey is not None:
            self._valkey.stop()
        if self._postgres is not None:
            self._postgres.stop()

    def _prepare(self, site: Site, directory: Path) -> dict[str, str]:
        """Postgres, Valkey, the schema and the seed; gives back the services' environment."""
        state = directory / "state"
        state.mkdir(mode=0o700)
        try:
            self._postgres = PostgresServer(directory / "postgres")
            self._postgres.start()
            self._valkey = ValkeyServer(directory / "valkey")
            self._valkey.start()
        except LocalTenantError as error:
            raise BenchError(f"{error}") from error
        machine.pin(self._postgres.pid, site.cores.backing)
        machine.pin(self._valkey.pid, site.cores.backing)
        machine.renice(self._postgres.pid, _NICE)
        database_url = self._postgres.url()
        self.ledger = UsageEvents(database_url)
        migrate(Database(database_url))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ADUANA_")},
            "ADUANA_DATABASE_URL": database_url,
            "ADUANA_REDIS_URL": self._valkey.url,
            "ADUANA_PEPPERS": "1=env:BENCH_PEPPER",
            "ADUANA_STATE_DIR": str(state),
            "ADUANA_LOG_LEVEL": "warning",
            "BENCH_PEPPER": secrets.token_urlsafe(32),
            "BENCH_KEY": self.key,
            "BENCH_UPSTREAM_KEY": secrets.token_urlsafe(32),
        }
        asyncio.run(_seed(database_url, environment, site.upstream_port, limited=self.limited))
        return environment


class UnlimitedAduana(Aduana):
    """The same with no limit and no budget: keys, snapshot and ledger alone."""

    name = UNLIMITED
    limited = False


async def _seed(database_url: str, environment: dict[str, str], upstream_port: int, *, limited: bool) -> None:
    resolver = open_resolver(environment, ttl=60.0)
    peppers = await Peppers.load({1: "env:BENCH_PEPPER"}, resolver)
    text = _SEED.format(
        port=upstream_port,
        model=MODEL,
        policies=_POLICIES if limited else "",
        policy=_POLICY if limited else "",
        budgets=_BUDGETS if limited else "",
    )
    seed = parse_seed(text.encode(), "the bench's seed")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await apply_seed(connection, seed, resolver, peppers, actor="bench")
