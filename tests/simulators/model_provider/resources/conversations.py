"""Conversations and their items."""

from typing import Any

from tests.simulators.model_provider import errors, references
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import changed, gone, metadata, now, objects
from tests.simulators.model_provider.response_input import stored
from tests.simulators.model_provider.shelf import Kept

_MOST = 20


def _add(exchange: Exchange, conversation: Kept, body: dict[str, Any]) -> list[dict[str, Any]]:
    items = objects(body, "items")
    if len(items) > _MOST:
        raise errors.wrong_value("items", f"Invalid 'items': array too long. Expected at most {_MOST}.")
    references.check(exchange.provider, items)
    added = [stored(exchange.provider, item) for item in items]
    for item in added:
        conversation.part("item").add(Kept(item))
    return added


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    shown = {
        "id": exchange.provider.new_id("conv_"),
        "object": "conversation",
        "created_at": now(),
        "metadata": metadata(body),
    }
    conversation = Kept(shown)
    _add(exchange, conversation, body)
    exchange.provider.shelf("conversation").add(conversation)
    await exchange.answer(shown)


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("conversation").shown)


async def _update(exchange: Exchange) -> None:
    body = exchange.json()
    if "metadata" not in body:
        raise errors.missing("metadata")
    await exchange.answer(changed(exchange.kept("conversation").shown, body, "metadata"))


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("conversation").take(exchange.path_params["conversation"])
    await exchange.answer(gone(exchange.path_params["conversation"], "conversation.deleted"))


async def _create_items(exchange: Exchange) -> None:
    conversation, body = exchange.kept("conversation"), exchange.json()
    if not objects(body, "items"):
        raise errors.missing("items")
    added = _add(exchange, conversation, body)
    first, last = added[0]["id"], added[-1]["id"]
    await exchange.answer({"object": "list", "data": added, "first_id": first, "last_id": last, "has_more": False})


async def _list_items(exchange: Exchange) -> None:
    listed = exchange.kept("conversation").part("item").page(exchange.query)
    await exchange.answer(listed | {"first_id": listed["first_id"] or "", "last_id": listed["last_id"] or ""})


async def _retrieve_item(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("conversation").part("item").find(exchange.path_params["item"]).shown)


async def _delete_item(exchange: Exchange) -> None:
    conversation = exchange.kept("conversation")
    conversation.part("item").take(exchange.path_params["item"])
    await exchange.answer(conversation.shown)


PATHS = {
    "conversations": {"POST": _create},
    "conversations/{conversation}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    "conversations/{conversation}/items": {"POST": _create_items, "GET": _list_items},
    "conversations/{conversation}/items/{item}": {"GET": _retrieve_item, "DELETE": _delete_item},
}
