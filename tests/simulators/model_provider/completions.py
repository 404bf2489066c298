"""The older completions, streamed and not."""

import time
from collections.abc import Mapping
from typing import Any

from tests.simulators.model_provider import azure_filters, errors
from tests.simulators.model_provider.chat import FAILURE
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.drafting import (
    Draft,
    Wish,
    answered_as,
    charge_prompt,
    choices_of,
    draft,
    limit_of,
    seed_of,
    stops_of,
    streaming,
    tokenizer_of,
    usage_of,
)
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.stream import DONE, EventStream, Failed, Template, event
from tests.simulators.model_provider.tokens import Tokenizer

_DEFAULT_LIMIT = 16  # the endpoint's own


async def completions(exchange: Exchange) -> None:
    """POST .../completions."""
    body = exchange.json()
    model = exchange.model(body)
    stream, with_usage = streaming(body)
    number = choices_of(body)
    limit = limit_of(body, "max_tokens") or _DEFAULT_LIMIT
    stops = stops_of(body)
    tokenizer = await tokenizer_of(model)
    prompts = _prompts(body, tokenizer)
    charge = await charge_prompt(exchange, model, prompts, 0, "prompt", tokenizer)
    drafts = [
        _drafted(exchange, model, body, prompt, index, Wish(prompt=prompt, limit=limit, stop=stops), tokenizer)
        for prompt in prompts
        for index in range(number)
    ]
    frame = {
        "id": exchange.provider.new_id("cmpl-"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": answered_as(model),
    }
    if stream:
        await _stream(exchange, drafts, frame, with_usage and not exchange.faults.no_usage)
        return
    await exchange.think()
    charge.completion_tokens = sum(one.tokens for one in drafts)
    repeated = [prompt if body.get("echo") else "" for prompt in prompts for _ in range(number)]
    answer: dict[str, Any] = {
        **frame,
        "choices": [
            _choice(exchange, index, prompt + one.text, one.finish)
            for index, (prompt, one) in enumerate(zip(repeated, drafts, strict=True))
        ],
    }
    if not exchange.faults.no_usage:
        answer["usage"] = usage_of(charge)
    if exchange.azure:
        answer["prompt_filter_results"] = azure_filters.OF_PROMPT
    await exchange.answer(answer)


def _drafted(
    exchange: Exchange, model: Model, body: Mapping[str, Any], prompt: str, index: int, wish: Wish, tokenizer: Tokenizer
) -> Draft:
    seeded = Wish(prompt=prompt, limit=wish.limit, stop=wish.stop, seed=seed_of(model, prompt, body.get("seed"), index))
    return draft(seeded, tokenizer, exchange.faults.body_bytes)


def _choice(exchange: Exchange, index: int, text: str, finish: str | None) -> dict[str, Any]:
    choice: dict[str, Any] = {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
    if exchange.azure:
        choice["content_filter_results"] = azure_filters.OF_CHOICE
    return choice


async def _stream(exchange: Exchange, drafts: list[Draft], frame: dict[str, Any], with_usage: bool) -> None:
    stream = EventStream(exchange)
    if with_usage:
        frame = {**frame, "usage": None}
    charge = exchange.charge
    assert charge is not None
    await stream.start()
    try:
        if exchange.azure:
            await stream.event(event(azure_filters.FIRST_EVENT))
        templates = [
            Template({**frame, "choices": [_choice(exchange, index, Template.MARK, None)]})
            for index in range(len(drafts))
        ]
        for position in range(max(len(one.pieces) for one in drafts)):
            for one, template in zip(drafts, templates, strict=True):
                if position < len(one.pieces):
                    text, size = one.pieces[position]
                    await stream.chunk(template.filled(text), size)
        for index, one in enumerate(drafts):
            await stream.event(event({**frame, "choices": [_choice(exchange, index, "", one.finish)]}))
        if with_usage:
            await stream.event(event({**frame, "choices": [], "usage": usage_of(charge)}))
        await stream.event(DONE)
        await stream.end()
    except Failed:
        await stream.fail(event(FAILURE))


def _prompts(body: Mapping[str, Any], tokenizer: Tokenizer) -> list[str]:
    """The prompts as texts: a string, several, a list of tokens, or several of those."""
    prompt = body.get("prompt")
    if prompt is None:
        return ["<|endoftext|>"]  # the endpoint's own default
    texts = texts_of(prompt, tokenizer)
    if not texts:
        raise errors.wrong_type(
            "prompt", "a string, an array of strings, an array of tokens, or an array of token arrays"
        )
    return texts


def texts_of(value: Any, tokenizer: Tokenizer) -> list[str]:
    """The texts of a prompt or of an embedding's input; empty where it is none of what it may be."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        return []
    if all(isinstance(one, str) for one in value):
        return value
    if all(isinstance(one, int) for one in value):
        value = [value]
    if not all(isinstance(one, list) and one and all(isinstance(token, int) for token in one) for one in value):
        return []
    try:
        return [tokenizer.decode(one) for one in value]
    except (ValueError, OverflowError, KeyError):
        return [" ".join(map(str, one)) for one in value]
