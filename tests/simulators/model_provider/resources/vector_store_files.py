"""The files of a vector store, one by one and in batches; each is ready a little later (`ready_after`)."""

from collections import Counter
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import gone, now, objects, text, texts
from tests.simulators.model_provider.shelf import Kept, page

_STATES = ("in_progress", "completed", "cancelled", "failed")
_CHUNKING = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}


def counts_of(files: list[Kept]) -> dict[str, int]:
    """How many of these are in which state."""
    counted = Counter(file.shown["status"] for file in files)
    return {state: counted[state] for state in _STATES} | {"total": len(files)}


async def add_file(exchange: Exchange, store: Kept, file: Kept, body: dict[str, Any]) -> Kept:
    """Put a file into a store, where it is worked on for a while."""
    chunking = body.get("chunking_strategy")
    shown = {
        "id": file.shown["id"],
        "object": "vector_store.file",
        "usage_bytes": 0,
        "created_at": now(),
        "vector_store_id": store.shown["id"],
        "status": "in_progress",
        "last_error": None,
        "chunking_strategy": chunking if chunking and chunking.get("type") == "static" else _CHUNKING,
        "attributes": body.get("attributes") or {},
    }
    kept = store.part("vector_store_file").add(Kept(shown))
    ends_as = exchange.faults.ends_as or "completed"

    async def finish() -> None:
        if shown["status"] == "in_progress":
            shown.update({"status": ends_as, "usage_bytes": file.shown["bytes"]})
            if ends_as == "failed":
                shown["last_error"] = {"code": "server_error", "message": "An internal error occurred."}

    await exchange.provider.later(exchange.ready_after, finish)
    return kept


async def _create(exchange: Exchange) -> None:
    store, body = exchange.kept("vector_store"), exchange.json()
    file = exchange.provider.shelf("file").find(text(body, "file_id"), param="file_id")
    await exchange.answer((await add_file(exchange, store, file, body)).shown)


async def _list(exchange: Exchange) -> None:
    await _answer_files(exchange, exchange.kept("vector_store").part("vector_store_file").all())


async def _answer_files(exchange: Exchange, files: list[Kept]) -> None:
    wanted = exchange.query.get("filter", [""])[0]
    shown = [file.shown for file in files if not wanted or file.shown["status"] == wanted]
    await exchange.answer(page(shown, exchange.query))


def _file(exchange: Exchange) -> Kept:
    return exchange.kept("vector_store").part("vector_store_file").find(exchange.path_params["file"])


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(_file(exchange).shown)


async def _update(exchange: Exchange) -> None:
    file, body = _file(exchange), exchange.json()
    if "attributes" not in body:
        raise errors.missing("attributes")
    file.shown["attributes"] = body["attributes"] or {}
    await exchange.answer(file.shown)


async def _delete(exchange: Exchange) -> None:
    wanted = exchange.path_params["file"]
    exchange.kept("vector_store").part("vector_store_file").take(wanted)
    await exchange.answer(gone(wanted, "vector_store.file.deleted"))


async def _content(exchange: Exchange) -> None:
    file = exchange.provider.shelf("file").find(_file(exchange).shown["id"])
    text = file.inside.content.decode("utf-8", "replace")
    await exchange.answer(
        {
            "object": "vector_store.file_content.page",
            "data": [{"type": "text", "text": text}],
            "has_more": False,
            "next_page": None,
        }
    )


async def _create_batch(exchange: Exchange) -> None:
    store, body = exchange.kept("vector_store"), exchange.json()
    wanted = objects(body, "files") or [{**body, "file_id": file_id} for file_id in texts(body, "file_ids")]
    if not wanted:
        raise errors.missing("file_ids")
    found = [
        (exchange.provider.shelf("file").find(text(one, "file_id"), status=400, param="file_ids"), one)
        for one in wanted
    ]
    files = [await add_file(exchange, store, file, one) for file, one in found]
    shown = {
        "id": exchange.provider.new_id("vsfb_"),
        "object": "vector_store.files_batch",
        "created_at": now(),
        "vector_store_id": store.shown["id"],
    }
    await exchange.answer(_batch_shown(store.part("file_batch").add(Kept(shown, inside=files))))


def _batch(exchange: Exchange) -> Kept:
    return exchange.kept("vector_store").part("file_batch").find(exchange.path_params["file_batch"])


def _batch_shown(batch: Kept) -> dict[str, Any]:
    counts = counts_of(batch.inside)
    status = "in_progress" if counts["in_progress"] else "cancelled" if counts["cancelled"] else "completed"
    return batch.shown | {"file_counts": counts, "status": status}


async def _retrieve_batch(exchange: Exchange) -> None:
    await exchange.answer(_batch_shown(_batch(exchange)))


async def _cancel_batch(exchange: Exchange) -> None:
    batch = _batch(exchange)
    for file in batch.inside:
        if file.shown["status"] == "in_progress":
            file.shown["status"] = "cancelled"
    await exchange.answer(_batch_shown(batch))


async def _list_batch(exchange: Exchange) -> None:
    await _answer_files(exchange, _batch(exchange).inside)


_FILES = "vector_stores/{vector_store}/files"
_BATCHES = "vector_stores/{vector_store}/file_batches"
PATHS = {
    _FILES: {"POST": _create, "GET": _list},
    f"{_FILES}/{{file}}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    f"{_FILES}/{{file}}/content": {"GET": _content},
    _BATCHES: {"POST": _create_batch},
    f"{_BATCHES}/{{file_batch}}": {"GET": _retrieve_batch},
    f"{_BATCHES}/{{file_batch}}/cancel": {"POST": _cancel_batch},
    f"{_BATCHES}/{{file_batch}}/files": {"GET": _list_batch},
}
