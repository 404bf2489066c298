"""Files: uploaded as forms, listed, fetched and deleted.

Its first 8 MiB are kept (`forms.KEPT`); what came behind them is answered as zeros, so that a large one costs nothing.
"""

from collections.abc import Iterator
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources.fields import gone, now, one_of, sent_file, whole
from tests.simulators.model_provider.shelf import Kept

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_PIECE = 256 << 10
_DAYS_30 = 30 * 86400


def keep(provider: Provider, sent: SentFile, purpose: str, expires_after: Any = None) -> Kept:
    """Keep a file, a caller's or the provider's own."""
    shown: dict[str, Any] = {
        "id": provider.new_id("file-"),
        "object": "file",
        "bytes": sent.size,
        "created_at": now(),
        "filename": sent.filename,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
        "expires_at": None,
    }
    if isinstance(expires_after, dict):
        shown["expires_at"] = shown["created_at"] + whole(expires_after, "seconds")
    elif purpose == "batch":
        shown["expires_at"] = shown["created_at"] + _DAYS_30
    return provider.shelf("file").add(Kept(shown, inside=sent))


def pieces(sent: SentFile) -> Iterator[bytes]:
    """A file's content, as a download gives it."""
    for start in range(0, len(sent.content), _PIECE):
        yield sent.content[start : start + _PIECE]
    missing = sent.size - len(sent.content)
    nothing = bytes(_PIECE)
    while missing > 0:
        yield nothing[:missing]
        missing -= _PIECE


async def send(exchange: Exchange, sent: SentFile) -> None:
    """Answer with a file's content."""
    await exchange.answer_bytes(
        pieces(sent),
        sent.size,
        "application/octet-stream",
        content_disposition=f'attachment; filename="{sent.filename.encode("ascii", "replace").decode()}"',
    )


async def _create(exchange: Exchange) -> None:
    form = exchange.form()
    purpose = one_of(form, "purpose", PURPOSES)
    sent = sent_file(form, "file")
    if not sent.size:
        raise errors.wrong_value("file", "File is empty.", None)
    await exchange.answer(keep(exchange.provider, sent, purpose, form.get("expires_after")).shown)


async def _list(exchange: Exchange) -> None:
    purpose = exchange.query.get("purpose", [""])[0]
    shelf = exchange.provider.shelf("file")
    await exchange.answer(
        shelf.page(
            exchange.query, match=lambda shown: not purpose or shown["purpose"] == purpose, limit=10_000, most=10_000
        )
    )


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("file").shown)


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("file").take(exchange.path_params["file"])
    await exchange.answer(gone(exchange.path_params["file"], "file"))


async def _content(exchange: Exchange) -> None:
    await send(exchange, exchange.kept("file").inside)


PATHS = {
    "files": {"POST": _create, "GET": _list},
    "files/{file}": {"GET": _retrieve, "DELETE": _delete},
    "files/{file}/content": {"GET": _content},
}
