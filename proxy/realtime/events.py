"""Realtime events: a caller's as fields that can be checked and sent on, a provider's as far as metering needs it."""

import secrets
from typing import Any

import msgspec
from msgspec import Struct

from proxy.bodies import JsonBody
from proxy.errors import Refusal
from proxy.unreadable import UNREADABLE

_encode = msgspec.json.Encoder().encode

CLIENT_EVENTS = frozenset(
    {
        "session.update",
        "transcription_session.update",  # the beta's
        "conversation.item.create",
        "conversation.item.delete",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "input_audio_buffer.append",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "output_audio_buffer.clear",
        "response.cancel",
        "response.create",
    }
)


class ClientEvent:
    """What a caller sends. What goes on is exactly what was checked: a key that stands twice is sent once."""

    __slots__ = ("body", "id", "size", "type")

    def __init__(self, data: bytes) -> None:
        """Raises `Refusal` (400) for what is no event."""
        self.body = body = JsonBody(data)
        self.size = len(data)
        kind = body.read("type") if "type" in body.fields else None
        given = body.read("event_id") if "event_id" in body.fields else None
        self.id = given if isinstance(given, str) else None
        if not isinstance(kind, str) or kind not in CLIENT_EVENTS:
            known = ", ".join(sorted(CLIENT_EVENTS))
            raise EventRefused(
                Refusal(
                    400,
                    "unknown_event",
                    f"The gateway forwards no event of the type '{str(kind)[:64]}'. It knows {known}.",
                    param="type",
                ),
                self.id,
            )
        self.type: str = kind

    def named(self) -> str:
        """Its id, given where the caller gave none: a provider's error says which event it is about."""
        if self.id is None:
            self.id = new_id()
            self.put("event_id", self.id)
        return self.id

    def value(self, name: str) -> Any:
        """A field's value; None where it is not there."""
        return self.body.read(name) if name in self.body.fields else None

    def put(self, name: str, value: Any) -> None:
        """Set a field."""
        self.body.fields[name] = msgspec.Raw(_encode(value))

    def text(self) -> str:
        """As it is sent on."""
        return _encode(self.body.fields).decode()


class EventRefused(Exception):
    """An event that does not go on, with its id."""

    def __init__(self, refusal: Refusal, event_id: str | None) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.event_id = event_id


def new_id() -> str:
    """An event's id."""
    return "event_" + secrets.token_hex(12)


def event(kind: str, **fields: Any) -> str:
    """An event of the gateway's own."""
    return _encode({"type": kind, "event_id": new_id(), **fields}).decode()


def error_event(refusal: Refusal, event_id: str | None) -> str:
    """What a caller is told of a refusal within a session, in the provider's shape."""
    error = {
        "type": refusal.kind,
        "code": refusal.code,
        "message": refusal.message,
        "param": refusal.param,
        "event_id": event_id,
    }
    return event("error", error=error)


class _Named(Struct):
    id: Any = None
    status: Any = None
    event_id: Any = None


class ServerEvent(Struct):
    """What of a provider's event the gateway acts on."""

    type: str = ""
    response_id: str | None = None
    delta: Any = None
    response: _Named | None = None
    error: _Named | None = None
    session: msgspec.Raw = msgspec.Raw()


_decode_server = msgspec.json.Decoder(ServerEvent).decode


def read_server_event(data: str) -> ServerEvent | None:
    """None for what cannot be read: it is passed on all the same."""
    try:
        return _decode_server(data)
    except UNREADABLE:
        return None


def characters_a_token(session: msgspec.Raw) -> int | None:
    """How much base64 of a session's output audio is one token (20 for a second); None where it says no format."""
    try:
        shown = msgspec.json.decode(session)
    except UNREADABLE:
        return None
    if not isinstance(shown, dict):
        return None
    form = shown.get("output_audio_format")
    if form is None:
        audio = shown.get("audio")
        output = audio.get("output") if isinstance(audio, dict) else None
        given = output.get("format") if isinstance(output, dict) else None
        form = given.get("type") if isinstance(given, dict) else None
    if not isinstance(form, str):
        return None
    return _G711 if form in _G711_FORMATS else PCM16


PCM16 = 48_000 // 20 * 4 // 3
_G711 = 8_000 // 20 * 4 // 3
_G711_FORMATS = frozenset({"audio/pcmu", "audio/pcma", "g711_ulaw", "g711_alaw"})
