"""Images: generated, edited, varied. GPT image models report tokens; DALL·E bills by the image and reports nothing."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.drafting import answered_as, tokenizer_of
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.media import picture
from tests.simulators.model_provider.resources.fields import flag, now, number, sent_file, text
from tests.simulators.model_provider.stream import EventStream, Failed, named_event

_DEFAULT = "gpt-image-1"
_SQUARE = "1024x1024"
# Tokens of an image by quality, square or not: https://platform.openai.com/docs/guides/image-generation
_OUTPUT_TOKENS = {"low": (272, 408), "medium": (1056, 1584), "high": (4160, 6240)}
_INPUT_TOKENS = 323
_PARTIAL_TOKENS = 100


@dataclass(frozen=True, slots=True)
class _Wish:
    prompt: str
    number: int
    size: str
    quality: str
    partial: int
    stream: bool
    url: bool
    images: int
    """That were sent along."""


async def generate(exchange: Exchange) -> None:
    """POST .../images/generations."""
    body = exchange.json()
    model = _model(exchange, body)
    await _answer(exchange, model, _wish(body, model, text(body, "prompt"), 0), "image_generation")


async def edit(exchange: Exchange) -> None:
    """POST .../images/edits."""
    body = exchange.form()
    model = _model(exchange, body)
    await _answer(exchange, model, _wish(body, model, text(body, "prompt"), _sent(body)), "image_edit")


async def vary(exchange: Exchange) -> None:
    """POST .../images/variations."""
    body = exchange.form()
    sent_file(body, "image")
    model = _model(exchange, {"model": "dall-e-2", **body})
    if _by_tokens(model):
        raise errors.wrong_value("model", "The model must be 'dall-e-2'.")
    await _answer(exchange, model, _wish(body, model, "", 1), "image_edit")


def _model(exchange: Exchange, body: Mapping[str, Any]) -> Model:
    return exchange.model({"model": _DEFAULT, **{name: value for name, value in body.items() if value is not None}})


def _by_tokens(model: Model) -> bool:
    return not model.name.startswith("dall-e")


def _sent(body: Mapping[str, Any]) -> int:
    images = body.get("image") if body.get("image") is not None else body.get("images")
    if images is None:
        raise errors.missing("image")
    several = images if isinstance(images, list) else [images]
    if not all(isinstance(one, SentFile | dict) for one in several):
        raise errors.wrong_type("image", "a file or several")
    return len(several)


def _wish(body: Mapping[str, Any], model: Model, prompt: str, images: int) -> _Wish:
    by_tokens = _by_tokens(model)
    if by_tokens and body.get("response_format") is not None:
        raise errors.wrong_value("response_format", "Unknown parameter: 'response_format'.", "unknown_parameter")
    most = 1 if model.name == "dall-e-3" else 10
    wanted = number(body, "n", 1)
    if not 1 <= wanted <= most:
        raise errors.wrong_value("n", f"Invalid 'n': expected a value from 1 to {most}, but got {wanted} instead.")
    stream = flag(body, "stream")
    if stream and not by_tokens:
        raise errors.wrong_value("stream", "Streaming is not supported with this model.", "unsupported_parameter")
    quality = body.get("quality") or "auto"
    if quality == "auto":
        quality = "high" if by_tokens else "standard"
    size = body.get("size") or "auto"
    return _Wish(
        prompt=prompt,
        number=wanted,
        size=_SQUARE if size == "auto" else size,
        quality=quality,
        partial=number(body, "partial_images", 0),
        stream=stream,
        url=not by_tokens and body.get("response_format", "url") == "url",
        images=images,
    )


async def _answer(exchange: Exchange, model: Model, wish: _Wish, kind: str) -> None:
    if not _by_tokens(model):
        exchange.bill(Charge(answered_as(model), 0, units={f"image:{wish.size}/{wish.quality}": wish.number}))
        data = [_shown(exchange, model, wish, index) for index in range(wish.number)]
        await exchange.answer({"created": now(), "data": data})
        return
    text_tokens = (await tokenizer_of(model)).count(wish.prompt)
    image_tokens = wish.images * _INPUT_TOKENS
    square, other = _OUTPUT_TOKENS.get(wish.quality, _OUTPUT_TOKENS["high"])
    output = (square if wish.size == _SQUARE else other) * wish.number + wish.partial * wish.number * _PARTIAL_TOKENS
    charge = Charge(answered_as(model), text_tokens + image_tokens, completion_tokens=output)
    charge.units = {"image_output_token": output}
    if image_tokens:
        charge.units["image_input_token"] = image_tokens
    exchange.bill(charge)
    usage = _usage(model, text_tokens, image_tokens, output)
    look = {"background": "opaque", "output_format": "png", "quality": wish.quality, "size": wish.size}
    if wish.stream:
        await _stream(exchange, model, wish, kind, look, usage)
        return
    answer: dict[str, Any] = {"created": now(), **look}
    answer["data"] = [_shown(exchange, model, wish, index) for index in range(wish.number)]
    if not exchange.faults.no_usage:
        answer["usage"] = usage
    await exchange.answer(answer)


def _usage(model: Model, text_tokens: int, image_tokens: int, output: int) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": text_tokens + image_tokens,
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
        "output_tokens": output,
        "total_tokens": text_tokens + image_tokens + output,
    }
    if model.name != "gpt-image-1":  # the first one told its output by one number
        usage["output_tokens_details"] = {"text_tokens": 0, "image_tokens": output}
    return usage


def _encoded(exchange: Exchange, model: Model, wish: _Wish, index: int) -> str:
    seed = f"{model.name}\0{wish.prompt}\0{index}".encode()
    return base64.b64encode(picture(seed, exchange.faults.body_bytes)).decode()


def _shown(exchange: Exchange, model: Model, wish: _Wish, index: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if wish.url:
        shown["url"] = f"https://images.simulated.invalid/{exchange.provider.new_id('img-')}.png"
    else:
        shown["b64_json"] = _encoded(exchange, model, wish, index)
    if model.name == "dall-e-3":
        shown["revised_prompt"] = wish.prompt
    return shown


async def _stream(
    exchange: Exchange, model: Model, wish: _Wish, kind: str, look: dict[str, Any], usage: dict[str, Any]
) -> None:
    stream = EventStream(exchange)
    await stream.start()
    try:
        for index in range(wish.partial):
            part = {"b64_json": _encoded(exchange, model, wish, index), "created_at": now(), **look}
            await stream.chunk(named_event(f"{kind}.partial_image", {**part, "partial_image_index": index}), 0)
        for index in range(wish.number):
            whole = {"b64_json": _encoded(exchange, model, wish, index), "created_at": now(), **look, "usage": usage}
            await stream.chunk(named_event(f"{kind}.completed", whole), 0)
        await stream.end()
    except Failed:
        problem = {"type": "server_error", "code": "server_error", "message": "The image could not be made."}
        await stream.fail(named_event("error", {"error": problem}))


PATHS = {
    "images/generations": {"POST": generate},
    "images/edits": {"POST": edit},
}
VARIATIONS = {"images/variations": {"POST": vary}}
