"""The two ways in which realtime events and sessions are written: today's, and the beta's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PCM: dict[str, Any] = {"type": "audio/pcm", "rate": 24000}
_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "create_response": True,
    "interrupt_response": True,
}
_BYTES_A_SECOND = {"audio/pcm": 48_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
_BETA_BYTES_A_SECOND = {"pcm16": 48_000, "g711_ulaw": 8_000, "g711_alaw": 8_000}
_BETA_NAMES = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a session speaks."""

    beta: bool

    def name(self, event: str) -> str:
        """A server event's name."""
        return _BETA_NAMES.get(event, event) if self.beta else event

    def session(self, session_id: str, model: str, expires_at: int, *, transcribes: bool) -> dict[str, Any]:
        """A session before anything was asked of it."""
        begun: dict[str, Any] = {"id": session_id, "object": "realtime.session", "expires_at": expires_at}
        if self.beta:
            return {
                **begun,
                "model": model,
                "modalities": ["audio", "text"],
                "instructions": "",
                "voice": "alloy",
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "input_audio_transcription": None,
                "turn_detection": _VAD,
                "tools": [],
                "tool_choice": "auto",
                "temperature": 0.8,
                "max_response_output_tokens": "inf",
            }
        listening = {"format": _PCM, "transcription": None, "noise_reduction": None, "turn_detection": _VAD}
        if transcribes:
            heard = {**listening, "transcription": {"model": "gpt-4o-transcribe"}}
            return {
                **begun,
                "object": "realtime.transcription_session",
                "type": "transcription",
                "audio": {"input": heard},
            }
        return {
            **begun,
            "type": "realtime",
            "model": model,
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "include": None,
            "audio": {"input": listening, "output": {"format": _PCM, "voice": "alloy", "speed": 1.0}},
        }

    def transcriber(self, session: Mapping[str, Any]) -> str | None:
        """The model that writes down what is heard."""
        asked = (
            session.get("input_audio_transcription")
            if self.beta
            else (session.get("audio") or {}).get("input", {}).get("transcription")
        )
        return str(asked.get("model") or "whisper-1") if isinstance(asked, Mapping) else None

    def seconds(self, session: Mapping[str, Any], size: int) -> float:
        """How long so many bytes of input last."""
        if self.beta:
            return size / _BETA_BYTES_A_SECOND.get(session.get("input_audio_format", "pcm16"), 48_000)
        form = (session.get("audio") or {}).get("input", {}).get("format") or _PCM
        return size / _BYTES_A_SECOND.get(form.get("type", "audio/pcm"), 48_000)

    def aloud(self, session: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
        """Whether a response is to be said."""
        name = "modalities" if self.beta else "output_modalities"
        return "audio" in (asked.get(name) or session.get(name) or ("audio",))

    def limit(self, session: Mapping[str, Any], asked: Mapping[str, Any]) -> int | None:
        """The tokens that a response may have."""
        names = ("max_response_output_tokens", "max_output_tokens")
        for one in (asked, session):
            for name in names:
                if isinstance(one.get(name), int):
                    return int(one[name])
        return None

    def response(self, response_id: str, conversation: str, aloud: bool, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A response before anything of it was sent."""
        modalities = ["audio"] if aloud else ["text"]
        if self.beta and aloud:
            modalities = ["audio", "text"]
        return {
            "id": response_id,
            "object": "realtime.response",
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": conversation,
            "modalities" if self.beta else "output_modalities": modalities,
            "metadata": asked.get("metadata"),
            "usage": None,
        }

    def output_types(self) -> tuple[str, str]:
        """What parts of an answer's content are called: text, sound."""
        return ("text", "audio") if self.beta else ("output_text", "output_audio")


def merged(session: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A session with what was asked of it; objects are changed within."""
    for name, value in changes.items():
        within = session.get(name)
        if isinstance(value, Mapping) and isinstance(within, dict):
            session[name] = merged(dict(within), value)
        else:
            session[name] = value
    return session
