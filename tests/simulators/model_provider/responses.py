"""The Responses API: a response is made at once, as a stream, or in the background."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.drafting import (
    Draft,
    Wish,
    answered_as,
    charge_prompt,
    draft,
    last_of_user,
    limit_of,
    seed_of,
    tokenizer_of,
)
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.response_input import (
    Asked,
    must_call,
    new_call_id,
    read,
    schema_of,
    stored,
    tools_of,
)
from tests.simulators.model_provider.response_stream import finished, stream_made, stream_response
from tests.simulators.model_provider.shelf import Kept
from tests.simulators.model_provider.tokens import prompt_texts, reasons

_KEPT_AS_ASKED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_WAIT = 0.02


@dataclass(slots=True)
class Behind:
    """What the provider knows of a stored response."""

    items: list[dict[str, Any]]
    """Its input."""
    messages: list[dict[str, Any]]
    """What the next one continues."""
    drafted: Draft


async def create(exchange: Exchange) -> None:
    """POST .../responses."""
    body = exchange.json()
    model = exchange.model(body)
    asked = read(exchange.provider, body)
    if body.get("background") and body.get("store") is False:
        raise errors.wrong_value("background", "Background mode requires 'store' to be true.", "unsupported_parameter")
    instructed = asked.messages
    if body.get("instructions"):
        instructed = [{"role": "system", "content": body["instructions"]}, *instructed]
    thinks = reasons(model.name)
    effort = (body.get("reasoning") or {}).get("effort") if isinstance(body.get("reasoning"), dict) else None
    wish = Wish(
        prompt=last_of_user(asked.messages),
        limit=limit_of(body, "max_output_tokens"),
        tools=[] if body.get("tool_choice") == "none" else tools_of(body),
        must_call=must_call(body.get("tool_choice")),
        schema=schema_of(body.get("text")),
        thinks=thinks and effort not in ("none", "minimal"),
        seed=seed_of(model, instructed, None, 0),
    )
    tokenizer = await tokenizer_of(model)
    texts, extra = prompt_texts(instructed, body.get("tools"))
    charge = await charge_prompt(exchange, model, texts, extra, "input", tokenizer)
    drafted = draft(wish, tokenizer, exchange.faults.body_bytes)
    response = _begun(exchange.provider, body, answered_as(model), effort if thinks else None, asked)
    output = _output(exchange.provider, drafted, thinks)
    if body.get("background"):
        await _in_background(exchange, response, output, drafted, asked, stream=bool(body.get("stream")))
        return
    if body.get("stream"):
        completed = await stream_response(exchange, response, output, drafted)
    else:
        await exchange.think()
        charge.completion_tokens = drafted.tokens
        charge.reasoning_tokens = drafted.reasoning
        completed = finished(response, output, drafted, charge, with_usage=not exchange.faults.no_usage)
    if completed is not None:
        _remember(exchange.provider, completed, drafted, asked)
    if not body.get("stream"):
        await exchange.answer(completed)


async def _in_background(
    exchange: Exchange,
    response: dict[str, Any],
    output: list[dict[str, Any]],
    drafted: Draft,
    asked: Asked,
    *,
    stream: bool,
) -> None:
    """Answer that it is queued; it is worked on and billed whether or not the caller stays."""
    provider, charge = exchange.provider, exchange.charge
    assert charge is not None
    exchange.charge = None
    response["status"] = "queued"
    kept = _keep(provider, response, drafted, asked)
    begun = dict(response)
    ends_as = exchange.faults.ends_as or "completed"

    async def work() -> None:
        _finish(provider, kept, output, charge, asked, ends_as)

    await provider.later(exchange.ready_after, work)
    if not stream:
        await exchange.answer(begun)
        return
    await exchange.think()
    while kept.shown["status"] in ("queued", "in_progress"):
        await exchange.pause(_WAIT)
    await stream_made(exchange, kept.shown, drafted)


def _finish(
    provider: Provider, kept: Kept, output: list[dict[str, Any]], charge: Charge, asked: Asked, ends_as: str
) -> None:
    if kept.shown["status"] != "queued":
        return
    if ends_as in ("failed", "cancelled"):
        kept.shown["status"] = ends_as
        if ends_as == "failed":
            kept.shown["error"] = {"code": "server_error", "message": "The response could not be generated."}
        return
    drafted: Draft = kept.inside.drafted
    charge.completion_tokens, charge.reasoning_tokens = drafted.tokens, drafted.reasoning
    kept.shown |= finished(kept.shown, output, drafted, charge, with_usage=True)
    provider.bill.add(charge, broken_off=False)
    _follow_up(provider, kept, asked)


def _remember(provider: Provider, completed: dict[str, Any], drafted: Draft, asked: Asked) -> None:
    if completed["store"]:
        _follow_up(provider, _keep(provider, completed, drafted, asked), asked)
    elif asked.conversation is not None:
        _converse(provider, asked, [stored(provider, item) for item in asked.items], completed["output"])


def _keep(provider: Provider, response: dict[str, Any], drafted: Draft, asked: Asked) -> Kept:
    items = [stored(provider, item) for item in asked.items]
    return provider.shelf("response").add(Kept(response, inside=Behind(items, asked.messages, drafted)))


def _follow_up(provider: Provider, kept: Kept, asked: Asked) -> None:
    """What comes after a response can name its items and continue from it."""
    output: list[dict[str, Any]] = kept.shown["output"]
    for item in output:
        provider.shelf("item").add(Kept(item))
    kept.inside.messages = [*asked.messages, *output]
    if asked.conversation is not None:
        _converse(provider, asked, kept.inside.items, output)


def _converse(provider: Provider, asked: Asked, items: list[dict[str, Any]], output: list[dict[str, Any]]) -> None:
    assert asked.conversation is not None
    for item in (*items, *output):
        asked.conversation.part("item").add(Kept(item))


def _begun(provider: Provider, body: Mapping[str, Any], model: str, effort: str | None, asked: Asked) -> dict[str, Any]:
    kept = {name: default if body.get(name) is None else body[name] for name, default in _KEPT_AS_ASKED.items()}
    response = {
        "id": provider.new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "reasoning": {"effort": effort, "summary": None},
        "service_tier": "default",
        "text": body.get("text") or {"format": {"type": "text"}},
        "usage": None,
        **kept,
    }
    if asked.conversation is not None:
        response["conversation"] = {"id": asked.conversation.shown["id"]}
    return response


def _output(provider: Provider, drafted: Draft, thinks: bool) -> list[dict[str, Any]]:
    status = "incomplete" if drafted.finish == "length" else "completed"
    output: list[dict[str, Any]] = []
    if thinks:
        output.append({"id": provider.new_id("rs_"), "type": "reasoning", "summary": []})
    if drafted.tool is not None:
        output.append(
            {
                "id": provider.new_id("fc_"),
                "type": "function_call",
                "status": status,
                "arguments": drafted.text,
                "call_id": new_call_id(),
                "name": drafted.tool,
            }
        )
    elif drafted.pieces or not thinks:
        text = {"type": "output_text", "annotations": [], "logprobs": [], "text": drafted.text}
        message_id = provider.new_id("msg_")
        output.append({"id": message_id, "type": "message", "status": status, "role": "assistant", "content": [text]})
    return output
