"""Ephemeral keys, with which a client opens a realtime session of its own."""

import time
from typing import Any

from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.realtime.dialect import Dialect, merged

_MINUTES_10 = 600


def _secret(exchange: Exchange) -> dict[str, Any]:
    value = exchange.provider.new_id("ek_")
    exchange.provider.accept_ephemeral(value)
    return {"value": value, "expires_at": int(time.time()) + _MINUTES_10}


async def _client_secret(exchange: Exchange) -> None:
    body = exchange.json()
    given = body.get("session")
    asked: dict[str, Any] = given if isinstance(given, dict) else {}
    transcribes = asked.get("type") == "transcription"
    name = asked.get("model") or "gpt-realtime"
    model = exchange.model({"model": name})
    expires = int(time.time()) + _MINUTES_10
    begun = Dialect(beta=False).session(exchange.provider.new_id("sess_"), model.name, expires, transcribes=transcribes)
    await exchange.answer({**_secret(exchange), "session": merged(begun, asked)})


async def _session(exchange: Exchange) -> None:
    body = exchange.json()
    model = exchange.model({"model": "gpt-4o-realtime-preview", **body})
    begun = Dialect(beta=True).session(exchange.provider.new_id("sess_"), model.name, 0, transcribes=False)
    await exchange.answer({**merged(begun, body), "client_secret": _secret(exchange)})


async def _transcription_session(exchange: Exchange) -> None:
    body = exchange.json()
    shown = {
        "id": exchange.provider.new_id("sess_"),
        "object": "realtime.transcription_session",
        "modalities": ["audio", "text"],
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "", "prompt": ""},
        "turn_detection": None,
    }
    await exchange.answer({**merged(shown, body), "client_secret": _secret(exchange)})


PATHS = {
    "realtime/client_secrets": {"POST": _client_secret},
    "realtime/sessions": {"POST": _session},
    "realtime/transcription_sessions": {"POST": _transcription_session},
}
