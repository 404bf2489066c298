"""Chat completions that were stored (`store: true`)."""

import re
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import changed, gone
from tests.simulators.model_provider.shelf import page

_METADATA = re.compile(r"metadata\[([^\]]+)\]")


async def _list(exchange: Exchange) -> None:
    model = exchange.query.get("model", [""])[0]
    wanted = {found[1]: values[0] for name, values in exchange.query.items() if (found := _METADATA.fullmatch(name))}

    def match(shown: dict[str, Any]) -> bool:
        metadata = shown["metadata"] or {}
        return (not model or shown["model"] == model) and wanted.items() <= metadata.items()

    await exchange.answer(exchange.provider.shelf("chat_completion").page(exchange.query, match=match, order="asc"))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("chat_completion").shown)


async def _update(exchange: Exchange) -> None:
    body = exchange.json()
    if "metadata" not in body:
        raise errors.missing("metadata")
    await exchange.answer(changed(exchange.kept("chat_completion").shown, body, "metadata"))


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("chat_completion").take(exchange.path_params["chat_completion"])
    await exchange.answer(gone(exchange.path_params["chat_completion"], "chat.completion.deleted"))


async def _messages(exchange: Exchange) -> None:
    kept = exchange.kept("chat_completion")
    shown = [_shown(kept.shown["id"], number, message) for number, message in enumerate(kept.inside)]
    await exchange.answer(page(shown, exchange.query, order="asc"))


def _shown(completion_id: str, number: int, message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    shown = {**message, "id": f"{completion_id}-{number}"}
    if isinstance(content, list):
        shown |= {"content": None, "content_parts": content}
    return shown


PATHS = {
    "chat/completions": {"GET": _list},
    "chat/completions/{chat_completion}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    "chat/completions/{chat_completion}/messages": {"GET": _messages},
}
