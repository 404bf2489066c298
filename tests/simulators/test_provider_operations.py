"""Every operation of the simulator, called by the stock SDK on each surface; the SDK holds the answer to its types."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import AzureOpenAI, OpenAI

from tests.simulators.fixtures import Simulator
from tests.simulators.operations import OPERATIONS, Made

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# The provider lists what the user said, too, and the SDK's types know answers alone; Azure's models have a shape of their own.
WIDER_THAN_ITS_TYPE = ("chat.completions.messages.list", "responses.compact", "models.list", "models.retrieve")

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
