"""What every endpoint's streams used: a row a stream, wherever its bytes are cut, and what is known when it breaks off."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import ImageEditCompletedEvent, ImageGenCompletedEvent
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent
from pydantic import TypeAdapter

from proxy.endpoints.table import ENDPOINTS
from proxy.metering import Tokens
from proxy.metering.events import EventTooLarge
from proxy.metering.streams import GarbledStream, stream_meter

ROWS = {row.name: row for row in ENDPOINTS}


def events(*values, named: bool = False, done: bool = False) -> bytes:
    lines = [(f"event: {value['type']}\n" if named else "") + f"data: {json.dumps(value)}\n\n" for value in values] + (
        ["data: [DONE]\n\n"] if done else []
    )
    return "".join(lines).encode()


def chunk(**fields) -> dict:
    return {"object": "chat.completion.chunk", "choices": [], **fields}


IMAGE = {
    "b64_json": "AAAA",
    "background": "opaque",
    "created_at": 1,
    "output_format": "png",
    "quality": "high",
    "size": "1024x1024",
}
IMAGE_USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 100,
    "total_tokens": 150,
}
PARTIAL = IMAGE | {"type": "image_generation.partial_image", "partial_image_index": 0}
MADE = IMAGE | {"type": "image_generation.completed", "usage": IMAGE_USAGE}
EDITED = IMAGE | {"type": "image_edit.completed", "usage": IMAGE_USAGE}
MADE_UNITS = (("image_input_token", 40), ("image_output_token", 100))

TEXT = {"type": "transcript.text.delta", "delta": "Hello"}
WRITTEN = {
    "type": "transcript.text.done",
    "text": "Hello",
    "usage": {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
        "output_tokens": 3,
        "total_tokens": 17,
    },
}
SPOKEN = {"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}}
RUN = {"id": "run_1", "object": "thread.run", "status": "in_progress", "usage": None}
RUN_ENDED = RUN | {
    "status": "completed",
    "usage": {"prompt_tokens": 20, "completion_tokens": 11, "total_tokens": 31},
}
STEP = {
    "object": "thread.run.step",
    "status": "completed",
    "step_details": {
        "type": "tool_calls",
        "tool_calls": [{"type": "code_interpreter"}, {"type": "file_search"}, {"type": "code_interpreter"}],
    },
    "usage": {"prompt_tokens": 999, "completion_tokens": 999, "total_tokens": 1998},
}
SEARCH = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}
RESPONSE = {
    "status": "completed",
    "output": [SEARCH],
    "service_tier": "priority",
    "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 3},
}


def test_the_events_have_the_shapes_of_the_sdk():
    for kind, value in (
        (ImageGenCompletedEvent, MADE),
        (ImageEditCompletedEvent, EDITED),
        (TranscriptionTextDeltaEvent, TEXT),
        (TranscriptionTextDoneEvent, WRITTEN),
    ):
        assert set(value) <= set(kind.model_fields)
        TypeAdapter(kind).validate_python(value)


STREAMS = [
    (
        "chat.completions",
        events(
            chunk(service_tier="flex", choices=[{"index": 0, "delta": {"content": "a"}}]),
            chunk(
                usage={
                    "prompt_tokens": 30,
                    "completion_tokens": 20,
                    "prompt_tokens_details": {"audio_tokens": 20},
                    "completion_tokens_details": {"audio_tokens": 15},
                }
            ),
            done=True,
        ),
        Tokens(30, 0, 20, 0, (("audio_input_token", 20), ("audio_output_token", 15), ("tier:flex", 1))),
    ),
    (
        "responses",
        events({"type": "response.created"}, {"type": "response.completed", "response": RESPONSE}, named=True),
        Tokens(5, 0, 3, 0, (("web_search_call", 1), ("tier:priority", 1))),
    ),
    ("images.generate", events(PARTIAL, MADE, named=True), Tokens(50, 0, 100, 0, MADE_UNITS)),
    ("images.edit", events(EDITED, done=True), Tokens(50, 0, 100, 0, MADE_UNITS)),
    (
        "images.generate",
        events({k: v for k, v in MADE.items() if k != "usage"}),
        Tokens(units=(("image:1024x1024/high", 1),)),
    ),
    (
        "audio.speech",
        events({"type": "speech.audio.delta", "audio": "AAAA"}, SPOKEN),
        Tokens(14, 0, 101, 0, (("audio_output_token", 101),)),
    ),
    ("audio.transcriptions", events(TEXT, WRITTEN), Tokens(14, 0, 3, 0, (("audio_input_token", 10),))),
    (
        "threads.runs.create",
        events(RUN, STEP, RUN_ENDED, done=True),
        Tokens(20, 0, 11, 0, (("file_search_call", 1), ("code_interpreter_session", 1))),
    ),
    ("threads.create_and_run", events({"object": "thread"}, RUN, RUN_ENDED, done=True), Tokens(20, 0, 11)),
]


@given(st.data())
@pytest.mark.parametrize(("name", "stream", "tokens"), STREAMS)
def test_a_streams_usage_is_read_and_its_bytes_pass_wherever_they_are_cut(name, stream, tokens, data):
    meter = stream_meter(ROWS[name], hide_usage=False, request=b"{}")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    passed = b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        passed += meter.pass_on(stream[start:end])
    assert (passed + meter.rest(), meter.usage) == (stream, tokens)
    assert meter.finished and not meter.pending


def test_several_images_are_one_usage_and_a_stream_ends_with_the_last_one():
    meter = stream_meter(ROWS["images.generate"], hide_usage=False, request={"n": 2})
    meter.pass_on(events(MADE))
    assert not meter.finished
    meter.pass_on(events(MADE))
    assert meter.finished
    assert meter.usage == Tokens(100, 0, 200, 0, (("image_input_token", 80), ("image_output_token", 200)))


@pytest.mark.parametrize(
    ("name", "stream", "texts", "units", "pending"),
    [
        ("images.generate", events(PARTIAL), [], (), False),
        ("audio.speech", events({"type": "speech.audio.delta", "audio": "AAAA"}), [], (), False),
        ("audio.transcriptions", events(TEXT), ["Hello"], (), False),
        (
            "responses",
            events(
                {"type": "response.created", "response": {"status": "in_progress", "background": False}},
                {"type": "response.output_item.done", "item": SEARCH | {"results": "x" * 100}},
                {"type": "response.output_item.done", "item": {"type": "function_call", "name": "search_call"}},
                {"type": "response.output_text.delta", "delta": "Hi", "output_index": 1},
            ),
            ["Hi"],
            (("web_search_call", 1),),
            False,
        ),
        # Who hangs up on what works in the background, or on a run, does not end it.
        (
            "responses",
            events({"type": "response.created", "response": {"status": "queued", "background": True}}),
            [],
            (),
            True,
        ),
        (
            "threads.runs.create",
            events(
                RUN,
                {"object": "thread.message.delta", "delta": {"content": [{"type": "text", "text": {"value": "Hi"}}]}},
            ),
            ["Hi"],
            (),
            True,
        ),
        ("threads.runs.create", events(RUN | {"status": "requires_action"}, done=True), [], (), True),
    ],
)
def test_a_stream_without_usage_says_what_was_received(name, stream, texts, units, pending):
    meter = stream_meter(ROWS[name], hide_usage=False, request=b"{}")
    assert meter.pass_on(stream) == stream
    assert (meter.usage, meter.received(), meter.units(), meter.pending) == (None, texts, units, pending)


@pytest.mark.parametrize("name", ["responses.retrieve", "threads.runs.submit_tool_outputs"])
def test_what_is_billed_elsewhere_passes_unread(name):
    meter = stream_meter(ROWS[name], hide_usage=True)
    stream = events({"type": "response.completed", "response": RESPONSE}, RUN_ENDED)
    assert meter.pass_on(stream[:-1]) + meter.pass_on(stream[-1:]) == stream
    assert (meter.usage, meter.finished) == (None, True)


@pytest.mark.parametrize(
    "name", [row.name for row in ENDPOINTS if row.streams and row.metering.value not in ("none", "deferred")]
)
def test_every_metered_stream_is_held_to_json(name):
    odd = b'data: {"type":7,"usage":"none","object":[],"choices":{}}\n\n'
    assert stream_meter(ROWS[name], hide_usage=False).pass_on(odd) == odd
    with pytest.raises(GarbledStream):
        stream_meter(ROWS[name], hide_usage=False).pass_on(b"data: <html>\n\n")


def test_an_image_may_be_larger_than_any_event_of_text():
    piece = b"x" * (17 * 1024 * 1024)
    meter = stream_meter(ROWS["images.generate"], hide_usage=False)
    assert meter.pass_on(b'data: {"b64_json":"' + piece) == b""
    with pytest.raises(EventTooLarge):
        stream_meter(ROWS["audio.transcriptions"], hide_usage=False).pass_on(b'data: {"delta":"' + piece)
