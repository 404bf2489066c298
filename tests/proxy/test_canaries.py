"""No secret is ever written: a tenant full of canaries is run through success, errors, kills and restarts, with all it has to
say logged, and then everything that was written is searched for them.
"""

import asyncio
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from core.keys import generate
from core.secrets.database import MasterKeys, store_secret
from core.secrets.resolver import open_resolver
from deployer.local.ports import free_port
from deployer.local.valkey import ValkeyServer
from tests.proxy.canaries import Canaries, EchoingProvider, canary, forms, of_files, of_postgres, of_redis
from tests.proxy.stack import Stack, eventually, seed_text
from tests.simulators.azure.key_vault import KeyVault
from tests.simulators.fixtures import Simulator

MESSAGES = [{"role": "user", "content": "write 20 tokens"}]
ERRORS = (
    "status-400",
    "status-401",
    "status-403",
    "status-404",
    "status-429",
    "status-500",
    "reset-now",
    "stream-error",
)
WAYS = ("by-vault", "by-identity", "by-database")


@pytest.fixture
def provider() -> Iterator[EchoingProvider]:
    running = EchoingProvider()
    yield running
    running.close()


@pytest.mark.parametrize("form", list(forms(b"canary/one+=")))
def test_a_canary_is_found_in_every_form(form: bytes):
    canaries = Canaries()
    canaries.plant("one", b"canary/one+=")
    assert canaries.found(b"before " + form + b" behind") == {"one"}
    assert canaries.found(b"nothing of it") == set()


def test_a_canary_is_found_within_a_longer_text_that_is_base64():
    canaries = Canaries()
    canaries.plant("one", "canary/one+=")
    for before in ("", "a", "ab", "abc"):
        assert canaries.found(base64.b64encode(f"{before}canary/one+= and more".encode())) == {"one"}


class Planted:
    """A tenant whose every secret is a canary, and all that its callers saw."""

    def __init__(
        self, stack: Stack, canaries: Canaries, simulator: Simulator, provider: EchoingProvider, key_vault: KeyVault
    ) -> None:
        self.stack, self.canaries, self.provider, self.key_vault = stack, canaries, provider, key_vault
        self.seen: list[tuple[str, bytes]] = []
        self._plant()
        asyncio.run(self._seal())
        self._seed(simulator)

    def _plant(self) -> None:
        """Pepper, master key and one provider's key in the vault; a caller's key, and a sealed provider's key."""
        master = secrets.token_bytes(32)
        values = {
            "pepper": canary("pepper") + "x" * 8,
            "master": base64.b64encode(master).decode(),
            "aoai": canary("aoai"),
        }
        for name, value in values.items():
            self.key_vault.put("contoso-kv", name, value)
            self.canaries.plant(f"{name} of the vault", value)
        self.canaries.plant("master key's bytes", master)
        self.sealed = canary("sealed")
        self.canaries.plant("sealed secret", self.sealed)
        self.canaries.plant("identity endpoint's header", self.key_vault.identity.secret)
        self.stack._pepper = values["pepper"]
        self.master = values["master"]
        self.stack.environment |= {
            "TEST_PEPPER": values["pepper"],
            "ADUANA_PEPPERS": "1=kv://contoso-kv/pepper",
            "ADUANA_MASTER_KEYS": "1=kv://contoso-kv/master",
            **self.key_vault.environment,
        }
        self.plant_key("proxy key", self.stack.key)
        self.unknown = generate().text
        self.plant_key("unknown key", self.unknown)

    def plant_key(self, name: str, text: str) -> None:
        self.canaries.plant(name, text)
        self.canaries.plant(f"{name}'s secret", text.split("_", 2)[2])

    async def _seal(self) -> None:
        keys = MasterKeys({1: "env:MASTER"}, open_resolver({"MASTER": self.master}, ttl=60))
        async with await psycopg.AsyncConnection.connect(self.stack.database_url) as connection:
            await store_secret(connection, await keys.seal("echo", self.sealed))

    def _seed(self, simulator: Simulator) -> None:
        document = json.loads(seed_text(simulator.url, policy={"unpriced_models": "allow"}))
        auths = {
            "by-vault": {"secret_ref": "kv://contoso-kv/aoai"},
            "by-identity": {"managed_identity": True},
            "by-database": {"secret_ref": "db://echo"},
        }
        for way, auth in auths.items():
            document["upstreams"].append(
                {"name": way, "provider": "openai_compatible", "endpoint": self.provider.url, "auth": auth}
            )
            for error in ERRORS:
                target = {"upstream": way, "deployment": error}
                document["routes"].append({"model": f"{way}-{error}", "targets": [target]})
        document["upstreams"][0]["auth"] = auths["by-vault"]
        self.stack.seed(json.dumps(document))

    def ask(self, model: str, *, key: str | None = None, stream: bool = False) -> None:
        """One call; what its caller sees is kept."""
        headers = {"authorization": f"Bearer {key or self.stack.key}", "x-trace": "kept"}
        body = {"model": model, "messages": MESSAGES, "stream": stream}
        with httpx.Client(trust_env=False, timeout=60) as http:
            try:
                answer = http.post(f"{self.stack.url}/v1/chat/completions", json=body, headers=headers)
            except httpx.HTTPError as error:
                self.seen.append((f"what the caller of {model} saw", repr(error).encode()))
                return
        self.seen.append((f"what the caller of {model} saw ({answer.status_code})", answer.content))
        self.seen.append((f"the head that the caller of {model} saw", str(answer.headers.raw).encode()))

    def ask_everything(self) -> None:
        for stream in (False, True):
            self.ask("gpt-4o", stream=stream)
            self.ask("gpt-4o", key=self.unknown, stream=stream)
            self.ask("gpt-4o", key=self.stack.key[:-1] + ("A" if self.stack.key[-1] != "A" else "B"))
            self.ask(self.stack.key, stream=stream)  # a key in the model's place: answered with what was asked for
            for way in WAYS:
                for error in ERRORS:
                    self.ask(f"{way}-{error}", stream=stream)
        with httpx.Client(trust_env=False, timeout=60) as http:
            for path in ("/metrics", "/readyz", "/v1/models"):
                self.seen.append((path, http.get(f"{self.stack.url}{path}").content))


def told(stack: Stack, *arguments: str) -> bytes:
    """All that the program says."""
    command = [sys.executable, "-c", "from deployer.cli import main; main()", *arguments]
    done = subprocess.run(command, env={**stack.environment, "ADUANA_DEBUG": "1"}, capture_output=True, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("with_redis", [True, False])
def test_no_secret_is_ever_written(
    database_url: str,
    tmp_path: Path,
    fresh_simulator: Simulator,
    key_vault: KeyVault,
    provider: EchoingProvider,
    with_redis: bool,
):
    canaries = Canaries()
    role, password = f"canary_{os.urandom(4).hex()}", secrets.token_hex(20)
    canaries.plant("Postgres password", password)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{password}'")
    own_url = f"postgresql://{role}:{password}@{database_url.split('@', 1)[1]}"
    valkey = ValkeyServer(tmp_path / "valkey", password=secrets.token_hex(20))
    canaries.plant("Redis password", valkey.password)
    if with_redis:
        valkey.start()
    written = tmp_path / "written"
    settings = {"log_level": "debug", "secret_ttl": "1", "lease_seconds": "2"}
    stack = Stack(written, own_url, valkey.url if with_redis else None, **settings)
    try:
        planted = Planted(stack, canaries, fresh_simulator, provider, key_vault)
        stack.start_proxy()
        stack.start_writer()
        planted.ask_everything()
        # The platform in trouble, and a proxy that dies in a stream and starts again.
        key_vault.away = key_vault.identity.away = True
        planted.ask_everything()
        stack.stop(number=signal.SIGKILL)
        stack.kill_writer()
        key_vault.away = key_vault.identity.away = False
        stack.start_proxy()
        stack.start_writer()
        planted.ask_everything()
        # Starts that fail.
        dead = f"postgresql://{role}:{password}@127.0.0.1:{free_port()}/nowhere"
        stack.start_proxy("dead", port=free_port(), ready=False, ADUANA_DATABASE_URL=dead, ADUANA_REDIS_URL=valkey.url)
        stack.start_proxy("bad", port=free_port(), ready=False, ADUANA_DATABASE_URL=f"{password}://nonsense")
        eventually("it says that Postgres is away", lambda: "Postgres" in stack.log("dead"))
        eventually("the other has ended", lambda: stack.proxies["bad"].poll() is not None)
        for arguments in (["secrets", "list"], ["audit", "list", "--json"], ["keys", "list"], ["secrets", "rotate"]):
            planted.seen.append((f"aduana {' '.join(arguments)}", told(stack, *arguments)))
        eventually("the calls are in the ledger", lambda: len(stack.rows("SELECT 1 FROM usage_events")) > 100)

        for token in key_vault.identity.tokens:
            canaries.plant("an Entra token", token)
        assert len(set(provider.seen)) >= 3, "the providers did get them"
        places = [*planted.seen, *of_files(written), *of_postgres(database_url)]
        places += of_redis(valkey.url) if with_redis else []
        assert {name.split(" ")[0] for name, _ in places} >= {"Postgres", "proxy-0.log", "writer.log", "snapshot"}
        if not with_redis:
            assert any(name.startswith("spool/") for name, _ in places)
        leaks = {(place, name) for place, data in places for name in canaries.found(data)}
        # A model's name is the caller's own text, answered and written down as it was asked for.
        own = {(place, name) for place, name in leaks if name.startswith("proxy key") and stack.key in place}
        assert sorted(leaks - own) == []
    finally:
        stack.close()
        valkey.kill()
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
