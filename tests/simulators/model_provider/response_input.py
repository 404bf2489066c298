"""What a response is to answer: its items, what went before them, its tools, and that all that it names is there."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.model_provider import errors, references
from tests.simulators.model_provider.drafting import Tool
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.shelf import Kept


@dataclass(frozen=True, slots=True)
class Asked:
    """The input of a response."""

    items: list[dict[str, Any]]
    """What came with the request."""
    messages: list[dict[str, Any]]
    """All that is to be answered, as a chat would say it."""
    conversation: Kept | None


def read(provider: Provider, body: Mapping[str, Any], *, required: bool = True) -> Asked:
    """The input of a request.

    Raises:
        ApiError: 400 or 404, it is none, or names what is not there.
    """
    items = [_resolved(provider, item) for item in _items(body, required)]
    references.check(provider, [items, body.get("tools")])
    if body.get("conversation") is not None and body.get("previous_response_id") is not None:
        raise errors.wrong_value(
            "previous_response_id", "Mutually exclusive parameters: 'conversation' and 'previous_response_id'.", None
        )
    conversation = _conversation(provider, body)
    earlier = _earlier(provider, body)
    if conversation is not None:
        earlier = [item.shown for item in conversation.part("item").all()]
    return Asked(items, [as_message(item) for item in (*earlier, *items)], conversation)


def as_message(item: dict[str, Any]) -> dict[str, Any]:
    """An input item, with what counts as its text where a message has it."""
    if item.get("type") == "function_call_output":
        return {**item, "role": "tool", "content": item.get("output")}
    if item.get("type") == "function_call":
        return {**item, "role": "assistant", "content": f"{item.get('name', '')}{item.get('arguments', '')}"}
    return item


_PREFIXES = {"message": "msg_", "function_call": "fc_", "function_call_output": "fco_", "reasoning": "rs_"}


def stored(provider: Provider, item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as the provider keeps it: with an id, a status and its parts written out."""
    kind = item.get("type") or "message"
    shown = {"type": kind, "status": "completed", **item}
    shown["id"] = item.get("id") or provider.new_id(_PREFIXES.get(kind, "item_"))
    if kind == "message":
        content = item.get("content")
        if isinstance(content, str):
            text: dict[str, Any] = {"type": "input_text", "text": content}
            if item.get("role") == "assistant":
                text = {"type": "output_text", "text": content, "annotations": [], "logprobs": []}
            shown["content"] = [text]
    elif kind == "reasoning":
        del shown["status"]
    provider.shelf("item").add(Kept(shown))
    return shown


def tools_of(body: Mapping[str, Any]) -> list[Tool]:
    """The functions that the caller offers.

    Raises:
        ApiError: 400, they are none.
    """
    tools = body.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise errors.wrong_type("tools", "an array of objects")
    functions = [tool for tool in tools if tool.get("type") == "function"]
    if not all(isinstance(tool.get("name"), str) for tool in functions):
        raise errors.missing("tools[0].name")
    return [Tool(tool["name"], tool.get("parameters")) for tool in functions]


def must_call(choice: Any) -> str | None:
    """The function that has to be called; `*` for any."""
    if choice == "required":
        return "*"
    return str(choice["name"]) if isinstance(choice, dict) and choice.get("name") else None


def schema_of(text: Any) -> Any:
    """The schema of `text.format`; True for any JSON object."""
    wanted = text.get("format") if isinstance(text, dict) else None
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_schema":
        return wanted.get("schema") or True
    return True if wanted.get("type") == "json_object" else None


def _items(body: Mapping[str, Any], required: bool) -> list[dict[str, Any]]:
    given = body.get("input")
    if given is None:
        if required:
            raise errors.missing("input")
        return []
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise errors.wrong_type("input", "one of a string or array of input items")
    return given


def _resolved(provider: Provider, item: dict[str, Any]) -> dict[str, Any]:
    if item.get("type") != "item_reference" and (set(item) != {"id"}):
        return item
    found = provider.shelf("item").get(str(item.get("id")))
    if found is None:
        raise ApiError(404, f"Item with id '{item.get('id')}' not found.", param="input")
    return found.shown


def _conversation(provider: Provider, body: Mapping[str, Any]) -> Kept | None:
    named = body.get("conversation")
    if named is None:
        return None
    wanted = named.get("id") if isinstance(named, dict) else named
    return provider.shelf("conversation").find(wanted, param="conversation")


def _earlier(provider: Provider, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    previous = body.get("previous_response_id")
    if previous is None:
        return []
    found = provider.shelf("response").get(str(previous))
    if found is None:
        raise ApiError(
            400,
            f"Previous response with id '{previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    messages: list[dict[str, Any]] = found.inside.messages
    return messages


def new_call_id() -> str:
    """An id for the call of a function."""
    return f"call_{secrets.token_hex(12)}"
