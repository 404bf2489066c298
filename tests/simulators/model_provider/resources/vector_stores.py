"""Vector stores: made, changed, searched. Nothing is embedded: a search counts the words that question and file share."""

import re
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources.fields import changed, gone, metadata, now, texts
from tests.simulators.model_provider.resources.vector_store_files import add_file, counts_of
from tests.simulators.model_provider.shelf import Kept

_DAY = 86400
_WORD = re.compile(r"\w+")
_CHUNK = 3200  # characters, about 800 tokens


def shown(store: Kept) -> dict[str, Any]:
    """The store with its files counted."""
    counts = counts_of(store.part("vector_store_file").all())
    busy = counts["in_progress"] > 0
    size = sum(file.shown["usage_bytes"] for file in store.part("vector_store_file").all())
    return store.shown | {
        "file_counts": counts,
        "usage_bytes": size,
        "status": "in_progress" if busy else "completed",
    }


def make(provider: Provider, body: dict[str, Any]) -> Kept:
    """A store without files."""
    created = now()
    after = body.get("expires_after")
    return provider.shelf("vector_store").add(
        Kept(
            {
                "id": provider.new_id("vs_"),
                "object": "vector_store",
                "created_at": created,
                "name": body.get("name") or "",
                "description": body.get("description"),
                "expires_after": after,
                "expires_at": created + after["days"] * _DAY if isinstance(after, dict) and "days" in after else None,
                "last_active_at": created,
                "metadata": metadata(body),
            }
        )
    )


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    wanted = [
        exchange.provider.shelf("file").find(one, status=400, param="file_ids") for one in texts(body, "file_ids")
    ]
    store = make(exchange.provider, body)
    for file in wanted:
        await add_file(exchange, store, file, body)
    await exchange.answer(shown(store))


async def _list(exchange: Exchange) -> None:
    listed = exchange.provider.shelf("vector_store").page(exchange.query)
    stores = [exchange.provider.shelf("vector_store").find(one["id"]) for one in listed["data"]]
    await exchange.answer(listed | {"data": [shown(store) for store in stores]})


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(shown(exchange.kept("vector_store")))


async def _update(exchange: Exchange) -> None:
    store = exchange.kept("vector_store")
    changed(store.shown, exchange.json(), "name", "expires_after", "metadata")
    await exchange.answer(shown(store))


async def _delete(exchange: Exchange) -> None:
    wanted = exchange.path_params["vector_store"]
    exchange.provider.shelf("vector_store").take(wanted)
    await exchange.answer(gone(wanted, "vector_store.deleted"))


async def _search(exchange: Exchange) -> None:
    store, body = exchange.kept("vector_store"), exchange.json()
    query = body.get("query")
    if query is None:
        raise errors.missing("query")
    questions = [query] if isinstance(query, str) else texts(body, "query")
    most = body.get("max_num_results") or 10
    asked = {word for question in questions for word in _words(question)}
    found = sorted((_hit(file, asked) for file in _searchable(exchange, store)), key=lambda hit: -hit["score"])
    await exchange.answer(
        {
            "object": "vector_store.search_results.page",
            "search_query": questions,
            "data": found[:most],
            "has_more": False,
            "next_page": None,
        }
    )


def _searchable(exchange: Exchange, store: Kept) -> list[tuple[Kept, Kept]]:
    files = exchange.provider.shelf("file")
    pairs = [(one, files.get(one.shown["id"])) for one in store.part("vector_store_file").all()]
    return [(one, file) for one, file in pairs if file is not None and one.shown["status"] == "completed"]


def _hit(pair: tuple[Kept, Kept], asked: set[str]) -> dict[str, Any]:
    one, file = pair
    text = file.inside.content.decode("utf-8", "replace")
    shared = len(asked & _words(text))
    return {
        "file_id": one.shown["id"],
        "filename": file.shown["filename"],
        "score": round(shared / len(asked), 4) if asked else 0.0,
        "attributes": one.shown["attributes"],
        "content": [{"type": "text", "text": text[:_CHUNK]}],
    }


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


PATHS = {
    "vector_stores": {"POST": _create, "GET": _list},
    "vector_stores/{vector_store}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    "vector_stores/{vector_store}/search": {"POST": _search},
}
