"""Chats that speak and listen: what sound costs, and how an answer that is said aloud is told."""

import base64
import binascii
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.drafting import Draft
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.media import SOUNDS, seconds_of, seconds_to_say, sound
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources.fields import one_of

HEARD_A_SECOND = 10
"""Tokens of a second of sound that is listened to."""
SAID_A_SECOND = 20
"""Tokens of a second of sound that is said."""
_HOUR = 3600


def heard(messages: Iterable[Mapping[str, Any]]) -> int:
    """The tokens of the sounds in a chat's messages.

    Raises:
        ApiError: 400, one is no base64.
    """
    tokens = 0
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            given = part.get("input_audio") if isinstance(part, Mapping) else None
            if isinstance(given, Mapping):
                tokens += sound_tokens(given.get("data"), "input_audio.data")
    return tokens


def sound_tokens(data: Any, param: str) -> int:
    """The tokens of a sound in base64: a WAV, or something of 128 kbit/s.

    Raises:
        ApiError: 400, it is no base64.
    """
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise errors.wrong_value(param, f"Invalid '{param}': expected base64.") from error
    return max(round(seconds_of(SentFile("", "", len(raw), "", raw)) * HEARD_A_SECOND), 1)


def format_of(body: Mapping[str, Any]) -> str | None:
    """The format in which the answer is to be said; None: it is not.

    Raises:
        ApiError: 400, it is to be said, and not how.
    """
    if "audio" not in (body.get("modalities") or ()):
        return None
    audio = body.get("audio")
    if not isinstance(audio, Mapping) or audio.get("voice") is None:
        raise errors.missing("audio.voice")
    return one_of(audio, "format", SOUNDS)


def said_tokens(draft: Draft) -> int:
    """The tokens of a text that is said aloud, beside those of the text."""
    return max(round(seconds_to_say(draft.text) * SAID_A_SECOND), 1)


def add_said(charge: Charge, tokens: int) -> None:
    """Charge for a sound."""
    charge.completion_tokens += tokens
    charge.units = charge.units or {}
    charge.units["audio_output_token"] = charge.units.get("audio_output_token", 0) + tokens


def add_heard(charge: Charge, tokens: int) -> None:
    """Say which of the prompt's tokens are sound."""
    if tokens:
        charge.units = (charge.units or {}) | {"audio_input_token": tokens}


def shown(provider: Provider, draft: Draft, kind: str) -> dict[str, Any]:
    """`message.audio` of an answer."""
    pieces, _, _ = sound(seconds_to_say(draft.text), kind)
    return {
        "id": provider.new_id("audio_"),
        "expires_at": int(time.time()) + _HOUR,
        "data": base64.b64encode(b"".join(pieces)).decode(),
        "transcript": draft.text,
    }
