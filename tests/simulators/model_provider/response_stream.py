"""The events of a streamed response, in the provider's order and numbered through."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.drafting import Draft
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.stream import EventStream, Failed

_PROBLEM = {
    "code": "server_error",
    "message": "The server had an error while processing your request. Sorry about that!",
}


def finished(
    response: Mapping[str, Any], output: list[dict[str, Any]], drafted: Draft, charge: Charge, *, with_usage: bool
) -> dict[str, Any]:
    """The response with its output and its usage: completed, or incomplete where the limit ended it."""
    cut_off = drafted.finish == "length"
    return {
        **response,
        "status": "incomplete" if cut_off else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut_off else None,
        "output": output,
        "usage": usage_of(charge) if with_usage else None,
    }


def usage_of(charge: Charge) -> dict[str, Any]:
    """The charge as the Responses API reports it."""
    return {
        "input_tokens": charge.prompt_tokens,
        "input_tokens_details": {"cached_tokens": charge.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": charge.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": charge.reasoning_tokens},
        "total_tokens": charge.prompt_tokens + charge.completion_tokens,
    }


class _Events:
    """Numbers and frames events."""

    def __init__(self, stream: EventStream, after: int = -1) -> None:
        self._stream = stream
        self._number = 0
        self._after = after  # the last one that the caller has

    @property
    def _past(self) -> bool:
        return self._number > self._after

    def _framed(self, kind: str, fields: dict[str, Any]) -> bytes:
        value = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"

    async def send(self, kind: str, **fields: Any) -> None:
        due = self._past
        framed = self._framed(kind, fields)
        if due:
            await self._stream.event(framed)

    async def chunk(self, kind: str, tokens: int, **fields: Any) -> None:
        due = self._past
        framed = self._framed(kind, fields)
        if due:
            await self._stream.chunk(framed, tokens)

    async def fail(self, kind: str, **fields: Any) -> None:
        await self._stream.fail(self._framed(kind, fields))


async def stream_response(
    exchange: Exchange, response: dict[str, Any], output: list[dict[str, Any]], drafted: Draft
) -> dict[str, Any] | None:
    """Stream the response; what it is in the end, or None where it failed."""
    stream = EventStream(exchange)
    events = _Events(stream)
    charge = exchange.charge
    assert charge is not None
    await stream.start()
    charge.reasoning_tokens = charge.completion_tokens = drafted.reasoning
    try:
        await events.send("response.created", response=response)
        await events.send("response.in_progress", response=response)
        await _items(events, output, drafted)
        completed = finished(response, output, drafted, charge, with_usage=not exchange.faults.no_usage)
        await events.send(f"response.{completed['status']}", response=completed)
        await stream.end()
    except Failed:
        await events.fail("response.failed", response={**response, "status": "failed", "error": _PROBLEM})
        return None
    return completed


async def stream_made(exchange: Exchange, response: dict[str, Any], drafted: Draft, *, after: int = -1) -> None:
    """Stream a response that was made in the background, from the event behind number `after` on."""
    stream = EventStream(exchange)
    events = _Events(stream, after)
    begun = {**response, "status": "queued", "output": [], "usage": None, "error": None, "incomplete_details": None}
    await stream.start()
    try:
        await events.send("response.created", response=begun)
        await events.send("response.queued", response=begun)
        await events.send("response.in_progress", response={**begun, "status": "in_progress"})
        await _items(events, response["output"], drafted)
        if response["status"] in ("completed", "incomplete", "failed"):
            await events.send(f"response.{response['status']}", response=response)
        await stream.end()
    except Failed:
        await events.fail("response.failed", response={**begun, "status": "failed", "error": _PROBLEM})


async def _items(events: _Events, output: list[dict[str, Any]], drafted: Draft) -> None:
    for index, item in enumerate(output):
        if item["type"] == "reasoning":
            await events.send("response.output_item.added", output_index=index, item=item)
        elif item["type"] == "function_call":
            await _function_call(events, index, item, drafted)
        else:
            await _message(events, index, item, drafted)
        await events.send("response.output_item.done", output_index=index, item=item)


async def _function_call(events: _Events, index: int, item: dict[str, Any], drafted: Draft) -> None:
    begun = {**item, "status": "in_progress", "arguments": ""}
    place = {"item_id": item["id"], "output_index": index}
    await events.chunk("response.output_item.added", drafted.name_tokens, output_index=index, item=begun)
    for text, size in drafted.pieces:
        await events.chunk("response.function_call_arguments.delta", size, **place, delta=text)
    await events.send("response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])


async def _message(events: _Events, index: int, item: dict[str, Any], drafted: Draft) -> None:
    begun = {**item, "status": "in_progress", "content": []}
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    await events.send("response.output_item.added", output_index=index, item=begun)
    await events.send("response.content_part.added", **place, part={**part, "text": ""})
    for text, size in drafted.pieces:
        await events.chunk("response.output_text.delta", size, **place, delta=text, logprobs=[])
    await events.send("response.output_text.done", **place, text=part["text"], logprobs=[])
    await events.send("response.content_part.done", **place, part=part)
