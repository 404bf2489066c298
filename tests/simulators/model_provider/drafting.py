"""What a simulated model answers to a prompt: always the same to the same.

Prose from a digest of the model's name, the prompt, `seed` and the choice's index; or what the prompt asks for by one
of a few phrases: `echo TEXT` (the text), `write N tokens` (exactly so many), `call NAME` (that tool, where it was
offered). See tests/simulators/README.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from tests.simulators.model_provider import errors, tokens
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.minimal_json import minimal
from tests.simulators.model_provider.prompt_cache import SMALLEST
from tests.simulators.model_provider.provider import encoding_of, window_of
from tests.simulators.model_provider.tokens import Tokenizer
from tests.simulators.model_provider.words import compose

_ECHO = re.compile(r"\s*echo[:\s]\s*(.*)", re.IGNORECASE | re.DOTALL)
_WRITE = re.compile(r"\bwrite (\d{1,7}) tokens?\b", re.IGNORECASE)
_SHORTEST, _SPREAD = 16, 48
_THOUGHT = 64  # reasoning tokens come in steps of it


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the caller offered."""

    name: str
    parameters: Any


@dataclass(frozen=True, slots=True)
class Wish:
    """What the request says about its answer, in terms that all endpoints share."""

    prompt: str
    """The last thing that the user said."""
    limit: int | None = None
    """Tokens of output, hidden ones among them."""
    stop: Sequence[str] = ()
    tools: Sequence[Tool] = ()
    must_call: str | None = None
    """The name of the tool that has to be called; `*` for any."""
    schema: Any = None
    """The schema that the answer has to fit; True for any JSON object."""
    thinks: bool = False
    seed: bytes = b""


@dataclass(frozen=True, slots=True)
class Draft:
    """One answer, before anything of it is sent: text or the arguments of a tool, in the pieces of a stream."""

    pieces: list[tuple[str, int]]
    """Each with its tokens."""
    finish: str
    """`stop`, `length` or `tool_calls`."""
    reasoning: int = 0
    tool: str | None = None
    name_tokens: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(piece for piece, _ in self.pieces)

    @property
    def tokens(self) -> int:
        """Everything that is charged as output."""
        return sum(size for _, size in self.pieces) + self.reasoning + self.name_tokens


def draft(wish: Wish, tokenizer: Tokenizer, at_least: int = 0) -> Draft:
    """Write the answer; of at least `at_least` bytes, where that is not 0."""
    digest = blake2b(wish.seed, digest_size=8).digest()
    reasoning = (1 + digest[0] % 4) * _THOUGHT if wish.thinks else 0
    if wish.limit is not None and reasoning >= wish.limit:
        return Draft([], "length", reasoning=wish.limit)
    tool = _called(wish)
    if tool is not None:
        arguments = msgspec.json.encode(minimal(tool.parameters) or {}).decode()
        return _limited(
            tokenizer.split(arguments), "tool_calls", wish, reasoning, tool.name, tokenizer.count(tool.name)
        )
    pieces = _written(wish, tokenizer, digest, at_least)
    if wish.stop:
        text = "".join(piece for piece, _ in pieces)
        ends = [found for found in (text.find(stop) for stop in wish.stop if stop) if found >= 0]
        if ends:
            pieces = tokenizer.split(text[: min(ends)])
    return _limited(pieces, "stop", wish, reasoning, None, 0)


def _written(wish: Wish, tokenizer: Tokenizer, digest: bytes, at_least: int) -> list[tuple[str, int]]:
    if wish.schema is not None:
        value = {} if wish.schema is True else minimal(wish.schema)
        return tokenizer.split(msgspec.json.encode(value).decode())
    if at_least:
        # Words are four letters and a space on average, and never less than one letter.
        text, length = "", at_least // 4
        while len(text) < at_least:
            pieces = compose(digest, length)
            text, length = "".join(pieces), length * 2
        return [(piece, 1) for piece in pieces]
    echo = _ECHO.match(wish.prompt)
    if echo and echo[1]:
        return tokenizer.split(echo[1])
    asked = _WRITE.search(wish.prompt)
    length = int(asked[1]) if asked else _SHORTEST + digest[1] % _SPREAD
    return [(piece, 1) for piece in compose(digest, length)]


def _limited(
    pieces: list[tuple[str, int]], finish: str, wish: Wish, reasoning: int, tool: str | None, name_tokens: int
) -> Draft:
    if wish.limit is None:
        return Draft(pieces, finish, reasoning, tool, name_tokens)
    room = wish.limit - reasoning - name_tokens
    for number, (_, size) in enumerate(pieces):
        room -= size
        if room < 0:
            return Draft(pieces[:number], "length", reasoning, tool, name_tokens)
    return Draft(pieces, finish, reasoning, tool, name_tokens)


def _called(wish: Wish) -> Tool | None:
    if not wish.tools:
        return None
    if wish.must_call is not None:
        return next((tool for tool in wish.tools if tool.name == wish.must_call), wish.tools[0])
    said = wish.prompt.lower()
    return next((tool for tool in wish.tools if re.search(rf"\bcall {re.escape(tool.name.lower())}\b", said)), None)


def last_of_user(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last message that the user sent."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return tokens.parts_of(message.get("content"))[0]
    return ""


def seed_of(model: Model, prompt: Any, seed: Any, index: int) -> bytes:
    """What an answer's prose is derived from."""
    return msgspec.json.encode([model.name, prompt, seed, index])


def answered_as(model: Model) -> str:
    """The name in the answers."""
    return model.answers_as or model.name


async def charge_prompt(
    exchange: Exchange, model: Model, texts: Sequence[str], extra: int, param: str, tokenizer: Tokenizer
) -> Charge:
    """Count the prompt, see what of it is cached, and begin the charge.

    Raises:
        ApiError: 400, it does not fit into the model's context; 429, limits are enforced and reached.
    """
    count = sum(map(tokenizer.count, texts)) + extra
    window = window_of(model)
    if count > window:
        raise errors.too_long(window, count, param)
    cached = 0
    if count >= SMALLEST:
        encoded = [token for text in texts for token in tokenizer.encode(text)]
        cached = exchange.provider.prompts.look_up(model.name, encoded)
    charge = Charge(answered_as(model), count, cached)
    exchange.bill(charge)
    return charge


async def tokenizer_of(model: Model) -> Tokenizer:
    """The model's tokenizer, loaded."""
    return await tokens.tokenizer(encoding_of(model))


def limit_of(body: Mapping[str, Any], *names: str) -> int | None:
    """The first of these limits that the request sets.

    Raises:
        ApiError: 400, it is no positive whole number.
    """
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise errors.wrong_type(name, "an integer")
        if value < 1:
            raise errors.wrong_value(
                name,
                f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {value} instead.",
                "integer_below_min_value",
            )
        return value
    return None


def choices_of(body: Mapping[str, Any]) -> int:
    """How many answers are wanted: `n`.

    Raises:
        ApiError: 400, it is out of 1 to 128.
    """
    wanted = body.get("n")
    if wanted is None:
        return 1
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise errors.wrong_type("n", "an integer")
    if not 1 <= wanted <= 128:
        raise errors.wrong_value("n", f"Invalid 'n': expected a value from 1 to 128, but got {wanted} instead.")
    return wanted


def stops_of(body: Mapping[str, Any]) -> list[str]:
    """Where the answer is to stop: `stop`, a string or up to four.

    Raises:
        ApiError: 400, it is something else.
    """
    stop = body.get("stop")
    if stop is None:
        return []
    if isinstance(stop, str):
        return [stop]
    if not isinstance(stop, list) or not all(isinstance(one, str) for one in stop):
        raise errors.wrong_type("stop", "a string or an array of strings")
    if len(stop) > 4:
        raise errors.wrong_value(
            "stop", f"Invalid 'stop': array too long. Expected at most 4, but got {len(stop)} instead."
        )
    return stop


def streaming(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the answer is to be streamed, and whether with its usage at the end.

    Raises:
        ApiError: 400, usage was asked for of an answer that is not a stream.
    """
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise errors.wrong_type("stream", "a boolean")
    options = body.get("stream_options")
    if options is None:
        return bool(stream), False
    if not stream:
        raise errors.wrong_value(
            "stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.", None
        )
    if not isinstance(options, dict):
        raise errors.wrong_type("stream_options", "an object")
    return True, bool(options.get("include_usage"))


def usage_of(charge: Charge) -> dict[str, Any]:
    """The charge as chat and completions report it."""
    units = charge.units or {}
    return {
        "prompt_tokens": charge.prompt_tokens,
        "completion_tokens": charge.completion_tokens,
        "total_tokens": charge.prompt_tokens + charge.completion_tokens,
        "prompt_tokens_details": {
            "cached_tokens": charge.cached_tokens,
            "audio_tokens": units.get("audio_input_token", 0),
        },
        "completion_tokens_details": {
            "reasoning_tokens": charge.reasoning_tokens,
            "audio_tokens": units.get("audio_output_token", 0),
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
