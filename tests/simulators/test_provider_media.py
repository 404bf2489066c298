"""Images, speech and transcriptions of the simulated provider, with what they cost."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AzureOpenAI, OpenAI

from tests.simulators.fixtures import Simulator
from tests.simulators.operations import PICTURE, wav


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    url = f"{fresh_simulator.url}/v1"
    with OpenAI(base_url=url, api_key="sk-any", max_retries=0, _strict_response_validation=True) as client:
        yield client


# Images


@pytest.mark.parametrize(
    ("size", "quality", "tokens"),
    [("1024x1024", "low", 272), ("1024x1536", "medium", 1584), ("auto", "auto", 4160)],
)
def test_a_gpt_image_reports_its_tokens(
    fresh_simulator: Simulator, client: OpenAI, size: Any, quality: Any, tokens: int
) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt="a harbor at dawn", size=size, quality=quality, n=2)

    assert [base64.b64decode(one.b64_json or "")[:4] for one in answer.data or ()] == [b"\x89PNG"] * 2
    assert answer.usage is not None
    assert answer.usage.output_tokens == 2 * tokens
    assert answer.usage.input_tokens_details.text_tokens == answer.usage.input_tokens
    billed: Any = fresh_simulator.usage()["gpt-image-1"]
    assert billed["total_tokens"] == answer.usage.total_tokens
    assert billed["units"] == {"image_output_token": 2 * tokens}


def test_an_edit_is_charged_for_the_images_that_were_sent(fresh_simulator: Simulator, client: OpenAI) -> None:
    images = [("a.png", PICTURE), ("b.png", PICTURE)]
    answer = client.images.edit(model="gpt-image-1.5", image=images, prompt="brighter", quality="low")

    assert answer.usage is not None
    details = answer.usage.input_tokens_details
    assert details.image_tokens == 2 * 323
    assert answer.usage.input_tokens == details.image_tokens + details.text_tokens
    assert answer.usage.output_tokens_details is not None
    billed: Any = fresh_simulator.usage()["gpt-image-1.5"]["units"]
    assert billed == {"image_output_token": 272, "image_input_token": 646}


def test_dall_e_bills_by_the_image_and_reports_nothing(fresh_simulator: Simulator, client: OpenAI) -> None:
    answer = client.images.generate(model="dall-e-3", prompt="a harbor", size="1024x1792", quality="hd")

    assert answer.usage is None
    assert (answer.data or [])[0].url
    billed: Any = fresh_simulator.usage()["dall-e-3"]
    assert (billed["total_tokens"], billed["units"]) == (0, {"image:1024x1792/hd": 1})


def test_a_streamed_image_comes_in_parts_and_ends_with_its_usage(client: OpenAI) -> None:
    events: list[Any] = list(
        client.images.generate(model="gpt-image-1", prompt="x", quality="low", stream=True, partial_images=2)
    )

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert events[-1].usage.output_tokens == 272 + 2 * 100
    edited: list[Any] = list(
        client.images.edit(model="gpt-image-1", image=("a.png", PICTURE), prompt="x", stream=True, partial_images=1)
    )
    assert [event.type for event in edited] == ["image_edit.partial_image", "image_edit.completed"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "gpt-image-1", "response_format": "url"}, "response_format"),
        ({"model": "dall-e-3", "n": 2}, "'n'"),
        ({"model": "dall-e-2", "stream": True}, "Streaming"),
    ],
)
def test_what_a_model_cannot_is_refused(client: OpenAI, fields: Any, said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        client.images.generate(prompt="x", **fields)


def test_azure_has_images_and_audio_at_its_deployments(fresh_simulator: Simulator) -> None:
    with AzureOpenAI(azure_endpoint=fresh_simulator.url, api_key="k", api_version="v", max_retries=0) as azure:
        azure.images.generate(model="dall-e-3", prompt="x")
        azure.images.edit(model="gpt-image-1", image=("a.png", PICTURE), prompt="x")
        azure.audio.speech.create(model="tts-1", voice="alloy", input="x")
        azure.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav(1)))
        azure.audio.translations.create(model="whisper-1", file=("a.wav", wav(1)))

    assert [seen["path"].split("/")[3] for seen in fresh_simulator.requests(finished=5)] == [
        "dall-e-3",
        "gpt-image-1",
        "tts-1",
        "whisper-1",
        "whisper-1",
    ]


# Speech


def test_speech_is_as_long_as_its_text_and_billed_by_the_character(fresh_simulator: Simulator, client: OpenAI) -> None:
    short, long = (
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello. " * times, response_format="pcm")
        for times in (10, 20)
    )

    assert len(long.content) == 2 * len(short.content) == 2 * round(70 / 15 * 48_000)
    assert fresh_simulator.usage()["tts-1"]["units"] == {"character": 210}


@pytest.mark.parametrize(
    ("kind", "start"), [("mp3", b"ID3"), ("wav", b"RIFF"), ("flac", b"fLaC"), ("opus", b"OggS"), ("aac", b"\xff\xf1")]
)
def test_speech_comes_in_the_format_that_was_asked_for(client: OpenAI, kind: Any, start: bytes) -> None:
    answer = client.audio.speech.create(model="tts-1-hd", voice="alloy", input="Hello.", response_format=kind)

    assert answer.content.startswith(start)


def test_streamed_speech_ends_with_its_usage(fresh_simulator: Simulator, client: OpenAI) -> None:
    fields: Any = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello there. " * 20}
    whole = client.audio.speech.create(**fields).content
    streamed = client.audio.speech.create(**fields, stream_format="sse").text
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]

    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == whole
    assert events[-1]["type"] == "speech.audio.done"
    billed: Any = fresh_simulator.usage()["gpt-4o-mini-tts"]
    assert billed["total_tokens"] == 2 * events[-1]["usage"]["total_tokens"]
    assert billed["units"]["audio_output_token"] == billed["completion_tokens"]
    with pytest.raises(openai.BadRequestError, match="sse"):
        client.audio.speech.create(**{**fields, "model": "tts-1"}, stream_format="sse")


# Transcription


@pytest.mark.parametrize(("kind", "start"), [("text", ""), ("srt", "1\n00:00:00,000 --> 00:00:02"), ("vtt", "WEBVTT")])
def test_whisper_writes_subtitles(client: OpenAI, kind: Any, start: str) -> None:
    sound = ("a.wav", wav(2.5))
    for resource in (client.audio.transcriptions, client.audio.translations):
        answer: Any = resource.create(model="whisper-1", file=sound, response_format=kind)
        assert answer.startswith(start)
        assert answer.strip()


def test_whisper_bills_the_seconds_that_it_heard(fresh_simulator: Simulator, client: OpenAI) -> None:
    sound = ("a.wav", wav(2.5))
    plain: Any = client.audio.transcriptions.create(model="whisper-1", file=sound)
    verbose: Any = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="verbose_json")
    client.audio.translations.create(model="whisper-1", file=sound, response_format="verbose_json")

    assert plain.usage.to_dict() == verbose.usage.to_dict() == {"type": "duration", "seconds": 3}
    assert (verbose.duration, verbose.segments[0].end, verbose.text) == (2.5, 2.5, plain.text)
    assert fresh_simulator.usage()["whisper-1"]["units"] == {"audio_millisecond": 9000}


def test_later_models_bill_tokens_streamed_and_not(fresh_simulator: Simulator, client: OpenAI) -> None:
    fields: Any = {"model": "gpt-4o-transcribe", "file": ("a.wav", wav(6)), "prompt": "of harbors"}
    whole: Any = client.audio.transcriptions.create(**fields)
    events: list[Any] = list(client.audio.transcriptions.create(**fields, stream=True))

    assert whole.usage.input_token_details.to_dict() == {"text_tokens": 3, "audio_tokens": 60}
    assert whole.usage.total_tokens == 63 + whole.usage.output_tokens
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == whole.text
    assert events[-1].usage.total_tokens == whole.usage.total_tokens
    billed: Any = fresh_simulator.usage()["gpt-4o-transcribe"]
    assert (billed["total_tokens"], billed["units"]) == (2 * whole.usage.total_tokens, {"audio_input_token": 120})
    with pytest.raises(openai.BadRequestError, match="not compatible"):
        client.audio.transcriptions.create(**fields, response_format="srt")
    said: Any = client.audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize", file=fields["file"], response_format="diarized_json"
    )
    assert said.segments[0].speaker == "A"


def test_a_transcription_that_breaks_off_is_billed_for_what_was_sent(
    fresh_simulator: Simulator, client: OpenAI
) -> None:
    fields: Any = {"model": "gpt-4o-transcribe", "file": ("a.wav", wav(10)), "stream": True}
    with pytest.raises(openai.APIConnectionError):
        list(client.audio.transcriptions.create(**fields, extra_headers={"x-simulate": "cut-after=5"}))

    fresh_simulator.requests(finished=1)
    assert fresh_simulator.usage()["gpt-4o-transcribe"]["completion_tokens"] == 5


# Moderations


def test_moderation_flags_violence_and_is_free(fresh_simulator: Simulator, client: OpenAI) -> None:
    answer = client.moderations.create(input=["a calm text", "violence"])
    parts = client.moderations.create(input=[{"type": "text", "text": "violence"}])

    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.violence
    assert [result.flagged for result in parts.results] == [True]
    assert fresh_simulator.usage() == {}
