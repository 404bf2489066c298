"""Counting tokens with OpenAI's own encodings, and what a prompt costs in them.

The tokenizer takes a second to load, so it is imported at first use, in a thread, never at start.
"""

import asyncio
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

O200K = "o200k_base"
CL100K = "cl100k_base"

# Everything older than gpt-4o, with Azure's spelling of 3.5, and every embedding model.
_CL100K_MODELS = re.compile(r"^(gpt-4(?!o|\.)|gpt-3|gpt-35|text-embedding-|davinci-002|babbage-002)")
_REASONING_MODELS = re.compile(r"^(o\d|gpt-5(?!.*-chat))")

# OpenAI's cookbook, "How to count tokens with tiktoken": three tokens frame each message, one more goes with a name,
# and three prime
# the answer. https://github.com/openai/openai-cookbook/blob/main/examples/How_to_count_tokens_with_tiktoken.ipynb
PER_MESSAGE = 3
PER_NAME = 1
PRIMING = 3
# An image at `detail: low`. The simulator looks at no image.
PER_IMAGE = 85


def encoding_of(model: str) -> str:
    """The encoding of a model by its name; a name nobody knows is taken for a recent one."""
    return CL100K if _CL100K_MODELS.match(model) else O200K


def reasons(model: str) -> bool:
    """Whether the model thinks in hidden tokens before it answers (o1, o3, o4-mini, gpt-5 and theirs)."""
    return _REASONING_MODELS.match(model) is not None


class Tokenizer:
    """One encoding, loaded."""

    def __init__(self, encoding: str) -> None:
        from bpe_openai import _bindings

        self._bpe: Any = _bindings.tokenizer_for_encoding(encoding)
        self._bpe.count("ready")  # the tables are unpacked at the first use

    def count(self, text: str) -> int:
        """The number of tokens of a text; special tokens in it count as the text they are."""
        return int(self._bpe.count(text)) if text else 0

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""
        encoded: list[int] = self._bpe.encode(text)
        return encoded

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens.

        Raises:
            ValueError: they do not end on a whole character.
        """
        text: str = self._bpe.decode(tokens)
        return text

    def split(self, text: str) -> list[tuple[str, int]]:
        """The text in the pieces that a stream sends, each with its tokens: one, or as many as it takes to end on a
        whole character.
        """
        pieces: list[tuple[str, int]] = []
        waiting: list[int] = []
        for token in self.encode(text):
            waiting.append(token)
            try:
                pieces.append((self.decode(waiting), len(waiting)))
            except (ValueError, OverflowError):
                continue
            waiting = []
        return pieces


_loaded: dict[str, Tokenizer] = {}
_loading = threading.Lock()


def _load(encoding: str) -> Tokenizer:
    with _loading:
        if encoding not in _loaded:
            _loaded[encoding] = Tokenizer(encoding)
    return _loaded[encoding]


async def tokenizer(encoding: str) -> Tokenizer:
    """The tokenizer of an encoding; the first to ask waits while it loads, in a thread."""
    loaded = _loaded.get(encoding)
    return loaded if loaded is not None else await asyncio.to_thread(_load, encoding)


async def load_usual() -> None:
    """Load what most requests ask for, so that the first need not wait; the other encoding takes its 50 MB when needed."""
    await tokenizer(O200K)


def parts_of(content: Any) -> tuple[str, int]:
    """The text of a message's content, a string or a list of parts, and the number of images in it."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        return "", 0
    texts: list[str] = []
    images = 0
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            if isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif isinstance(part.get("refusal"), str):
                texts.append(part["refusal"])
            elif str(part.get("type", "")).endswith(("image_url", "image")):
                images += 1
    return "\n".join(texts), images


def prompt_texts(messages: Iterable[Mapping[str, Any]], tools: Any = None) -> tuple[list[str], int]:
    """What of a prompt is tokenised, in order, and the tokens that come on top: framing, names, priming, images.

    Definitions of tools are counted as their compact JSON; the provider's own way of writing them is not published.
    """
    texts: list[str] = []
    extra = PRIMING
    for message in messages:
        extra += PER_MESSAGE
        text, images = parts_of(message.get("content"))
        extra += images * PER_IMAGE
        texts += [str(message.get("role", "")), text]
        if isinstance(message.get("name"), str):
            extra += PER_NAME
            texts.append(message["name"])
        for call in message.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping):
                texts += [str(function.get("name", "")), str(function.get("arguments", ""))]
    if tools:
        texts.insert(0, msgspec.json.encode(tools).decode())
    return texts, extra
