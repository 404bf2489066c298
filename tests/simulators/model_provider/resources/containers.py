"""Containers and their files."""

from tests.simulators.model_provider import errors, references
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.resources import files
from tests.simulators.model_provider.resources.fields import gone, now, text, texts
from tests.simulators.model_provider.shelf import Kept


def _add(exchange: Exchange, container: Kept, sent: SentFile, source: str) -> Kept:
    shown = {
        "id": exchange.provider.new_id("cfile_"),
        "object": "container.file",
        "container_id": container.shown["id"],
        "created_at": now(),
        "bytes": sent.size,
        "path": f"/mnt/data/{sent.filename}",
        "source": source,
    }
    return container.part("container_file").add(Kept(shown, inside=sent))


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    references.check(exchange.provider, {"file_ids": texts(body, "file_ids")})
    created = now()
    shown = {
        "id": exchange.provider.new_id("cntr_"),
        "object": "container",
        "created_at": created,
        "status": "running",
        "name": text(body, "name"),
        "expires_after": body.get("expires_after") or {"anchor": "last_active_at", "minutes": 20},
        "last_active_at": created,
        "memory_limit": body.get("memory_limit") or "1g",
        "network_policy": {"type": "disabled"},
    }
    container = exchange.provider.shelf("container").add(Kept(shown))
    for wanted in texts(body, "file_ids"):
        _add(exchange, container, exchange.provider.shelf("file").find(wanted).inside, "user")
    await exchange.answer(shown)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("container").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("container").shown)


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("container").take(exchange.path_params["container"])
    await exchange.answer(gone(exchange.path_params["container"], "container.deleted"))


async def _create_file(exchange: Exchange) -> None:
    container, body = exchange.kept("container"), exchange.form()
    sent = body.get("file")
    if not isinstance(sent, SentFile):
        if body.get("file_id") is None:
            raise errors.missing("file")
        sent = exchange.provider.shelf("file").find(text(body, "file_id"), status=400, param="file_id").inside
    await exchange.answer(_add(exchange, container, sent, "user").shown)


async def _list_files(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("container").part("container_file").page(exchange.query))


def _file(exchange: Exchange) -> Kept:
    return exchange.kept("container").part("container_file").find(exchange.path_params["container_file"])


async def _retrieve_file(exchange: Exchange) -> None:
    await exchange.answer(_file(exchange).shown)


async def _delete_file(exchange: Exchange) -> None:
    exchange.kept("container").part("container_file").take(exchange.path_params["container_file"])
    await exchange.answer(gone(exchange.path_params["container_file"], "container.file.deleted"))


async def _file_content(exchange: Exchange) -> None:
    await files.send(exchange, _file(exchange).inside)


_FILES = "containers/{container}/files"
PATHS = {
    "containers": {"POST": _create, "GET": _list},
    "containers/{container}": {"GET": _retrieve, "DELETE": _delete},
    _FILES: {"POST": _create_file, "GET": _list_files},
    f"{_FILES}/{{container_file}}": {"GET": _retrieve_file, "DELETE": _delete_file},
    f"{_FILES}/{{container_file}}/content": {"GET": _file_content},
}
