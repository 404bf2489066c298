"""The usage of whole (not streamed) answers, endpoint by endpoint."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.endpoints import Endpoint, Metering
from proxy.metering import Tokens
from proxy.metering.figures import ABSENT, MOST, Usage, milliseconds, positive, under
from proxy.metering.requests import Request, fields_of, image_unit
from proxy.metering.tools import svg_units, tool_units
from proxy.unreadable import UNREADABLE

TERMINAL_RUN = frozenset({"completed", "failed", "cancelled", "expired", "incomplete"})
_CHAT = Metering.CHAT
_UNFINISHED_RESPONSE = frozenset({"queued", "in_progress"})


class _Answer(Struct):
    usage: Usage | None = None
    service_tier: Raw = ABSENT


class Response(Struct):
    """A response, whole or within the event that ends its stream."""

    usage: Usage | None = None
    service_tier: Raw = ABSENT
    output: Raw = ABSENT
    tool_usage: Raw = ABSENT
    background: Any = None

    def tokens(self) -> Tokens | None:
        tokens = self.usage.tokens() if self.usage is not None else None
        if tokens is None:
            return None
        used = tool_units(self.output, self.tool_usage)
        return under(tokens._replace(units=(*tokens.units, *used)) if used else tokens, self.service_tier)


class Images(Struct):
    """Made images, or the event that brings one."""

    usage: Usage | None = None
    data: list[Raw] | None = None
    size: Any = None
    quality: Any = None
    svg_usage: Any = None


class TranscriptUsage(Usage):
    """A transcript's: tokens, or the length of the audio."""

    seconds: float | None = None

    def tokens(self) -> Tokens | None:
        if self.seconds is not None:
            return _audio(self.seconds)
        tokens = Usage.tokens(self)
        if tokens is not None and self.input_token_details is None and self.input_tokens_details is None:
            return tokens._replace(units=positive(("audio_input_token", tokens.input - tokens.cached)))
        return tokens


class Transcript(Struct):
    """A transcript, whole or within the event that ends its stream."""

    usage: TranscriptUsage | None = None
    duration: float | None = None

    def tokens(self) -> Tokens | None:
        if self.usage is not None:
            return self.usage.tokens()
        return _audio(self.duration) if self.duration is not None else None


def _audio(seconds: float) -> Tokens | None:
    length = milliseconds(seconds)
    return Tokens(units=positive(("audio_millisecond", length))) if length is not None else None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_response = msgspec.json.Decoder(Response).decode
_decode_images = msgspec.json.Decoder(Images).decode
_decode_transcript = msgspec.json.Decoder(Transcript).decode
_decode_any = msgspec.json.Decoder(Raw).decode


def is_json(body: bytes) -> bool:
    """Whether an answer that ought to be JSON is any."""
    try:
        _decode_any(body)
    except UNREADABLE:
        return False
    return True


def usage_of_answer(endpoint: Endpoint, body: bytes, request: Request = None) -> Tokens | None:
    """What a whole answer reports; None where it reports nothing that can be read. `request`: what was asked for, where an
    answer does not say what it is (the size and quality of an image)."""
    metering = endpoint.metering
    read = _of_text if metering is _CHAT else _READERS.get(metering)  # an Enum's hash is Python's work
    if read is None:
        return None
    try:
        return read(body, request)
    except UNREADABLE:
        return None


def _of_text(body: bytes, request: Request) -> Tokens | None:
    answer = _decode_answer(body)
    usage = answer.usage
    if usage is None:
        return None
    tier = answer.service_tier
    return usage.tokens() if tier is ABSENT else under(usage.tokens(), tier)


def _of_response(body: bytes, request: Request) -> Tokens | None:
    return _decode_response(body).tokens()


def _of_images(body: bytes, request: Request) -> Tokens | None:
    return tokens_of_images(_decode_images(body), request)


def tokens_of_images(answer: Images, request: Request) -> Tokens | None:
    """Tokens where the model is sold by them, else the images. A usage object that cannot be true is none."""
    written = svg_units(answer.svg_usage)
    if answer.usage is None:
        count = len(answer.data or ())
        if not 0 < count <= MOST:
            return None
        unit = image_unit(fields_of(request), answer.size, answer.quality)
        return Tokens(units=((unit, count), *written))
    tokens = answer.usage.tokens()
    if tokens is None:
        return None
    units = tokens.units
    if answer.usage.output_tokens_details is None:  # all that comes out is image
        units += positive(("image_output_token", tokens.output))
    return tokens._replace(units=(*units, *written))


def _of_transcript(body: bytes, request: Request) -> Tokens | None:
    return _decode_transcript(body).tokens()


_READERS: dict[Metering, Callable[[bytes, Request], Tokens | None]] = {
    Metering.CHAT: _of_text,
    Metering.COMPLETIONS: _of_text,
    Metering.EMBEDDINGS: _of_text,
    Metering.RUN: _of_text,
    Metering.RESPONSES: _of_response,
    Metering.IMAGES: _of_images,
    Metering.TRANSCRIPTION: _of_transcript,
}


class _State(Struct):
    object: str | None = None
    status: str | None = None


_decode_state = msgspec.json.Decoder(_State).decode


def is_pending(endpoint: Endpoint, body: bytes) -> bool:
    """Whether an answer says that the work goes on without its caller: what it used is known when it has ended."""
    if endpoint.metering not in (Metering.RESPONSES, Metering.RUN):
        return False
    try:
        state = _decode_state(body)
    except UNREADABLE:
        return False
    if endpoint.metering is Metering.RUN:
        return state.status is not None and state.status not in TERMINAL_RUN
    return state.status in _UNFINISHED_RESPONSE


def usage_of_ends(endpoint: Endpoint, head: bytes, tail: bytes) -> Tokens | None:
    """What the first and the last bytes of a large answer report: its usage object is the last one that is so called."""
    if endpoint.metering not in _READERS:
        return None
    whole = {
        "usage": _last(tail, b'"usage"'),
        "tool_usage": _last(tail, b'"tool_usage"'),
        "service_tier": _last(tail, b'"service_tier"') or _last(head, b'"service_tier"'),
        "duration": _last(head, b'"duration"'),  # of a transcript
    }
    return usage_of_answer(endpoint, msgspec.json.encode(whole))


def _last(tail: bytes, name: bytes) -> Any:
    """The value of the last field of a name; None where there is none, or half of one."""
    at = tail.rfind(name)
    start = tail.find(b":", at + len(name))
    if at == -1 or start == -1:
        return None
    try:
        return json.JSONDecoder().raw_decode(tail[start + 1 :].decode("utf-8", "replace").lstrip())[0]
    except (ValueError, RecursionError):
        return None


def texts_of_answer(endpoint: Endpoint, body: bytes) -> list[str]:
    """The generated text in a whole answer whose provider reported no usage, for the tokenizer."""
    if endpoint.metering is Metering.SPEECH:
        return []
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return [body.decode("utf-8", "replace")] if endpoint.metering is Metering.TRANSCRIPTION else []
    if not isinstance(answer, dict):
        return []
    found = [_text(answer.get("text"))]
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
