"""Embeddings: vectors of length one that say nothing, always the same for the same input."""

import base64
import hashlib
import math
from array import array
from collections.abc import Mapping
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.drafting import answered_as, limit_of, tokenizer_of
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.provider import window_of
from tests.simulators.model_provider.tokens import Tokenizer

_LARGEST = {"text-embedding-3-large": 3072}
_DIMENSIONS = 1536
_MOST_INPUTS = 2048
_INVALID = "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."


async def embeddings(exchange: Exchange) -> None:
    """POST .../embeddings."""
    body = exchange.json()
    model = exchange.model(body)
    dimensions = _dimensions(body, model)
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise errors.wrong_value(
            "encoding_format", f"Invalid value: '{encoding}'. Supported values are: 'float' and 'base64'."
        )
    tokenizer = await tokenizer_of(model)
    inputs = _inputs(body, tokenizer)
    counts = [count for _, count in inputs]
    window = window_of(model)
    if max(counts) > window:
        raise errors.too_long(window, max(counts), "messages")
    charge = Charge(answered_as(model), sum(counts))
    exchange.bill(charge)
    data = []
    for index, (seed, _) in enumerate(inputs):
        vector = _vector(model.name.encode() + b"\0" + seed, dimensions)
        shown: Any = base64.b64encode(vector.tobytes()).decode() if encoding == "base64" else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": shown})
    answer: dict[str, Any] = {"object": "list", "data": data, "model": answered_as(model)}
    if not exchange.faults.no_usage:
        answer["usage"] = {"prompt_tokens": charge.prompt_tokens, "total_tokens": charge.prompt_tokens}
    await exchange.answer(answer)


def _dimensions(body: Mapping[str, Any], model: Model) -> int:
    largest = _LARGEST.get(model.name, _DIMENSIONS)
    wanted = limit_of(body, "dimensions")
    if wanted is None:
        return largest
    if model.name == "text-embedding-ada-002":
        raise errors.wrong_value("dimensions", "This model does not support specifying dimensions.", None)
    if wanted > largest:
        raise errors.wrong_value(
            "dimensions", f"Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {largest}.", None
        )
    return wanted


def _inputs(body: Mapping[str, Any], tokenizer: Tokenizer) -> list[tuple[bytes, int]]:
    """Each input as what its vector is derived from, and its number of tokens: a text and its tokens are the same
    input.
    """
    value = body.get("input")
    if value is None:
        raise errors.missing("input")
    several = (
        [value]
        if isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], int))
        else value
    )
    if not isinstance(several, list) or not several:
        raise errors.wrong_value(
            "input",
            _INVALID,
            None,
        )
    if len(several) > _MOST_INPUTS:
        raise errors.wrong_value(
            "input", f"'$.input' is too long: at most {_MOST_INPUTS} inputs, but got {len(several)}.", None
        )
    found: list[tuple[bytes, int]] = []
    for one in several:
        if isinstance(one, str) and one:
            found.append((array("I", tokenizer.encode(one)).tobytes(), tokenizer.count(one)))
        elif isinstance(one, list) and one and all(isinstance(token, int) and 0 <= token < 1 << 32 for token in one):
            found.append((array("I", one).tobytes(), len(one)))
        else:
            raise errors.wrong_value(
                "input",
                _INVALID,
                None,
            )
    return found


def _vector(seed: bytes, dimensions: int) -> "array[float]":
    raw = array("h", hashlib.shake_128(seed).digest(2 * dimensions))
    length = math.sqrt(sum(one * one for one in raw)) or 1.0
    return array("f", [one / length for one in raw])
