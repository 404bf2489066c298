"""Transcriptions and translations: prose derived from the sound's digest, two and a half words a second.

Whisper bills by the second; the models after it by tokens, ten for a second of sound.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.drafting import answered_as, tokenizer_of
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.media import seconds_of
from tests.simulators.model_provider.resources.fields import flag, one_of, sent_file
from tests.simulators.model_provider.stream import DONE, EventStream, Failed, named_event
from tests.simulators.model_provider.words import compose

TOKENS_A_SECOND = 10
_WORDS_A_SECOND = 2.5
_WHISPER_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_LATER_FORMATS = ("json", "text")
_DIARIZED_FORMATS = ("json", "text", "diarized_json")


@dataclass(frozen=True, slots=True)
class _Heard:
    pieces: list[str]
    seconds: float
    usage: dict[str, Any]

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def transcribe(exchange: Exchange) -> None:
    """POST .../audio/transcriptions."""
    body = exchange.form()
    sent_file(body, "file")
    model = exchange.model(body)
    whisper = _is_whisper(model)
    kind = _format(body, model)
    stream = flag(body, "stream") and not whisper  # which takes it and does not
    heard = await _heard(exchange, body, model)
    if stream:
        await _stream(exchange, heard)
        return
    await _answer(exchange, heard, kind, "transcribe", with_usage=not exchange.faults.no_usage)


async def translate(exchange: Exchange) -> None:
    """POST .../audio/translations."""
    body = exchange.form()
    sent_file(body, "file")
    model = exchange.model(body)
    kind = _format(body, model)
    heard = await _heard(exchange, body, model)
    await _answer(exchange, heard, kind, "translate", with_usage=False)


def _is_whisper(model: Model) -> bool:
    return model.name.startswith("whisper")


def _format(body: Mapping[str, Any], model: Model) -> str:
    asked = {"response_format": body.get("response_format") or "json"}
    if _is_whisper(model):
        return one_of(asked, "response_format", _WHISPER_FORMATS)
    allowed = _DIARIZED_FORMATS if "diarize" in model.name else _LATER_FORMATS
    if asked["response_format"] not in allowed:
        raise errors.wrong_value(
            "response_format",
            f"response_format '{asked['response_format']}' is not compatible with model '{model.name}'. "
            "Use 'json' or 'text' instead.",
            "unsupported_value",
        )
    return str(asked["response_format"])


async def _heard(exchange: Exchange, body: Mapping[str, Any], model: Model) -> _Heard:
    sound = sent_file(body, "file")
    seconds = seconds_of(sound)
    pieces = compose(sound.sha256.encode(), max(round(seconds * _WORDS_A_SECOND), 4))
    if _is_whisper(model):
        billed = math.ceil(seconds)
        exchange.bill(Charge(answered_as(model), 0, units={"audio_millisecond": billed * 1000}))
        return _Heard(pieces, seconds, {"type": "duration", "seconds": billed})
    audio = max(round(seconds * TOKENS_A_SECOND), 1)
    prompt = (await tokenizer_of(model)).count(str(body.get("prompt") or ""))
    charge = Charge(
        answered_as(model), audio + prompt, completion_tokens=len(pieces), units={"audio_input_token": audio}
    )
    exchange.bill(charge)
    usage = {
        "type": "tokens",
        "input_tokens": charge.prompt_tokens,
        "input_token_details": {"text_tokens": prompt, "audio_tokens": audio},
        "output_tokens": charge.completion_tokens,
        "total_tokens": charge.prompt_tokens + charge.completion_tokens,
    }
    return _Heard(pieces, seconds, usage)


async def _answer(exchange: Exchange, heard: _Heard, kind: str, task: str, *, with_usage: bool) -> None:
    usage = {"usage": heard.usage} if with_usage else {}
    end = round(heard.seconds, 2)
    if kind == "json":
        await exchange.answer({"text": heard.text, **usage})
    elif kind == "verbose_json":
        segment = _segment(heard, end)
        whole = {"task": task, "language": "english", "duration": end, "text": heard.text, "segments": [segment]}
        await exchange.answer({**whole, **usage})
    elif kind == "diarized_json":
        segment = {"id": "seg_0", "start": 0.0, "end": end, "speaker": "A", "text": heard.text}
        segment["type"] = "transcript.text.segment"
        await exchange.answer({"task": task, "duration": end, "text": heard.text, "segments": [segment], **usage})
    else:
        written = {
            "text": f"{heard.text}\n",
            "srt": f"1\n{_time(0, ',')} --> {_time(end, ',')}\n{heard.text}\n\n",
            "vtt": f"WEBVTT\n\n{_time(0, '.')} --> {_time(end, '.')}\n{heard.text}\n\n",
        }[kind].encode()
        await exchange.answer_bytes([written], len(written), "text/plain; charset=utf-8")


def _segment(heard: _Heard, end: float) -> dict[str, Any]:
    return {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": end,
        "text": heard.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.2,
        "no_speech_prob": 0.01,
    }


def _time(seconds: float, point: str) -> str:
    whole = int(seconds)
    milliseconds = round((seconds - whole) * 1000)
    return f"{whole // 3600:02}:{whole % 3600 // 60:02}:{whole % 60:02}{point}{milliseconds:03}"


async def _stream(exchange: Exchange, heard: _Heard) -> None:
    stream = EventStream(exchange)
    charge = exchange.charge
    assert charge is not None
    await stream.start()
    charge.completion_tokens = 0  # billed as it is sent
    try:
        for piece in heard.pieces:
            await stream.chunk(named_event("transcript.text.delta", {"delta": piece}), 1)
        usage = {} if exchange.faults.no_usage else {"usage": heard.usage}
        await stream.event(named_event("transcript.text.done", {"text": heard.text, **usage}))
        await stream.event(DONE)
        await stream.end()
    except Failed:
        await stream.fail(named_event("error", {"error": {"type": "server_error", "message": "It failed."}}))


PATHS = {
    "audio/transcriptions": {"POST": transcribe},
    "audio/translations": {"POST": translate},
}
