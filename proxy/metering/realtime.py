"""The usage that a realtime session's events report: each response's, and each transcript of what a caller said."""

from typing import NamedTuple

import msgspec
from msgspec import Struct

from proxy.metering import Tokens
from proxy.metering.figures import Usage
from proxy.metering.usage import TranscriptUsage
from proxy.unreadable import UNREADABLE


class RealtimeUsage(NamedTuple):
    """What one event reports."""

    tokens: Tokens
    transcription: bool  # it is billed by the price of the model that transcribes, not by the session's


class _Response(Struct):
    usage: Usage | None = None


class _Event(Struct):
    type: str = ""
    response: _Response | None = None
    usage: TranscriptUsage | None = None


_decode = msgspec.json.Decoder(_Event).decode
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def usage_of_realtime_event(data: bytes | str) -> RealtimeUsage | None:
    """The usage in a server's event (JSON); None where it reports none that can be read."""
    try:
        event = _decode(data)
    except UNREADABLE:
        return None
    if event.type == "response.done":
        usage = event.response.usage if event.response is not None else None
    elif event.type == _TRANSCRIBED:
        usage = event.usage
    else:
        return None
    tokens = usage.tokens() if usage is not None else None
    return RealtimeUsage(tokens, event.type == _TRANSCRIBED) if tokens is not None else None
