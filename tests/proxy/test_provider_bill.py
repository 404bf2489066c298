"""What metering reads of a provider's answers is what the provider bills, unit by unit."""

from typing import Any

import httpx
import pytest

from proxy.endpoints.table import ENDPOINTS
from proxy.metering import Tokens
from proxy.metering.requests import usage_of_request
from proxy.metering.streams import stream_meter
from proxy.metering.usage import texts_of_answer, usage_of_answer
from tests.simulators.fixtures import Simulator
from tests.simulators.operations import PICTURE, wav

ROWS = {row.name: row for row in ENDPOINTS}
SOUND = ("a.wav", wav(2.5), "audio/wav")
PICTURES = [("image[]", ("a.png", PICTURE, "image/png")), ("image[]", ("b.png", PICTURE, "image/png"))]


def ask(simulator: Simulator, name: str, fields: dict[str, Any], files: Any = None, **headers: str) -> httpx.Response:
    sent: dict[str, Any] = {"json": fields} if files is None else {"data": fields, "files": files}
    url = f"{simulator.url}/v1/{ROWS[name].path}"
    answer = httpx.post(url, **sent, headers={"authorization": "Bearer sk-any", **headers}, trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def metered(name: str, answer: httpx.Response, fields: dict[str, Any]) -> tuple[Tokens, bool]:
    """The usage of an answer, and whether the provider reported it."""
    row = ROWS[name]
    if answer.headers["content-type"].startswith("text/event-stream"):
        meter = stream_meter(row, hide_usage=False, request=fields)
        assert meter.pass_on(answer.content) == answer.content
        assert meter.finished
        found, received = meter.usage, meter.received()
    else:
        found = usage_of_answer(row, answer.content, fields)
        received = texts_of_answer(row, answer.content)
    if found is not None:
        return found, True
    counted = usage_of_request(row, fields, received)
    assert counted is not None
    return counted, False


def billed(simulator: Simulator) -> tuple[tuple[int, int, int, int], dict[str, float]]:
    ((_, bill),) = simulator.usage().items()
    tokens = tuple(bill[name] for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"))
    return tokens, bill.get("units", {})  # type: ignore[return-value]


CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "write 7 tokens"}]}
IMAGE = {"model": "gpt-image-1", "prompt": "a harbor", "quality": "low"}


@pytest.mark.parametrize(
    ("name", "fields", "files", "reported"),
    [
        ("chat.completions", CHAT, None, True),
        ("chat.completions", CHAT | {"stream": True, "stream_options": {"include_usage": True}}, None, True),
        ("responses", {"model": "gpt-4o", "input": "write 7 tokens"}, None, True),
        ("responses", {"model": "gpt-4o", "input": "write 7 tokens", "stream": True}, None, True),
        ("embeddings", {"model": "text-embedding-3-small", "input": "hello"}, None, True),
        ("images.generate", IMAGE | {"n": 2, "size": "1024x1536"}, None, True),
        ("images.generate", IMAGE | {"stream": True, "partial_images": 2}, None, True),
        ("images.generate", {"model": "dall-e-3", "prompt": "a", "size": "1024x1792", "quality": "hd"}, None, True),
        ("images.generate", {"model": "dall-e-3", "prompt": "a"}, None, True),
        ("images.generate", {"model": "dall-e-2", "prompt": "a", "n": 3, "size": "512x512"}, None, True),
        ("images.edit", {"model": "gpt-image-1", "prompt": "a"}, PICTURES, True),
        ("images.edit", {"model": "gpt-image-1", "prompt": "a", "stream": "true"}, PICTURES, True),
        ("images.create_variation", {"model": "dall-e-2", "n": "2"}, {"image": PICTURES[0][1]}, True),
        ("audio.speech", {"model": "tts-1", "input": "Grüße, 世界", "voice": "alloy"}, None, False),
        (
            "audio.speech",
            {"model": "gpt-4o-mini-tts", "input": "hello there", "voice": "alloy", "stream_format": "sse"},
            None,
            True,
        ),
        ("audio.transcriptions", {"model": "whisper-1"}, {"file": SOUND}, True),
        ("audio.transcriptions", {"model": "whisper-1", "response_format": "verbose_json"}, {"file": SOUND}, True),
        ("audio.transcriptions", {"model": "gpt-4o-transcribe", "prompt": "of birds"}, {"file": SOUND}, True),
        ("audio.transcriptions", {"model": "gpt-4o-transcribe", "stream": "true"}, {"file": SOUND}, True),
    ],
)
def test_what_is_metered_is_what_the_provider_bills(fresh_simulator, name, fields, files, reported):
    answer = ask(fresh_simulator, name, fields, files)
    tokens, was_reported = metered(name, answer, fields)
    assert ((tokens[:4], dict(tokens.units)), was_reported) == (billed(fresh_simulator), reported)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_are_a_lower_bound_of_what_the_provider_bills(fresh_simulator, kind):
    fields = {"model": "whisper-1", "response_format": kind}
    answer = ask(fresh_simulator, "audio.transcriptions", fields, {"file": SOUND})
    assert metered("audio.transcriptions", answer, fields) == (Tokens(units=(("audio_millisecond", 2500),)), False)
    assert billed(fresh_simulator)[1] == {"audio_millisecond": 3000}


@pytest.mark.parametrize(
    ("name", "fields", "files", "unit"),
    [
        (
            "audio.transcriptions",
            {"model": "whisper-1", "response_format": "text"},
            {"file": SOUND},
            ("audio_file", 1),
        ),
        ("audio.speech", {"model": "gpt-4o-mini-tts", "input": "hello", "voice": "alloy"}, None, ("character", 5)),
    ],
)
def test_what_no_answer_says_is_a_unit_that_needs_a_price_of_its_own(fresh_simulator, name, fields, files, unit):
    answer = ask(fresh_simulator, name, fields, files)
    assert metered(name, answer, fields) == (Tokens(units=(unit,)), False)
