"""The usage object of each endpoint, and the usage of a whole (non-streaming) answer."""

import json
from typing import Any

import msgspec
from msgspec import Struct

from proxy.metering import Tokens

_MOST = 2**31 - 1  # tokens of one call; a figure beyond it is no count, and would not fit the ledger's record


class _InputDetails(Struct):
    cached_tokens: int | None = 0


class _OutputDetails(Struct):
    reasoning_tokens: int | None = 0


class Usage(Struct):
    """Chat's, completions' and embeddings' names, and those of responses; a provider sends one set of them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None

    def tokens(self) -> Tokens | None:
        """The figures, or None where the object holds none that can be true."""
        if self.prompt_tokens is not None:
            total, output = self.prompt_tokens, self.completion_tokens or 0
            before, after = self.prompt_tokens_details, self.completion_tokens_details
        elif self.input_tokens is not None:
            total, output = self.input_tokens, self.output_tokens or 0
            before, after = self.input_tokens_details, self.output_tokens_details
        else:
            return None
        cached = (before.cached_tokens or 0) if before is not None else 0
        reasoning = (after.reasoning_tokens or 0) if after is not None else 0
        if not (0 <= total <= _MOST and 0 <= output <= _MOST and cached >= 0 and reasoning >= 0):
            return None
        return Tokens(total, min(cached, total), output, min(reasoning, output))


class _Answer(Struct):
    usage: Usage | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_any = msgspec.json.Decoder(msgspec.Raw).decode


def is_json(body: bytes) -> bool:
    """Whether an answer that ought to be JSON is any."""
    try:
        _decode_any(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def usage_of_answer(body: bytes) -> Tokens | None:
    """The tokens that a whole answer reports; None where it reports none that can be read."""
    try:
        answer = _decode_answer(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return answer.usage.tokens() if answer.usage is not None else None


def usage_of_tail(tail: bytes) -> Tokens | None:
    """The tokens that the last bytes of a large answer report: its usage object is the last one that is so called."""
    at = tail.rfind(b'"usage"')
    start = tail.find(b"{", at)
    if at == -1 or start == -1:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(tail[start:].decode("utf-8", "replace"))
        return msgspec.convert(value, Usage).tokens()
    except (ValueError, RecursionError):
        return None


def texts_of_answer(body: bytes) -> list[str]:
    """The generated text in a whole answer whose provider reported no usage, for the tokenizer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(answer, dict):
        return []
    found: list[str] = []
    for choice in _dicts(answer.get("choices")):
        found.append(_text(choice.get("text")))
        for message in _dicts([choice.get("message")]):
            found += [_text(message.get(name)) for name in ("content", "reasoning_content", "refusal")]
            for call in _dicts(message.get("tool_calls")):
                found += [_called(function) for function in _dicts([call.get("function")])]
            found += [_called(function) for function in _dicts([message.get("function_call")])]
    for item in _dicts(answer.get("output")):
        found.append(_called(item))
        found += [_text(part.get("text") or part.get("refusal")) for part in _dicts(item.get("content"))]
    return [text for text in found if text]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _called(function: dict[str, Any]) -> str:
    return _text(function.get("name")) + _text(function.get("arguments"))
