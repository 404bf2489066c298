"""What a request says of its usage, where a provider reports nothing: a count from what was sent, and from what came."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proxy.endpoints import Endpoint, Metering
from proxy.metering import Tokens
from proxy.metering.figures import decode_any, milliseconds, variant
from proxy.unreadable import UNREADABLE

Request = Mapping[str, Any] | bytes | None
"""A request's fields (of a form: as texts), or its JSON body."""

# What the models that are sold by the image make where nobody says otherwise
# (https://platform.openai.com/docs/api-reference/images/create).
_SIZE, _QUALITY = "1024x1024", "standard"
_MOST_IMAGES = 1024

# A cue of SRT or WebVTT: when it begins and ends.
_CUE = re.compile(r"[\d:]+[.,]\d{3} --> (?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{3})")
_TAIL = 4096  # characters: the last cue stands in them


def usage_of_request(endpoint: Endpoint, request: Request, received: Sequence[str] = ()) -> Tokens | None:
    """What can be counted without the provider's figures; None where it is text tokens, which the tokenizer counts."""
    metering = endpoint.metering
    if metering is Metering.IMAGES:
        fields = fields_of(request)
        return Tokens(units=((image_unit(fields), images_asked(fields)),))
    if metering is Metering.SPEECH:
        text = plain(fields_of(request).get("input"))
        return Tokens(units=(("character", len(text)),)) if isinstance(text, str) and text else Tokens()
    if metering is Metering.TRANSCRIPTION:
        return _audio("".join(received))
    return None


def fields_of(request: Request) -> Mapping[str, Any]:
    """A request's fields; none where it is no JSON object."""
    if isinstance(request, bytes):
        try:
            fields = decode_any(request)
        except UNREADABLE:
            return {}
        return fields if isinstance(fields, dict) else {}
    return request or {}


def plain(value: Any) -> Any:
    """A field's value; None where it cannot be read."""
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return decode_any(value)
    except UNREADABLE:
        return None


def image_unit(fields: Mapping[str, Any], size: object = None, quality: object = None) -> str:
    """The unit of an image, of a size and quality that the provider says, else that were asked for."""
    size = size or plain(fields.get("size")) or _SIZE
    quality = quality or plain(fields.get("quality")) or _QUALITY
    return f"image:{variant(size, quality)}"


def images_asked(fields: Mapping[str, Any]) -> int:
    """How many images were asked for."""
    asked = plain(fields.get("n"))
    if isinstance(asked, str) and asked.isdecimal() and len(asked) <= 4:
        asked = int(asked)
    return min(asked, _MOST_IMAGES) if type(asked) is int and asked > 1 else 1


def _audio(received: str) -> Tokens:
    """The end of a transcript's last cue is as long as its audio at least; of a plain transcript nothing is known."""
    ends = [
        (int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)) + int(thousandths) / 1000
        for hours, minutes, seconds, thousandths in _CUE.findall(received[-_TAIL:])
    ]
    length = milliseconds(max(ends, default=0.0))
    return Tokens(units=(("audio_millisecond", length),) if length else (("audio_file", 1),))
