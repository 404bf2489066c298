"""Walks the table of operations with the stock SDKs, and notes what each of them sent."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import openai

AZURE_VERSION = "2025-04-01-preview"


class Sent(NamedTuple):
    """One request of an SDK, and what it was answered."""

    request_id: str
    method: str
    path: str
    status: int


class Walker:
    """An SDK's client that notes its requests. Strict: an answer that is not of the SDK's type is an error."""

    def __init__(self, client: Any, sent: list[Sent]) -> None:
        self.client = client
        self.sent = sent


@contextmanager
def walking(
    surface: str, url: str, key: str, *, strict: bool = True, sent: list[Sent] | None = None
) -> Iterator[Walker]:
    """A client of one of `SURFACES`; several may note what they send in one place."""
    sent = [] if sent is None else sent

    def note(answer: httpx.Response) -> None:
        request = answer.request
        sent.append(Sent(answer.headers["x-request-id"], request.method, request.url.path, answer.status_code))

    options: dict[str, Any] = {"api_key": key, "max_retries": 0, "_strict_response_validation": strict}
    with SURFACES[surface](url, note, options) as client:
        yield Walker(client, sent)


class Awaited:
    """An asynchronous client that is called like a synchronous one: one table of operations serves both."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> "Awaited":
        return Awaited(getattr(self._inner, name), self._loop)

    def __call__(self, *given: Any, **named: Any) -> Any:
        answer = self._inner(*given, **named)
        return self._loop.run_until_complete(_of(answer)) if hasattr(answer, "__await__") else answer


async def _of(answer: Any) -> Any:
    return await answer


def _sync(make: Callable[..., openai.OpenAI]) -> Any:
    @contextmanager
    def opened(url: str, note: Callable[[httpx.Response], None], options: dict[str, Any]) -> Iterator[openai.OpenAI]:
        http = openai.DefaultHttpxClient(event_hooks={"response": [note]}, trust_env=False)
        with make(url, http_client=http, **options) as client:
            yield client

    return opened


@contextmanager
def _async(url: str, note: Callable[[httpx.Response], None], options: dict[str, Any]) -> Iterator[Any]:
    async def noted(answer: httpx.Response) -> None:
        note(answer)

    http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [noted]}, trust_env=False)
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", http_client=http, **options)
    loop = asyncio.new_event_loop()
    try:
        yield Awaited(client, loop)
    finally:
        loop.run_until_complete(client.close())
        loop.close()


SURFACES: dict[str, Any] = {
    "openai": _sync(lambda url, **options: openai.OpenAI(base_url=f"{url}/v1", **options)),
    "azure_v1": _sync(lambda url, **options: openai.OpenAI(base_url=f"{url}/openai/v1", **options)),
    "azure": _sync(lambda url, **options: openai.AzureOpenAI(azure_endpoint=url, api_version=AZURE_VERSION, **options)),
    "async": _async,
}
