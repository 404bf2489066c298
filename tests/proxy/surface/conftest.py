"""The estate that the surface's tests share in one test process."""

from collections.abc import Iterator

import pytest

from deployer.local.valkey import ValkeyServer
from tests.conftest import open_database
from tests.proxy.stack import Stack
from tests.proxy.surface.estate import Estate
from tests.simulators.fixtures import Simulator


@pytest.fixture(scope="session")
def estate(postgres: str, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Do not kill or reconfigure it."""
    valkey = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    second = Simulator()
    with open_database(postgres) as url:
        stack = Stack(tmp_path_factory.mktemp("estate"), url, valkey.url)
        made = Estate(stack, simulator, second)
        try:
            made.start()
            yield made
        finally:
            stack.close()
            second.stop()
            valkey.kill()
