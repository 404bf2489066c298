"""Running simulators for tests: real processes on free ports, with a handle to ask what they saw and to make them fail.

`tests/conftest.py` imports the fixtures; a test takes `simulator` and talks HTTP to `simulator.url`.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployer.local.postgres import FAST_AND_UNSAFE, PostgresServer
from tests.simulators.azure.entra import EntraTenant
from tests.simulators.azure.entra_postgres import EntraPostgres
from tests.simulators.azure.key_vault import KeyVault
from tests.simulators.azure.managed_identity import ManagedIdentity
from tests.simulators.azure.tenant import AzureTenant

_STOP_WITHIN = 10.0


class Simulator:
    """A model provider's simulator in a process of its own."""

    def __init__(self, *arguments: str, verify: Any = True) -> None:
        command = [sys.executable, "-m", "tests.simulators.model_provider", "--port", "0", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if not said.startswith("listening on "):
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the simulator did not start; it said {said!r}")
        self.url = said.removeprefix("listening on ")
        """Scheme, host and port; OpenAI's surface is `{url}/v1`, Azure's endpoint is `{url}`."""
        self.pid = self._process.pid
        self._http = httpx.Client(base_url=self.url, trust_env=False, timeout=30, verify=verify)

    def requests(self, *, finished: int | None = None, within: float = 10.0) -> list[dict[str, Any]]:
        """The requests seen, oldest first, each as the simulator tells it (`bill.SeenRequest`).

        With `finished`, waits until so many of them are answered or given up.

        Raises:
            AssertionError: they were not, within so many seconds.
        """
        deadline = time.monotonic() + within
        while True:
            seen: list[dict[str, Any]] = self._asked("GET", "/_simulator/requests").json()["requests"]
            if finished is None or sum(request["done"] for request in seen) >= finished:
                return seen
            assert time.monotonic() < deadline, f"not {finished} requests within {within} s, but: {seen}"
            time.sleep(0.01)

    def usage(self) -> dict[str, dict[str, int]]:
        """What the provider would bill, by model (`bill.Total`)."""
        models: dict[str, dict[str, int]] = self._asked("GET", "/_simulator/usage").json()["models"]
        return models

    def faults(self, *rules: dict[str, Any], seed: int = 0) -> None:
        """Replace the rules: `faults({"path": "*/embeddings", "first": 2, "faults": {"status": 429}})`. None: no faults."""
        self._asked("PUT", "/_simulator/faults", json={"seed": seed, "rules": list(rules)})

    def accept_tokens(self, *tokens: str) -> None:
        """Accept these access tokens on Azure's surfaces, beside the keys, and no others."""
        self._asked("PUT", "/_simulator/bearer_tokens", json=list(tokens))

    def provisioned(self, **deployments: dict[str, Any]) -> None:
        """Give deployments a capacity: `provisioned(ptu={"utilization": 97.5})`. None: no deployment has one."""
        self._asked("PUT", "/_simulator/provisioned", json=deployments)

    @property
    def marker(self) -> str:
        """What the ids of its objects begin with, behind their prefix."""
        marker: str = self._asked("GET", "/_simulator/health").json()["simulator"]
        return marker

    def clear(self) -> None:
        """Forget requests, bill and faults, access tokens and capacities; not the objects."""
        for what in ("requests", "usage", "faults"):
            self._asked("DELETE", f"/_simulator/{what}")
        self._asked("PUT", "/_simulator/bearer_tokens", content=b"null")
        self.provisioned()

    def stop(self) -> None:
        """End the process."""
        self._http.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _asked(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        answer = self._http.request(method, path, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """The test process's simulator, open to every key, with every model; what earlier tests did to it is still there."""
    running = Simulator()
    yield running
    running.stop()


@pytest.fixture
def fresh_simulator(simulator: Simulator) -> Iterator[Simulator]:
    """The same, without requests, bill and faults of earlier tests; leaves none behind."""
    simulator.clear()
    yield simulator
    simulator.clear()


@pytest.fixture
def start_simulator() -> Iterator[Callable[..., Simulator]]:
    """Start a simulator of the test's own, with these command-line arguments."""
    started: list[Simulator] = []

    def start(*arguments: str, verify: Any = True) -> Simulator:
        started.append(Simulator(*arguments, verify=verify))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def managed_identity() -> Iterator[ManagedIdentity]:
    """The platform's identity endpoint."""
    running = ManagedIdentity()
    yield running
    running.close()


@pytest.fixture
def key_vault(managed_identity: ManagedIdentity, tmp_path: Path) -> Iterator[KeyVault]:
    """Key Vault, for who has a token of `managed_identity`."""
    running = KeyVault(managed_identity, tmp_path)
    yield running
    running.close()


@pytest.fixture(scope="session")
def shared_entra_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EntraPostgres]:
    """The test process's server of Azure; a test takes `entra_postgres`."""
    server = PostgresServer(tmp_path_factory.mktemp("entra-postgres"), settings=FAST_AND_UNSAFE)
    server.start()
    running = EntraPostgres(server)
    yield running
    running.close()


@pytest.fixture
def entra_postgres(shared_entra_postgres: EntraPostgres, managed_identity: ManagedIdentity) -> Iterator[EntraPostgres]:
    """A flexible server, for who has a token of `managed_identity`, with an empty database `aduana` and no role but ours."""
    shared_entra_postgres.begin(managed_identity)
    yield shared_entra_postgres
    shared_entra_postgres.clear()


@pytest.fixture
def entra_tenant(tmp_path: Path) -> Iterator[EntraTenant]:
    """A tenant of Entra ID with the gateway's registration in it."""
    running = EntraTenant(tmp_path)
    yield running
    running.close()


@pytest.fixture(scope="session")
def shared_azure_tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureTenant]:
    """The test process's tenant of Azure; a test takes `azure_tenant`."""
    running = AzureTenant(tmp_path_factory.mktemp("azure"))
    yield running
    running.close()


@pytest.fixture
def azure_tenant(shared_azure_tenant: AzureTenant) -> AzureTenant:
    """A tenant of Azure with nothing in it, of whose subscription the operator is the owner."""
    shared_azure_tenant.reset()
    return shared_azure_tenant
