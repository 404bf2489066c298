"""Stored responses: fetched, streamed once more, cancelled, deleted; what they were asked; and what others would cost."""

from typing import Any

from tests.simulators.model_provider.drafting import answered_as, charge_prompt, tokenizer_of
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import gone, now
from tests.simulators.model_provider.response_input import read, stored
from tests.simulators.model_provider.response_stream import stream_made, usage_of
from tests.simulators.model_provider.responses import create
from tests.simulators.model_provider.shelf import page
from tests.simulators.model_provider.tokens import prompt_texts

_COMPACTED_TOKENS = 32
_WAIT = 0.02


async def _retrieve(exchange: Exchange) -> None:
    kept = exchange.kept("response")
    if exchange.query.get("stream", [""])[0] != "true":
        await exchange.answer(kept.shown)
        return
    while kept.shown["status"] in ("queued", "in_progress"):
        await exchange.pause(_WAIT)
    after = exchange.query.get("starting_after", [""])[0]
    await stream_made(exchange, kept.shown, kept.inside.drafted, after=int(after) if after.isdigit() else -1)


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("response").take(exchange.path_params["response"])
    await exchange.answer(gone(exchange.path_params["response"], "response"))


async def _cancel(exchange: Exchange) -> None:
    kept = exchange.kept("response")
    if not kept.shown["background"]:
        raise ApiError(400, "Only responses created with background=true can be cancelled.")
    if kept.shown["status"] in ("queued", "in_progress"):
        kept.shown["status"] = "cancelled"
    await exchange.answer(kept.shown)


async def _input_items(exchange: Exchange) -> None:
    await exchange.answer(page(exchange.kept("response").inside.items, exchange.query))


async def _count(exchange: Exchange) -> None:
    body = exchange.json()
    model = exchange.model({"model": "gpt-4o", **body})
    asked = read(exchange.provider, body, required=False)
    tokenizer = await tokenizer_of(model)
    instructed = [{"role": "system", "content": body.get("instructions") or ""}, *asked.messages]
    texts, extra = prompt_texts(instructed if body.get("instructions") else asked.messages, body.get("tools"))
    count = sum(map(tokenizer.count, texts)) + extra
    await exchange.answer({"object": "response.input_tokens", "input_tokens": count})


async def _compact(exchange: Exchange) -> None:
    body = exchange.json()
    model = exchange.model(body)
    provider = exchange.provider
    asked = read(provider, body, required=False)
    texts, extra = prompt_texts(asked.messages)
    charge = await charge_prompt(exchange, model, texts, extra, "input", await tokenizer_of(model))
    await exchange.think()
    charge.completion_tokens = _COMPACTED_TOKENS
    said: list[dict[str, Any]] = [
        stored(provider, item) for item in asked.messages if item.get("role") == "user" and "id" not in item
    ]
    compaction = {
        "id": provider.new_id("cmp_"),
        "type": "compaction",
        "encrypted_content": f"compacted by {answered_as(model)}",
    }
    await exchange.answer(
        {
            "id": provider.new_id("resp_"),
            "object": "response.compaction",
            "created_at": now(),
            "output": [*said, compaction],
            "usage": usage_of(charge),
        }
    )


PATHS = {
    "responses": {"POST": create},
    "responses/input_tokens": {"POST": _count},
    "responses/compact": {"POST": _compact},
    "responses/{response}": {"GET": _retrieve, "DELETE": _delete},
    "responses/{response}/cancel": {"POST": _cancel},
    "responses/{response}/input_items": {"GET": _input_items},
}
