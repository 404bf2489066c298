"""Chat completions, streamed and not."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.simulators.model_provider import azure_filters, chat_audio, errors, references
from tests.simulators.model_provider.drafting import (
    Draft,
    Tool,
    Wish,
    answered_as,
    charge_prompt,
    choices_of,
    draft,
    last_of_user,
    limit_of,
    seed_of,
    stops_of,
    streaming,
    tokenizer_of,
    usage_of,
)
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.shelf import Kept
from tests.simulators.model_provider.stream import DONE, EventStream, Failed, Template, event
from tests.simulators.model_provider.tokens import prompt_texts, reasons

FAILURE = {
    "error": {
        "message": "The server had an error while processing your request. Sorry about that!",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}
"""The event that ends a stream which the provider could not go on with."""


async def chat_completions(exchange: Exchange) -> None:
    """POST .../chat/completions."""
    body = exchange.json()
    model = exchange.model(body)
    messages = _messages(body)
    stream, with_usage = streaming(body)
    thinks = reasons(model.name)
    if thinks and body.get("max_tokens") is not None:
        raise errors.wrong_value(
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            "unsupported_parameter",
        )
    tools = _tools(body)
    number = choices_of(body)
    wish = Wish(
        prompt=last_of_user(messages),
        limit=limit_of(body, "max_completion_tokens", "max_tokens"),
        stop=stops_of(body),
        tools=[] if body.get("tool_choice") == "none" else tools,
        must_call=_must_call(body.get("tool_choice")),
        schema=_schema(body.get("response_format")),
        thinks=thinks and body.get("reasoning_effort") not in ("none", "minimal"),
    )
    tokenizer = await tokenizer_of(model)
    if any(isinstance(message.get("content"), list) for message in messages):
        references.check(exchange.provider, messages)
    aloud, heard = chat_audio.format_of(body), chat_audio.heard(messages)
    texts, extra = prompt_texts(messages, body.get("tools"))
    charge = await charge_prompt(exchange, model, texts, extra + heard, "messages", tokenizer)
    chat_audio.add_heard(charge, heard)
    drafts = [
        draft(
            replace(wish, seed=seed_of(model, messages, body.get("seed"), index)), tokenizer, exchange.faults.body_bytes
        )
        for index in range(number)
    ]
    frame = {
        "id": exchange.provider.new_id("chatcmpl-"),
        "created": int(time.time()),
        "model": answered_as(model),
        "system_fingerprint": "fp_simulated",
    }
    if not exchange.azure:
        frame["service_tier"] = "default"
    if stream:
        await _stream(exchange, drafts, frame, with_usage and not exchange.faults.no_usage, aloud)
        if body.get("store"):
            _store(exchange, body, _whole(exchange, drafts, frame, aloud))
        return
    await exchange.think()
    charge.completion_tokens = sum(one.tokens for one in drafts)
    charge.reasoning_tokens = sum(one.reasoning for one in drafts)
    if aloud:
        chat_audio.add_said(charge, sum(map(chat_audio.said_tokens, drafts)))
    answer = _whole(exchange, drafts, frame, aloud)
    if body.get("store"):
        _store(exchange, body, answer)
    await exchange.answer(answer)


def _whole(exchange: Exchange, drafts: list[Draft], frame: dict[str, Any], aloud: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        **frame,
        "object": "chat.completion",
        "choices": [_choice(exchange, index, one, aloud) for index, one in enumerate(drafts)],
    }
    if not exchange.faults.no_usage and exchange.charge is not None:
        answer["usage"] = usage_of(exchange.charge)
    if exchange.azure:
        answer["prompt_filter_results"] = azure_filters.OF_PROMPT
    return answer


def _store(exchange: Exchange, body: Mapping[str, Any], answer: dict[str, Any]) -> None:
    """Keep a completion, with what it answered."""
    shown = {**answer, "request_id": exchange.seen.id, "metadata": body.get("metadata") or {}}
    exchange.provider.shelf("chat_completion").add(Kept(shown, inside=body["messages"]))


def _choice(exchange: Exchange, index: int, one: Draft, aloud: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": one.text, "refusal": None, "annotations": []}
    if one.tool is not None:
        function = {"name": one.tool, "arguments": one.text}
        message |= {"content": None, "tool_calls": [{"id": _call_id(), "type": "function", "function": function}]}
    elif aloud:
        message |= {"content": None, "audio": chat_audio.shown(exchange.provider, one, aloud)}
    choice = {"index": index, "message": message, "logprobs": None, "finish_reason": one.finish}
    if exchange.azure:
        choice["content_filter_results"] = azure_filters.OF_CHOICE
    return choice


async def _stream(
    exchange: Exchange, drafts: list[Draft], frame: dict[str, Any], with_usage: bool, aloud: str | None
) -> None:
    """The provider's order: Azure's filter results, a role a choice, the text, a finish reason a choice, usage where
    it was asked for.
    """
    stream = EventStream(exchange)
    frame = {**frame, "object": "chat.completion.chunk"}
    if with_usage:
        frame["usage"] = None
    charge = exchange.charge
    assert charge is not None

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        if exchange.azure:
            choice["content_filter_results"] = (
                azure_filters.OF_CHOICE if "content" in delta and "role" not in delta else {}
            )
        return {**frame, "choices": [choice]}

    await stream.start()
    charge.reasoning_tokens = sum(one.reasoning for one in drafts)
    charge.completion_tokens = charge.reasoning_tokens
    try:
        if exchange.azure:
            await stream.event(event(azure_filters.FIRST_EVENT))
        templates: list[Template] = []
        for index, one in enumerate(drafts):
            if one.tool is None and aloud:
                begun = {"id": exchange.provider.new_id("audio_"), "transcript": ""}
                await stream.event(event(chunk(index, {"role": "assistant", "audio": begun})))
                templates.append(Template(chunk(index, {"audio": {"transcript": Template.MARK}})))
                continue
            if one.tool is None:
                await stream.event(event(chunk(index, {"role": "assistant", "content": "", "refusal": None})))
                templates.append(Template(chunk(index, {"content": Template.MARK})))
                continue
            call = {"index": 0, "id": _call_id(), "type": "function", "function": {"name": one.tool, "arguments": ""}}
            named = chunk(index, {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None})
            await stream.chunk(event(named), one.name_tokens)
            arguments = {"index": 0, "function": {"arguments": Template.MARK}}
            templates.append(Template(chunk(index, {"tool_calls": [arguments]})))
        for position in range(max(len(one.pieces) for one in drafts)):
            for one, template in zip(drafts, templates, strict=True):
                if position < len(one.pieces):
                    text, size = one.pieces[position]
                    await stream.chunk(template.filled(text), size)
        for index, one in enumerate(drafts):
            if aloud and one.tool is None:
                await _say(exchange, stream, chunk, index, one, aloud)
            await stream.event(event(chunk(index, {}, one.finish)))
        if with_usage:
            await stream.event(event({**frame, "choices": [], "usage": usage_of(charge)}))
        await stream.event(DONE)
        await stream.end()
    except Failed:
        await stream.fail(event(FAILURE))


async def _say(
    exchange: Exchange, stream: EventStream, chunk: Callable[..., dict[str, Any]], index: int, one: Draft, aloud: str
) -> None:
    assert exchange.charge is not None
    chat_audio.add_said(exchange.charge, chat_audio.said_tokens(one))
    shown = chat_audio.shown(exchange.provider, one, aloud)
    await stream.chunk(event(chunk(index, {"audio": {"data": shown["data"]}})), 0)
    await stream.event(event(chunk(index, {"audio": {"expires_at": shown["expires_at"]}})))


def _call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if messages is None:
        raise errors.missing("messages")
    if not isinstance(messages, list):
        raise errors.wrong_type("messages", "an array of objects")
    if not messages:
        raise errors.wrong_value(
            "messages",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "empty_array",
        )
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            raise errors.wrong_type(f"messages[{number}]", "an object")
        if message.get("role") not in _ROLES:
            raise errors.wrong_value(
                f"messages[{number}].role",
                f"Invalid value: '{message.get('role')}'. Supported values are: {', '.join(map(repr, _ROLES))}.",
            )
        content = message.get("content")
        if content is None and message["role"] in ("system", "developer", "user"):
            raise errors.wrong_value(
                f"messages[{number}].content", "Invalid value for 'content': expected a string, got null.", None
            )
        if content is not None and not isinstance(content, str | list):
            raise errors.wrong_type(f"messages[{number}].content", "one of a string or array of objects")
    return messages


def _tools(body: Mapping[str, Any]) -> list[Tool]:
    tools = body.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise errors.wrong_type("tools", "an array of objects")
    found: list[Tool] = []
    for number, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise errors.missing(f"tools[{number}].function.name")
        found.append(Tool(function["name"], function.get("parameters")))
    return found


def _must_call(choice: Any) -> str | None:
    if choice == "required":
        return "*"
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        return str(choice["function"].get("name", "*"))
    return None


def _schema(wanted: Any) -> Any:
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_object":
        return True
    if wanted.get("type") == "json_schema":
        inner = wanted.get("json_schema")
        if not isinstance(inner, dict) or not inner.get("name"):
            raise errors.missing("response_format.json_schema.name")
        return inner.get("schema") or True
    return None
