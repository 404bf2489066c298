"""A tenant that the proxy's tests share in one test process, and tenants of a test's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from deployer.local.valkey import ValkeyServer
from tests.conftest import open_database
from tests.proxy.stack import Stack
from tests.simulators.fixtures import Simulator


@pytest.fixture(scope="session")
def tenant(postgres: str, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One proxy and its writer, in front of the simulator's dated Azure surface. Do not kill or reconfigure it."""
    valkey = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    with open_database(postgres) as url:
        stack = Stack(tmp_path_factory.mktemp("tenant"), url, valkey.url, body_timeout="1", header_timeout="1")
        try:
            stack.seed_simulator(simulator.url)
            stack.start_proxy()
            stack.start_writer()
            yield stack
        finally:
            stack.close()
            valkey.kill()


@pytest.fixture(autouse=True)
def well(request: pytest.FixtureRequest) -> None:
    """Before a test of the shared tenant: what earlier tests' faults did to its targets' circuits is over."""
    if "tenant" in request.fixturenames:
        request.getfixturevalue("tenant").heal()


@pytest.fixture
def new_stack(
    database_url: str, tmp_path: Path, start_valkey: Callable[..., ValkeyServer]
) -> Iterator[Callable[..., Stack]]:
    """Makes tenants of this test's own, on its own database and Valkey; nothing is seeded or started."""
    made: list[Stack] = []

    def make(*, redis: bool = True, **settings: str) -> Stack:
        url = start_valkey().url if redis else None
        stack = Stack(tmp_path / f"stack-{len(made)}", database_url, url, **settings)
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.close()


@pytest.fixture
def client(tenant: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{tenant.url}/v1", api_key=tenant.key, max_retries=0) as client:
        yield client


@pytest.fixture
def azure(tenant: Stack) -> Iterator[openai.AzureOpenAI]:
    with openai.AzureOpenAI(
        azure_endpoint=tenant.url, api_key=tenant.key, api_version="2024-10-21", max_retries=0
    ) as client:
        yield client
