"""Threads and their messages."""

from collections.abc import Mapping
from typing import Any

from tests.simulators.model_provider import errors, references
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources.fields import changed, gone, metadata, now, objects, one_of
from tests.simulators.model_provider.shelf import Kept, page

BUSY = ("queued", "in_progress", "requires_action", "cancelling")


def make(provider: Provider, body: Mapping[str, Any]) -> Kept:
    """A thread with the messages that it begins with."""
    references.check(provider, [body.get("tool_resources"), body.get("messages")])
    shown = {
        "id": provider.new_id("thread_"),
        "object": "thread",
        "created_at": now(),
        "metadata": metadata(body),
        "tool_resources": body.get("tool_resources") or {},
    }
    thread = provider.shelf("thread").add(Kept(shown))
    for message in objects(body, "messages"):
        add_message(provider, thread, message)
    return thread


def add_message(provider: Provider, thread: Kept, body: Mapping[str, Any], **fields: Any) -> Kept:
    """A message at the thread's end."""
    role = one_of(body, "role", ("user", "assistant"))
    references.check(provider, [body.get("content"), body.get("attachments")])
    created = now()
    shown = {
        "id": provider.new_id("msg_"),
        "object": "thread.message",
        "created_at": created,
        "thread_id": thread.shown["id"],
        "status": "completed",
        "incomplete_details": None,
        "completed_at": created,
        "incomplete_at": None,
        "role": role,
        "content": _blocks(body.get("content")),
        "assistant_id": None,
        "run_id": None,
        "attachments": body.get("attachments") or [],
        "metadata": metadata(body),
        **fields,
    }
    return thread.part("message").add(Kept(shown))


def busy_run(thread: Kept) -> Kept | None:
    """The run that has not ended, where there is one."""
    return next((run for run in thread.part("run").all() if run.shown["status"] in BUSY), None)


def said(message: Kept) -> Any:
    """A message's content as a chat's."""
    parts: list[dict[str, Any]] = []
    for block in message.shown["content"]:
        if block["type"] == "text":
            parts.append({"type": "text", "text": block["text"]["value"]})
        else:
            parts.append({"type": "image_url", "image_url": {"url": "about:blank"}})
    return parts


def _blocks(content: Any) -> list[dict[str, Any]]:
    if content is None:
        raise errors.missing("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise errors.wrong_type("content", "a string or an array of parts")
    return [
        {"type": "text", "text": {"value": part.get("text", ""), "annotations": []}} if part["type"] == "text" else part
        for part in parts
    ]


async def _create(exchange: Exchange) -> None:
    await exchange.answer(make(exchange.provider, exchange.json()).shown)


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("thread").shown)


async def _update(exchange: Exchange) -> None:
    thread, body = exchange.kept("thread"), exchange.json()
    references.check(exchange.provider, body.get("tool_resources"))
    await exchange.answer(changed(thread.shown, body, "metadata", "tool_resources"))


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("thread").take(exchange.path_params["thread"])
    await exchange.answer(gone(exchange.path_params["thread"], "thread.deleted"))


async def _create_message(exchange: Exchange) -> None:
    thread = exchange.kept("thread")
    busy = busy_run(thread)
    if busy is not None:
        raise ApiError(400, f"Can't add messages to {thread.shown['id']} while a run {busy.shown['id']} is active.")
    await exchange.answer(add_message(exchange.provider, thread, exchange.json()).shown)


async def _list_messages(exchange: Exchange) -> None:
    messages = exchange.kept("thread").part("message").all()
    run = exchange.query.get("run_id", [""])[0]
    shown = [message.shown for message in messages if not run or message.shown["run_id"] == run]
    await exchange.answer(page(shown, exchange.query))


def _message(exchange: Exchange) -> Kept:
    return exchange.kept("thread").part("message").find(exchange.path_params["message"])


async def _retrieve_message(exchange: Exchange) -> None:
    await exchange.answer(_message(exchange).shown)


async def _update_message(exchange: Exchange) -> None:
    await exchange.answer(changed(_message(exchange).shown, exchange.json(), "metadata"))


async def _delete_message(exchange: Exchange) -> None:
    exchange.kept("thread").part("message").take(exchange.path_params["message"])
    await exchange.answer(gone(exchange.path_params["message"], "thread.message.deleted"))


PATHS = {
    "threads": {"POST": _create},
    "threads/{thread}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    "threads/{thread}/messages": {"POST": _create_message, "GET": _list_messages},
    "threads/{thread}/messages/{message}": {
        "GET": _retrieve_message,
        "POST": _update_message,
        "DELETE": _delete_message,
    },
}
