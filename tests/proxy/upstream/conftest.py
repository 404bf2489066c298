"""Every test of the client runs on asyncio's own loop and on uvloop: their transports differ in all that matters here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest_asyncio
import uvloop

from proxy.upstream import ClientOptions, UpstreamClient


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    """With short patience for connecting; every other timeout is the test's."""
    client = UpstreamClient(ClientOptions(connect_timeout=5.0))
    yield client
    await client.close()
