"""What tests of every room stand on: a real Postgres, real Valkeys, ports that are free."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from _pytest.nodeid import coerce_node_id

from deployer.local import ports
from deployer.local.postgres import FAST_AND_UNSAFE, PostgresServer
from deployer.local.valkey import ValkeyServer
from tests.shared_postgres import TEMPLATE, shared_postgres
from tests.simulators.azurerm.fixtures import (  # noqa: F401
    azure_cloud,
    azurerm_provider,
    installed_terraform,
    terraform,
    terraform_binary,
    terraform_in,
)
from tests.simulators.fixtures import (  # noqa: F401
    azure_tenant,
    entra_postgres,
    entra_tenant,
    fresh_simulator,
    key_vault,
    managed_identity,
    shared_azure_tenant,
    shared_entra_postgres,
    simulator,
    start_simulator,
)
from tests.valkey_cluster import ValkeyCluster


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let --dist loadgroup group: pytest-xdist 3.8 writes an item's group where pytest 9.2 does not look any more."""
    for item in items:
        if (grouped := getattr(item, "_nodeid", None)) is not None and grouped != item.nodeid:
            item._id = coerce_node_id(grouped)


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all processes of this run of pytest share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres(run_directory: Path) -> Iterator[str]:
    """The superuser's URL of the run's shared server. Do not stop it: `start_postgres` gives one that may be killed."""
    with shared_postgres(run_directory) as url:
        yield url


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """A database of this test's own, with the newest schema and nothing in it."""
    with open_database(postgres, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres: str) -> Iterator[str]:
    """A database of this test's own, without a schema."""
    with open_database(postgres, "template1") as url:
        yield url


class open_database:
    """A database of a fixture's own on the shared server: its URL, and dropped behind it."""

    def __init__(self, server: str, template: str = TEMPLATE) -> None:
        self.server, self.template = server, template
        self.name = f"test_{secrets.token_hex(6)}"

    def __enter__(self) -> str:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.name} TEMPLATE {self.template} STRATEGY FILE_COPY")
        return self.server.rsplit("/", 1)[0] + "/" + self.name

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


@pytest.fixture
def start_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., PostgresServer]]:
    """Starts a server of this test's own: `kill()` it, `start()` it again. `url()` is its (empty) database."""
    started: list[PostgresServer] = []

    def start(directory: Path | None = None, **options) -> PostgresServer:
        server = PostgresServer(
            directory or tmp_path_factory.mktemp("postgres"),
            settings=FAST_AND_UNSAFE | options.pop("settings", {}),
            **options,
        )
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def start_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ValkeyServer]]:
    """Starts a server of this test's own: `kill()` it, `start()` it again (it has forgotten everything)."""
    started: list[ValkeyServer] = []

    def start(directory: Path | None = None, **options) -> ValkeyServer:
        server = ValkeyServer(directory or tmp_path_factory.mktemp("valkey"), **options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def valkey(start_valkey: Callable[..., ValkeyServer]) -> ValkeyServer:
    """A Valkey of this test's own: `valkey.url`, `valkey.kill()`, `valkey.start()`."""
    return start_valkey()


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """The URL of a Valkey of this test's own."""
    return valkey.url


@pytest.fixture
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ValkeyCluster]]:
    """Starts a cluster of three Valkeys of this test's own."""
    started: list[ValkeyCluster] = []

    def start(**options) -> ValkeyCluster:
        cluster = ValkeyCluster(tmp_path_factory.mktemp("cluster"), **options)
        started.append(cluster)
        cluster.start()
        return cluster

    yield start
    for cluster in started:
        cluster.kill()


@pytest.fixture
def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    return ports.free_port()
