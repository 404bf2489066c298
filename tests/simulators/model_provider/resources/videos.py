"""Videos: made, edited, prolonged and mixed anew; each is ready a little later (`ready_after`) and billed by its seconds."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.drafting import answered_as
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.media import picture
from tests.simulators.model_provider.resources.fields import gone, now, sent_file, text
from tests.simulators.model_provider.shelf import Kept

_DEFAULT = {"model": "sora-2", "size": "720x1280"}
_SIZES = ("720x1280", "1280x720", "1024x1792", "1792x1024")
_SECONDS = ("4", "8", "12", "16", "20")
_HOUR = 3600
_BYTES_A_SECOND = 100_000
_PIECE = 64 << 10
_START = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"


async def _make(exchange: Exchange, body: Mapping[str, Any], seconds: str, **fields: Any) -> None:
    """Begin a video, and answer with it."""
    provider = exchange.provider
    prompt = text(body, "prompt")
    model = exchange.model({"model": fields.pop("model", None) or body.get("model") or _DEFAULT["model"]})
    size = fields.pop("size", None) or body.get("size") or _DEFAULT["size"]
    if size not in _SIZES:
        raise errors.wrong_value("size", f"Invalid value: '{size}'. Supported values are: {', '.join(_SIZES)}.")
    if seconds not in _SECONDS:
        raise errors.wrong_value("seconds", f"Invalid value: '{seconds}'. Supported values are: {', '.join(_SECONDS)}.")
    before = int(fields.pop("before", 0))  # seconds that are there already
    created = now()
    shown = {
        "id": provider.new_id("video_"),
        "object": "video",
        "created_at": created,
        "status": "queued",
        "progress": 0,
        "model": answered_as(model),
        "prompt": prompt,
        "seconds": str(before + int(seconds)),
        "size": size,
        "completed_at": None,
        "expires_at": None,
        "error": None,
        "remixed_from_video_id": None,
        **fields,
    }
    video = provider.shelf("video").add(Kept(shown))
    at_first, ends_as = dict(shown), exchange.faults.ends_as or "completed"

    async def finish() -> None:
        if ends_as == "failed":
            problem = {"code": "generation_failed", "message": "The video could not be generated."}
            video.shown.update({"status": "failed", "error": problem})
            return
        ended = now()
        video.shown.update({"status": "completed", "progress": 100, "completed_at": ended, "expires_at": ended + _HOUR})
        units = {f"video_millisecond:{size}": float(int(seconds) * 1000)}
        provider.bill.add(Charge(answered_as(model), 0, units=units), broken_off=False)

    await provider.later(exchange.ready_after, finish)
    await exchange.answer(at_first)


async def _create(exchange: Exchange) -> None:
    body = exchange.form()
    reference = body.get("input_reference")
    if isinstance(reference, dict) and reference.get("file_id"):
        exchange.provider.shelf("file").find(reference["file_id"], status=400, param="input_reference")
    await _make(exchange, body, str(body.get("seconds") or "4"))


def _source(exchange: Exchange, body: Mapping[str, Any]) -> dict[str, Any]:
    """The video that another one is made from: one of the provider's, or one that was sent."""
    given = body.get("video")
    if isinstance(given, SentFile):
        return {**_DEFAULT, "seconds": "4", "id": None}
    if not isinstance(given, dict):
        raise errors.missing("video")
    video = exchange.provider.shelf("video").find(given.get("id"), param="video")
    if video.shown["status"] != "completed":
        raise ApiError(400, f"The video '{video.shown['id']}' is not completed.", param="video")
    return video.shown


async def _edit(exchange: Exchange) -> None:
    body = exchange.form()
    source = _source(exchange, body)
    await _make(exchange, body, source["seconds"], model=source["model"], size=source["size"])


async def _extend(exchange: Exchange) -> None:
    body = exchange.form()
    source = _source(exchange, body)
    await _make(
        exchange, body, text(body, "seconds"), model=source["model"], size=source["size"], before=source["seconds"]
    )


async def _remix(exchange: Exchange) -> None:
    source, body = exchange.kept("video").shown, exchange.json()
    await _make(
        exchange,
        body,
        source["seconds"],
        model=source["model"],
        size=source["size"],
        remixed_from_video_id=source["id"],
    )


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("video").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("video").shown)


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("video").take(exchange.path_params["video"])
    await exchange.answer(gone(exchange.path_params["video"], "video.deleted"))


async def _content(exchange: Exchange) -> None:
    video = exchange.kept("video").shown
    if video["status"] != "completed":
        raise ApiError(404, f"The video '{video['id']}' is not ready: it is {video['status']}.")
    variant = exchange.query.get("variant", ["video"])[0]
    if variant != "video":
        data = picture(video["id"].encode())
        await exchange.answer_bytes([data], len(data), "image/webp" if variant == "thumbnail" else "image/jpeg")
        return
    size = int(video["seconds"]) * _BYTES_A_SECOND
    await exchange.answer_bytes(_pieces(size), size, "video/mp4")


def _pieces(size: int) -> Iterator[bytes]:
    yield _START
    left = size - len(_START)
    nothing = bytes(_PIECE)
    while left > 0:
        yield nothing[:left]
        left -= _PIECE


async def _create_character(exchange: Exchange) -> None:
    body = exchange.form()
    sent_file(body, "video")
    shown = {"id": exchange.provider.new_id("char_"), "created_at": now(), "name": text(body, "name")}
    await exchange.answer(exchange.provider.shelf("character").add(Kept(shown)).shown)


async def _character(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("character").shown)


PATHS = {
    "videos": {"POST": _create, "GET": _list},
    "videos/edits": {"POST": _edit},
    "videos/extensions": {"POST": _extend},
    "videos/characters": {"POST": _create_character},
    "videos/characters/{character}": {"GET": _character},
    "videos/{video}": {"GET": _retrieve, "DELETE": _delete},
    "videos/{video}/content": {"GET": _content},
    "videos/{video}/remix": {"POST": _remix},
}
