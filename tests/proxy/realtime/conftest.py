"""A tenant that holds sessions, shared by these tests in one process."""

from collections.abc import Iterator

import pytest

from deployer.local.valkey import ValkeyServer
from tests.conftest import open_database
from tests.proxy.realtime.sessions import Estate
from tests.proxy.stack import Stack
from tests.simulators.fixtures import Simulator


@pytest.fixture(scope="session")
def held(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Do not kill or reconfigure it."""
    valkey = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    simulator = Simulator()
    with open_database(postgres) as url:
        estate = Estate(Stack(tmp_path_factory.mktemp("realtime"), url, valkey.url), simulator)
        try:
            estate.start()
            yield estate
        finally:
            estate.stack.close()
            simulator.stop()
            valkey.kill()
