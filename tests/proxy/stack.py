"""A tenant of real processes for tests: Postgres, Valkey, the simulator, a seed, the writer and any number of proxies.

`deployer.local` runs the same for people; here every part can be started, killed and asked on its own.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from core.keys import Peppers, generate
from core.secrets.resolver import open_resolver
from core.seed.apply import apply_seed
from core.seed.file import parse_seed
from deployer.local.ports import free_port

MODELS = ("gpt-4o", "gpt-4o-mini", "o3-mini", "gpt-3.5-turbo-instruct", "text-embedding-3-small")

DEADLINE = 30.0


def eventually(what: str, condition: Callable[[], Any], within: float = DEADLINE) -> Any:
    """The condition's value as soon as it is true; an assertion that names `what` when it is not in time."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.02)


class Stack:
    """One tenant. Use `seed` before `start_proxy`, or after: a snapshot follows."""

    def __init__(self, directory: Path, database_url: str, redis_url: str | None, **settings: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.database_url = database_url
        self._pepper = secrets.token_urlsafe(32)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ADUANA_")},
            "ADUANA_DATABASE_URL": database_url,
            "ADUANA_PEPPERS": "1=env:TEST_PEPPER",
            "TEST_PEPPER": self._pepper,
            "ADUANA_STATE_DIR": str(directory),
            **({"ADUANA_REDIS_URL": redis_url} if redis_url is not None else {}),
            **{f"ADUANA_{name.upper()}": value for name, value in settings.items()},
        }
        self.key = generate().text  # of contoso/research/chatbot/prod
        self.port = free_port()
        self.proxies: dict[str, subprocess.Popen[bytes]] = {}
        self.writer: subprocess.Popen[bytes] | None = None

    # ── Configuration ───────────────────────────────────────────────────────────────────────────────────────────────

    def seed(self, text: str, **environment: str) -> None:
        """Apply a seed file's text; what it names by `env:` is found among `environment` and the stack's own."""

        async def apply() -> None:
            known = {**self.environment, "KEY": self.key, **environment}
            resolver = open_resolver(known, ttl=60.0)
            async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
                await apply_seed(
                    connection,
                    parse_seed(text.encode()),
                    actor="test",
                    peppers=Peppers({1: self._pepper.encode()}),
                    resolver=resolver,
                )

        asyncio.run(apply())
        self.environment.update(environment)

    def seed_simulator(self, simulator_url: str, *, provider: str = "azure_openai", **policy: Any) -> None:
        """The usual tenant: every model on one upstream, one key."""
        self.seed(seed_text(simulator_url, provider=provider, policy=policy))

    def execute(self, sql: str, *parameters: Any) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(sql, parameters)

    # ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def start_proxy(
        self, name: str = "proxy-0", *arguments: str, port: int | None = None, ready: bool = True, **environment: str
    ) -> int:
        """Start a proxy process and wait until it can serve; its port."""
        port = port or self.port
        command = [
            sys.executable,
            "-m",
            "proxy",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--name",
            name,
            *arguments,
        ]
        log = (self.directory / f"{name}.log").open("ab")
        self.proxies[name] = subprocess.Popen(
            command, env={**self.environment, **environment}, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        if ready:
            eventually(f"{name} is ready: {self.log(name)}", lambda: self._ready(name, port))
        return port

    def start_writer(self) -> None:
        log = (self.directory / "writer.log").open("ab")
        self.writer = subprocess.Popen(
            [sys.executable, "-m", "proxy.writer"], env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def stop(self, name: str = "proxy-0", number: int = signal.SIGTERM, within: float = DEADLINE) -> int:
        """Signal a process and wait for its end; its exit code."""
        process = self.proxies.pop(name)
        process.send_signal(number)
        return process.wait(within)

    def kill_writer(self) -> None:
        if self.writer is not None:
            self.writer.kill()
            self.writer.wait()
            self.writer = None

    def close(self) -> None:
        """End whatever runs."""
        self.kill_writer()
        for process in self.proxies.values():
            process.kill()
            process.wait()
        self.proxies.clear()

    def log(self, name: str) -> str:
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def _ready(self, name: str, port: int) -> bool:
        assert self.proxies[name].poll() is None, f"{name} ended: {self.log(name)}"
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=60).status_code == 200
        except httpx.HTTPError:
            return False

    # ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def http(self, **options: Any) -> httpx.Client:
        """A plain HTTP client with the stack's key."""
        headers = {"authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30, **options)

    def rows(self, sql: str = "SELECT * FROM usage_events ORDER BY id", *parameters: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(sql, parameters).fetchall()

    def row(self, request_id: str) -> dict[str, Any]:
        """The ledger's row of a call, as soon as the writer has written it."""
        found = eventually(
            f"a ledger row for {request_id}",
            lambda: self.rows("SELECT * FROM usage_events WHERE request_id = %s", request_id),
        )
        assert len(found) == 1, found
        return found[0]

    def states(self, port: int | None = None) -> dict[tuple[str, str], str]:
        """How a proxy sees its targets, by upstream and deployment."""
        text = httpx.get(f"http://127.0.0.1:{port or self.port}/metrics", trust_env=False, timeout=30).text
        found = re.findall(
            r'^aduana_target_state\{deployment="([^"]*)",state="(\w+)",upstream="([^"]*)"\} 1\.0$', text, re.MULTILINE
        )
        return {(upstream, deployment): state for deployment, state, upstream in found}

    def heal(self) -> None:
        """Until every target can be called again: a circuit closes on a call that works."""

        def closed() -> bool:
            ill = [deployment for (_, deployment), state in self.states().items() if state != "closed"]
            with self.http() as http:
                for model in ill:
                    if "embedding" in model:
                        http.post("/v1/embeddings", json={"model": model, "input": "well?"})
                    elif "instruct" in model:
                        http.post("/v1/completions", json={"model": model, "prompt": "echo well"})
                    else:
                        messages = [{"role": "user", "content": "echo well"}]
                        http.post("/v1/chat/completions", json={"model": model, "messages": messages})
            return not ill

        eventually("all targets are well", closed)

    def attempts(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM usage_attempts WHERE event_id = %s ORDER BY attempt", event["id"])


def seed_text(simulator_url: str, *, provider: str = "azure_openai", policy: Mapping[str, Any] | None = None) -> str:
    """The seed file of the usual tenant; `provider: azure_openai_v1` is Azure's undated surface."""
    upstream: dict[str, Any] = {"name": "sim", "endpoint": simulator_url, "auth": {"none": True}}
    upstream["provider"] = provider.removesuffix("_v1")
    if provider == "azure_openai":
        upstream["api_version"] = "2024-10-21"
    prices = [
        {
            "model": "gpt-4o",
            "input_per_million": "2.50",
            "cached_input_per_million": "1.25",
            "output_per_million": "10.00",
        },
        {
            "model": "gpt-4o-mini",
            "input_per_million": "0.15",
            "cached_input_per_million": "0.075",
            "output_per_million": "0.60",
        },
        {"model": "o3-mini", "input_per_million": "1.10", "output_per_million": "4.40"},
        {"model": "gpt-3.5-turbo-instruct", "input_per_million": "1.50", "output_per_million": "2.00"},
        {"model": "text-embedding-3-small", "input_per_million": "0.02", "output_per_million": "0"},
    ]
    document = {
        "upstreams": [upstream],
        "routes": [{"model": model, "targets": [{"upstream": "sim", "deployment": model}]} for model in MODELS],
        "policies": [{"name": "standard", **(policy or {})}],
        "clients": [
            {
                "name": "contoso",
                "policy": "standard",
                "teams": [
                    {
                        "name": "research",
                        "apps": [{"name": "chatbot", "keys": [{"name": "prod", "secret_ref": "env:KEY"}]}],
                    }
                ],
            }
        ],
        "prices": [
            {"provider": provider.removesuffix("_v1"), "effective_from": "2024-01-01", **price} for price in prices
        ],
    }
    return json.dumps(document)
