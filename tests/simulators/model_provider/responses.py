"""The Responses API: create (streamed and not), retrieve, delete, list a stored one's input."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.drafting import (
    Draft,
    Tool,
    Wish,
    answered_as,
    charge_prompt,
    draft,
    last_of_user,
    limit_of,
    seed_of,
    tokenizer_of,
)
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.response_stream import finished, stream_response
from tests.simulators.model_provider.tokens import prompt_texts, reasons

_KEPT_AS_ASKED: dict[str, Any] = {
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


async def create(exchange: Exchange) -> None:
    """POST .../responses."""
    body = exchange.json()
    model = exchange.model(body)
    items = _items(body)
    if body.get("background"):
        raise errors.wrong_value(
            "background", "The simulator answers no response in the background.", "unsupported_parameter"
        )
    messages = [*_earlier(exchange, body), *items]
    instructed = (
        [{"role": "system", "content": body["instructions"]}, *messages] if body.get("instructions") else messages
    )
    thinks = reasons(model.name)
    effort = (body.get("reasoning") or {}).get("effort") if isinstance(body.get("reasoning"), dict) else None
    wish = Wish(
        prompt=last_of_user(messages),
        limit=limit_of(body, "max_output_tokens"),
        tools=[] if body.get("tool_choice") == "none" else _tools(body),
        must_call=_must_call(body.get("tool_choice")),
        schema=_schema(body.get("text")),
        thinks=thinks and effort not in ("none", "minimal"),
        seed=seed_of(model, instructed, None, 0),
    )
    tokenizer = await tokenizer_of(model)
    texts, extra = prompt_texts(instructed, body.get("tools"))
    charge = await charge_prompt(exchange, model, texts, extra, "input", tokenizer)
    drafted = draft(wish, tokenizer, exchange.faults.body_bytes)
    response = _begun(body, answered_as(model), effort if thinks else None)
    output = _output(drafted, thinks)
    if body.get("stream"):
        completed = await stream_response(exchange, response, output, drafted)
    else:
        await exchange.think()
        charge.completion_tokens = drafted.tokens
        charge.reasoning_tokens = drafted.reasoning
        completed = finished(response, output, drafted, charge, with_usage=not exchange.faults.no_usage)
    if completed is not None and completed["store"]:
        exchange.provider.remember(
            completed["id"], {"response": completed, "input": items, "messages": [*messages, *output]}
        )
    if not body.get("stream"):
        await exchange.answer(completed)


async def retrieve(exchange: Exchange) -> None:
    """GET .../responses/{id}."""
    await exchange.answer(_stored(exchange)["response"])


async def delete(exchange: Exchange) -> None:
    """DELETE .../responses/{id}."""
    response_id = _stored(exchange)["response"]["id"]
    del exchange.provider.responses[response_id]
    await exchange.answer({"id": response_id, "object": "response", "deleted": True})


async def input_items(exchange: Exchange) -> None:
    """GET .../responses/{id}/input_items: latest first, as the provider lists them."""
    stored = _stored(exchange)
    shown = [
        {
            "id": f"msg_{stored['response']['id'][5:]}{number}",
            "type": "message",
            "status": "completed",
            **item,
            "content": _input_parts(item),
        }
        if "role" in item
        else {"id": f"item_{stored['response']['id'][5:]}{number}", **item}
        for number, item in enumerate(stored["input"])
    ][::-1]
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    await exchange.answer({"object": "list", "data": shown, "first_id": first, "last_id": last, "has_more": False})


def _begun(body: Mapping[str, Any], model: str, effort: str | None) -> dict[str, Any]:
    asked = {name: default if body.get(name) is None else body[name] for name, default in _KEPT_AS_ASKED.items()}
    return {
        "id": f"resp_{secrets.token_hex(24)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "reasoning": {"effort": effort, "summary": None},
        "service_tier": "default",
        "text": body.get("text") or {"format": {"type": "text"}},
        "usage": None,
        **asked,
    }


def _output(drafted: Draft, thinks: bool) -> list[dict[str, Any]]:
    status = "incomplete" if drafted.finish == "length" else "completed"
    output: list[dict[str, Any]] = []
    if thinks:
        output.append({"id": f"rs_{secrets.token_hex(24)}", "type": "reasoning", "summary": []})
    if drafted.tool is not None:
        output.append(
            {
                "id": f"fc_{secrets.token_hex(24)}",
                "type": "function_call",
                "status": status,
                "arguments": drafted.text,
                "call_id": f"call_{secrets.token_hex(12)}",
                "name": drafted.tool,
            }
        )
    elif drafted.pieces or not thinks:
        text = {"type": "output_text", "annotations": [], "logprobs": [], "text": drafted.text}
        message_id = f"msg_{secrets.token_hex(24)}"
        output.append({"id": message_id, "type": "message", "status": status, "role": "assistant", "content": [text]})
    return output


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    if given is None:
        raise errors.missing("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise errors.wrong_type("input", "one of a string or array of input items")
    return [_item(item) for item in given]


def _item(item: dict[str, Any]) -> dict[str, Any]:
    """An input item, with what counts as its text where a message has it."""
    if item.get("type") == "function_call_output":
        return {**item, "role": "tool", "content": item.get("output")}
    if item.get("type") == "function_call":
        return {**item, "role": "assistant", "content": f"{item.get('name', '')}{item.get('arguments', '')}"}
    return item


def _input_parts(item: Mapping[str, Any]) -> Any:
    content = item.get("content")
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


def _earlier(exchange: Exchange, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    previous = body.get("previous_response_id")
    if previous is None:
        return []
    stored = exchange.provider.responses.get(previous)
    if stored is None:
        raise ApiError(
            400,
            f"Previous response with id '{previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return [_item(message) for message in stored["messages"]]


def _stored(exchange: Exchange) -> dict[str, Any]:
    wanted = exchange.path_params["id"]
    stored = exchange.provider.responses.get(wanted)
    if stored is None:
        raise ApiError(404, f"Response with id '{wanted}' not found.")
    return stored


def _tools(body: Mapping[str, Any]) -> list[Tool]:
    tools = body.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise errors.wrong_type("tools", "an array of objects")
    functions = [tool for tool in tools if tool.get("type") == "function"]
    if not all(isinstance(tool.get("name"), str) for tool in functions):
        raise errors.missing("tools[0].name")
    return [Tool(tool["name"], tool.get("parameters")) for tool in functions]


def _must_call(choice: Any) -> str | None:
    if choice == "required":
        return "*"
    return str(choice["name"]) if isinstance(choice, dict) and choice.get("name") else None


def _schema(text: Any) -> Any:
    wanted = text.get("format") if isinstance(text, dict) else None
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_schema":
        return wanted.get("schema") or True
    return True if wanted.get("type") == "json_object" else None
