"""Every operation of the simulator, called by the stock SDK on each surface; the SDK holds the answer to its types."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import AzureOpenAI, OpenAI

from tests.simulators.fixtures import Simulator
from tests.simulators.operations import OPERATIONS, Made

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SURFACES: dict[str, Callable[[str], OpenAI]] = {
    "openai": lambda url: OpenAI(base_url=f"{url}/v1", api_key="k", _strict_response_validation=True),
    "azure": lambda url: AzureOpenAI(
        azure_endpoint=url, api_key="k", api_version="2025-04-01-preview", _strict_response_validation=True
    ),
    "azure_v1": lambda url: OpenAI(base_url=f"{url}/openai/v1", api_key="k", _strict_response_validation=True),
}


@pytest.fixture(scope="module", params=sorted(SURFACES))
def caller(request: Any, simulator: Simulator) -> Iterator[tuple[OpenAI, Made]]:
    simulator.clear()
    with SURFACES[request.param](simulator.url).with_options(max_retries=0) as client:
        yield client, Made(client)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_sdk_understands_the_answer(caller: tuple[OpenAI, Made], name: str) -> None:
    assert OPERATIONS[name](*caller) is not None
