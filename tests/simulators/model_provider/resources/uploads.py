"""Uploads: a large file in parts, put together in the end."""

import hashlib

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import KEPT, SentFile
from tests.simulators.model_provider.resources import files
from tests.simulators.model_provider.resources.fields import now, one_of, sent_file, text, texts, whole
from tests.simulators.model_provider.shelf import Kept

_HOUR = 3600


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    created = now()
    shown = {
        "id": exchange.provider.new_id("upload_"),
        "object": "upload",
        "bytes": whole(body, "bytes"),
        "created_at": created,
        "filename": text(body, "filename"),
        "purpose": one_of(body, "purpose", files.PURPOSES),
        "status": "pending",
        "expires_at": created + _HOUR,
        "file": None,
    }
    text(body, "mime_type")
    exchange.provider.shelf("upload").add(Kept(shown, inside=body))
    await exchange.answer(shown)


async def _add_part(exchange: Exchange) -> None:
    upload = _pending(exchange)
    sent = sent_file(exchange.form(), "data")
    part = {
        "id": exchange.provider.new_id("part_"),
        "object": "upload.part",
        "created_at": now(),
        "upload_id": upload.shown["id"],
    }
    upload.part("part").add(Kept(part, inside=sent))
    await exchange.answer(part)


async def _complete(exchange: Exchange) -> None:
    upload, body = _pending(exchange), exchange.json()
    wanted = texts(body, "part_ids")
    if not wanted:
        raise errors.missing("part_ids")
    parts = [upload.part("part").find(one, status=400, param="part_ids").inside for one in wanted]
    together = _joined(upload.shown["filename"], upload.inside["mime_type"], parts)
    if together.size != upload.shown["bytes"]:
        raise errors.wrong_value(
            "part_ids",
            f"The parts have {together.size} bytes together, but the upload was created for {upload.shown['bytes']}.",
        )
    md5 = hashlib.md5(together.content, usedforsecurity=False).hexdigest()
    if body.get("md5") and together.whole and body["md5"] != md5:
        raise errors.wrong_value("md5", f"The checksum does not match: the parts' is {md5}.")
    kept = files.keep(exchange.provider, together, upload.shown["purpose"], upload.inside.get("expires_after"))
    upload.shown |= {"status": "completed", "file": kept.shown}
    await exchange.answer(upload.shown)


async def _cancel(exchange: Exchange) -> None:
    upload = _pending(exchange)
    upload.shown["status"] = "cancelled"
    await exchange.answer(upload.shown)


def _pending(exchange: Exchange) -> Kept:
    upload = exchange.kept("upload")
    if upload.shown["status"] != "pending":
        raise ApiError(400, f"The upload is {upload.shown['status']}: nothing can be done with it any longer.")
    return upload


def _joined(filename: str, content_type: str, parts: list[SentFile]) -> SentFile:
    """The whole; its digest is that of what was kept."""
    content = b"".join(part.content for part in parts)
    size = sum(part.size for part in parts)
    return SentFile(filename, content_type, size, hashlib.sha256(content).hexdigest(), content[:KEPT])


PATHS = {
    "uploads": {"POST": _create},
    "uploads/{upload}/parts": {"POST": _add_part},
    "uploads/{upload}/complete": {"POST": _complete},
    "uploads/{upload}/cancel": {"POST": _cancel},
}
