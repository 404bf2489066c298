"""Requests that the provider makes to itself: a batch's lines, a run's turns, whatever works in the background.

They take the way of a caller's request and are billed like one, past credentials, faults and the journal.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.simulators.model_provider.bodies import Body, Message
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import TRANSPORT, Exchange
from tests.simulators.model_provider.provider import Provider


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answered."""

    id: str
    """The request's."""
    status: int
    body: Any


class _NoConnection:
    def is_closing(self) -> bool:
        return False


class _InnerExchange(Exchange):
    def __init__(self, provider: Provider, surface: str, path: str, body: Any) -> None:
        scope = {
            "path": path,
            "method": "POST",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "extensions": {TRANSPORT: _NoConnection()},
        }
        super().__init__(provider, surface, scope, self._never, self._keep)
        self.body = Body(msgspec.json.encode(body))
        self.sent = bytearray()

    async def _never(self) -> Message:
        await asyncio.Event().wait()  # nobody hangs up
        return {"type": "http.disconnect"}

    async def _keep(self, message: Message) -> None:
        self.sent += message.get("body", b"")


async def ask(
    provider: Provider, surface: str, path: str, body: Any, handle: Callable[[Exchange], Awaitable[None]]
) -> Answer:
    """Answer a request of the provider's own."""
    exchange = _InnerExchange(provider, surface, path, body)
    refused = await _answered(exchange, handle)
    if refused is not None:
        return Answer(exchange.seen.id, refused.status, refused.body())
    return Answer(exchange.seen.id, exchange.seen.status or 200, msgspec.json.decode(exchange.sent))


async def stream(
    provider: Provider, surface: str, path: str, body: Any, handle: Callable[[Exchange], Awaitable[None]]
) -> bytes | ApiError:
    """The same of one that is answered by a stream: its bytes."""
    exchange = _InnerExchange(provider, surface, path, body)
    return await _answered(exchange, handle) or bytes(exchange.sent)


async def _answered(exchange: Exchange, handle: Callable[[Exchange], Awaitable[None]]) -> ApiError | None:
    try:
        await handle(exchange)
    except ApiError as error:
        return error
    if exchange.charge is not None:
        exchange.provider.bill.add(exchange.charge, broken_off=False)
    return None
