"""Speech: silence that lasts as long as the text would. TTS models bill by the character, the others by tokens."""

import base64
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.drafting import answered_as, tokenizer_of
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.media import SOUNDS, seconds_to_say, sound
from tests.simulators.model_provider.resources.fields import one_of, text
from tests.simulators.model_provider.stream import EventStream, Failed, named_event

TOKENS_A_SECOND = 20
_LONGEST = 4096


async def speech(exchange: Exchange) -> None:
    """POST .../audio/speech."""
    body = exchange.json()
    model = exchange.model(body)
    said = text(body, "input")
    if not 1 <= len(said) <= _LONGEST:
        raise errors.wrong_value("input", f"Invalid 'input': expected a text of 1 to {_LONGEST} characters.")
    if body.get("voice") is None:
        raise errors.missing("voice")
    kind = one_of({"response_format": body.get("response_format") or "mp3"}, "response_format", SOUNDS)
    by_character = model.name.startswith("tts")
    streamed = body.get("stream_format") == "sse"
    if streamed and by_character:
        raise errors.wrong_value("stream_format", "'sse' is not supported for this model.", "unsupported_value")
    seconds = seconds_to_say(said)
    if by_character:
        charge = Charge(answered_as(model), 0, units={"character": len(said)})
    else:
        tokenizer = await tokenizer_of(model)
        output = round(seconds * TOKENS_A_SECOND)
        prompt = tokenizer.count(said) + tokenizer.count(body.get("instructions") or "")
        charge = Charge(answered_as(model), prompt, completion_tokens=output, units={"audio_output_token": output})
    exchange.bill(charge)
    pieces, _, content_type = sound(seconds, kind, exchange.faults.body_bytes)
    if not streamed:
        await exchange.answer_bytes(pieces, None, content_type)
        return
    stream = EventStream(exchange)
    await stream.start()
    try:
        for piece in pieces:
            await stream.chunk(named_event("speech.audio.delta", {"audio": base64.b64encode(piece).decode()}), 0)
        done: dict[str, Any] = {}
        if not exchange.faults.no_usage:
            done["usage"] = {
                "input_tokens": charge.prompt_tokens,
                "output_tokens": charge.completion_tokens,
                "total_tokens": charge.prompt_tokens + charge.completion_tokens,
            }
        await stream.event(named_event("speech.audio.done", done))
        await stream.end()
    except Failed:
        await stream.fail(named_event("error", {"error": {"type": "server_error", "message": "Speech failed."}}))


PATHS = {"audio/speech": {"POST": speech}}
