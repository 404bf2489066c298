"""Assistants, as long as the SDK has them."""

from tests.simulators.model_provider import references
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import changed, gone, metadata, now, objects
from tests.simulators.model_provider.shelf import Kept

_CHANGEABLE = (
    "model",
    "name",
    "description",
    "instructions",
    "tools",
    "tool_resources",
    "temperature",
    "top_p",
    "response_format",
    "metadata",
)


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    exchange.model(body)
    references.check(exchange.provider, body.get("tool_resources"))
    shown = {
        "id": exchange.provider.new_id("asst_"),
        "object": "assistant",
        "created_at": now(),
        "name": body.get("name"),
        "description": body.get("description"),
        "model": body["model"],
        "instructions": body.get("instructions"),
        "tools": objects(body, "tools"),
        "tool_resources": body.get("tool_resources") or {},
        "metadata": metadata(body),
        "temperature": body.get("temperature", 1.0),
        "top_p": body.get("top_p", 1.0),
        "response_format": body.get("response_format", "auto"),
    }
    await exchange.answer(exchange.provider.shelf("assistant").add(Kept(shown)).shown)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("assistant").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("assistant").shown)


async def _update(exchange: Exchange) -> None:
    assistant, body = exchange.kept("assistant"), exchange.json()
    if "model" in body:
        exchange.model(body)
    references.check(exchange.provider, body.get("tool_resources"))
    await exchange.answer(changed(assistant.shown, body, *_CHANGEABLE))


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("assistant").take(exchange.path_params["assistant"])
    await exchange.answer(gone(exchange.path_params["assistant"], "assistant.deleted"))


PATHS = {
    "assistants": {"POST": _create, "GET": _list},
    "assistants/{assistant}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
}
