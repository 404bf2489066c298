"""Every operation of the simulator, called by the stock SDK on each surface; the SDK holds the answer to its types."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import AzureOpenAI, OpenAI

from proxy.endpoints import Endpoint
from proxy.endpoints.table import ENDPOINTS
from tests.simulators.fixtures import Simulator
from tests.simulators.operations import OPERATIONS, WIDER_THAN_ITS_TYPE, Made

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SURFACES: dict[str, Callable[..., OpenAI]] = {
    "openai": lambda url, **options: OpenAI(base_url=f"{url}/v1", **options),
    "azure": lambda url, **options: AzureOpenAI(
        azure_endpoint=url,
        websocket_base_url=f"ws{url.removeprefix('http')}/openai",  # the client itself knows TLS alone
        api_version="2025-04-01-preview",
        **options,
    ),
    "azure_v1": lambda url, **options: OpenAI(base_url=f"{url}/openai/v1", **options),
}


@pytest.fixture(scope="module", params=sorted(SURFACES))
def caller(request: Any, simulator: Simulator) -> Iterator[Callable[[bool], tuple[OpenAI, Made]]]:
    simulator.clear()
    options: dict[str, Any] = {"api_key": "k", "max_retries": 0}
    with (
        SURFACES[request.param](simulator.url, **options, _strict_response_validation=True) as strict,
        SURFACES[request.param](simulator.url, **options) as lenient,
    ):
        made = Made(lenient)
        yield lambda strictly: (strict if strictly else lenient, made)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_sdk_understands_the_answer(caller: Callable[[bool], tuple[OpenAI, Made]], name: str) -> None:
    assert OPERATIONS[name](*caller(name not in WIDER_THAN_ITS_TYPE)) is not None


@pytest.mark.parametrize("row", [row for row in ENDPOINTS if row.refused is None], ids=lambda row: row.name)
def test_an_operation_calls_what_its_row_says(fresh_simulator: Simulator, row: Endpoint) -> None:
    path = re.compile("/v1/" + re.sub(r"\{\w+\}", "[^/]+", row.path))
    with SURFACES["openai"](fresh_simulator.url, api_key="k", max_retries=0) as client:
        OPERATIONS[row.name](client, Made(client))

    seen = fresh_simulator.requests()
    assert [one for one in seen if one["method"] == row.method and path.fullmatch(one["path"])]


def test_every_row_of_the_surface_is_simulated() -> None:
    rows = {row.name for row in ENDPOINTS if row.refused is None}

    assert rows - OPERATIONS.keys() == set()
    assert OPERATIONS.keys() - rows == {"models.list", "models.retrieve"}  # which the proxy answers itself
