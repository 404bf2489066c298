"""Tenants in which things end later."""

from collections.abc import Callable, Iterator

import pytest

from deployer.local.valkey import ValkeyServer
from tests.conftest import open_database
from tests.proxy.deferred.house import House
from tests.proxy.stack import Stack
from tests.simulators.fixtures import Simulator


@pytest.fixture(scope="session")
def shared(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One of this test process. Do not kill or reconfigure it."""
    valkey, simulator = ValkeyServer(tmp_path_factory.mktemp("valkey")), Simulator()
    valkey.start()
    with open_database(postgres) as url:
        stack = Stack(tmp_path_factory.mktemp("house"), url, valkey.url)
        house = House(stack, simulator)
        try:
            house.start()
            yield house
        finally:
            stack.close()
            simulator.stop()
            valkey.kill()


@pytest.fixture
def house(shared: House) -> House:
    """The shared one with nothing in its ledger."""
    shared.simulator.clear()
    shared.stack.execute("TRUNCATE usage_events, deferred_usage")
    return shared


@pytest.fixture
def new_house(new_stack: Callable[..., Stack], start_simulator: Callable[..., Simulator]) -> Callable[..., House]:
    """Makes tenants of this test's own; nothing is started."""
    return lambda **settings: House(new_stack(**settings), start_simulator())
