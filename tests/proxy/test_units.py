"""What every billable endpoint's answers used, in its own unit: a row an answer, in the shape that the SDK's types say."""

import json

import pytest
from openai.types import Batch, CompletionUsage, CreateEmbeddingResponse, ImagesResponse, Video
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose, TranslationVerbose
from openai.types.beta.threads import Run
from openai.types.evals import RunRetrieveResponse
from openai.types.fine_tuning import FineTuningJob
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent, ResponseDoneEvent
from openai.types.responses import ResponseUsage
from openai.types.responses.response import ToolUsage
from pydantic import TypeAdapter

from proxy.endpoints.table import ENDPOINTS
from proxy.metering import Tokens
from proxy.metering.deferred import BatchLine, ObjectUsage, usage_of_batch_line, usage_of_object
from proxy.metering.realtime import RealtimeUsage, usage_of_realtime_event
from proxy.metering.requests import usage_of_request
from proxy.metering.usage import is_pending, texts_of_answer, usage_of_answer, usage_of_ends

ROWS = {row.name: row for row in ENDPOINTS}


def as_the_sdk_says(kind, value) -> None:
    """Fails where a value has not the shape of the SDK's type: then it tests nothing that exists."""
    known = set(TypeAdapter(kind).json_schema()["properties"])
    assert set(value) <= known, set(value) - known
    TypeAdapter(kind).validate_python(value)


CHAT_USAGE = [
    ({"prompt_tokens": 10, "completion_tokens": 5}, Tokens(10, 0, 5)),
    (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 60, "image_tokens": 0},
            "completion_tokens_details": {"audio_tokens": 40, "reasoning_tokens": 0, "text_tokens": 10},
        },
        Tokens(100, 10, 50, 0, (("audio_input_token", 60), ("audio_output_token", 40))),
    ),
    # Nobody says what was cached: text, as far as there is as much of it.
    (
        {
            "prompt_tokens": 100,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 70, "audio_tokens": 60},
        },
        Tokens(100, 70, 1, 0, (("audio_input_token", 30), ("cached_audio_input_token", 30))),
    ),
    (
        {
            "prompt_tokens": 2600,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400},
        },
        Tokens(2600, 2000, 1, 0, (("cache_write_token", 400),)),
    ),
    (
        {"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"image_tokens": 85}},
        Tokens(100, 0, 1, 0, (("image_input_token", 85),)),
    ),
]


@pytest.mark.parametrize(("usage", "tokens"), CHAT_USAGE)
def test_chat(usage, tokens):
    as_the_sdk_says(CompletionUsage, usage | {"total_tokens": 0})
    body = json.dumps({"choices": [], "usage": usage}).encode()
    assert usage_of_answer(ROWS["chat.completions"], body) == tokens
    assert usage_of_ends(ROWS["chat.completions"], b"", body) == tokens


@pytest.mark.parametrize(
    ("service_tier", "units"),
    [
        (None, ()),
        ("auto", ()),
        ("default", ()),
        ("flex", (("tier:flex", 1),)),
        ("priority", (("tier:priority", 1),)),
        ("ultrafast", (("tier:ultrafast", 1),)),
    ],
)
@pytest.mark.parametrize("name", ["chat.completions", "responses"])
def test_the_tier_in_which_a_call_was_served_is_part_of_its_usage(name, service_tier, units):
    usage = (
        {"input_tokens": 1, "output_tokens": 1} if name == "responses" else {"prompt_tokens": 1, "completion_tokens": 1}
    )
    body = json.dumps({"service_tier": service_tier, "usage": usage}).encode()
    assert usage_of_answer(ROWS[name], body) == Tokens(1, 0, 1, 0, units)
    assert usage_of_ends(ROWS[name], b"", b"x" * 100 + body) == Tokens(1, 0, 1, 0, units)


def test_embeddings():
    answer = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    as_the_sdk_says(CreateEmbeddingResponse, answer)
    assert usage_of_answer(ROWS["embeddings"], json.dumps(answer).encode()) == Tokens(8)


RESPONSE_USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {
        "cached_tokens": 100,
        "cache_write_tokens": 300,
        "cache_write_tokens_details": {"ttl_12h_tokens": 200, "ttl_30m_tokens": 100},
    },
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1050,
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
OPENED = {"type": "web_search_call", "id": "ws_2", "status": "completed", "action": {"type": "open_page", "url": "u"}}
FILES = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["q"], "results": None}
CODE = {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "container_id": "cntr_1", "code": "1"}
IMAGE = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}
IMAGE_USAGE = {
    "input_tokens": 60,
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 40},
    "cached_tokens": 30,
    "cached_tokens_details": {"cached_text_tokens": 10, "cached_image_tokens": 20},
    "output_tokens": 1056,
    "total_tokens": 1116,
}


def test_responses_with_cache_writes_of_both_lives():
    as_the_sdk_says(ResponseUsage, RESPONSE_USAGE)
    body = json.dumps({"status": "completed", "output": [], "usage": RESPONSE_USAGE}).encode()
    expected = Tokens(1000, 100, 50, 20, (("cache_write_token", 100), ("cache_write_12h_token", 200)))
    assert usage_of_answer(ROWS["responses"], body) == expected
    assert usage_of_answer(ROWS["responses.compact"], body) == expected
    assert usage_of_answer(ROWS["decisions"], body) == expected


@pytest.mark.parametrize(
    ("output", "tool_usage", "units"),
    [
        ([{"type": "message"}, {"type": "function_call", "name": "f"}], None, {}),
        ([SEARCH, OPENED, SEARCH], None, {"web_search_call": 2}),
        ([SEARCH, OPENED], {"web_search": {"num_requests": 3}}, {"web_search_call": 3}),
        ([SEARCH, OPENED], {"web_search": {"num_requests": 0}}, {}),
        ([FILES, FILES | {"status": "failed"}], None, {"file_search_call": 1}),
        (
            [CODE, CODE, CODE | {"container_id": "cntr_2"}],
            None,
            {"code_interpreter_session": 2},
        ),
        ([IMAGE], None, {"image_generation_call": 1}),
        (
            [IMAGE],
            {"image_gen": IMAGE_USAGE},
            {
                "image_generation.input_token": 10,
                "image_generation.cached_input_token": 10,
                "image_generation.image_input_token": 20,
                "image_generation.cached_image_input_token": 20,
                "image_generation.image_output_token": 1056,
            },
        ),
        (
            [IMAGE | {"svg_usage": {"input_tokens": 7, "output_tokens": 9, "reasoning_tokens": 1, "model": "m"}}],
            None,
            {"image_generation_call": 1, "svg.input_token": 7, "svg.output_token": 9},
        ),
    ],
)
def test_responses_with_built_in_tools(output, tool_usage, units):
    if tool_usage is not None:
        none = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        nothing = {"image_gen": none | {"input_tokens_details": {"image_tokens": 0, "text_tokens": 0}}}
        as_the_sdk_says(ToolUsage, nothing | {"web_search": {"num_requests": 0}} | tool_usage)
    answer = {"usage": {"input_tokens": 5, "output_tokens": 3}, "output": output, "tool_usage": tool_usage}
    tokens = usage_of_answer(ROWS["responses"], json.dumps(answer).encode())
    assert (tokens[:4], dict(tokens.units)) == ((5, 0, 3, 0), units)


GPT_IMAGE = {
    "created": 1,
    "data": [{"b64_json": "AAAA"}],
    "size": "1024x1024",
    "quality": "high",
    "usage": {
        "input_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 4160,
        "total_tokens": 4210,
    },
}


@pytest.mark.parametrize(
    ("answer", "request_", "tokens"),
    [
        (GPT_IMAGE, {}, Tokens(50, 0, 4160, 0, (("image_input_token", 40), ("image_output_token", 4160)))),
        (
            GPT_IMAGE
            | {"usage": GPT_IMAGE["usage"] | {"output_tokens_details": {"image_tokens": 4000, "text_tokens": 160}}},
            {},
            Tokens(50, 0, 4160, 0, (("image_input_token", 40), ("image_output_token", 4000))),
        ),
        (
            GPT_IMAGE
            | {
                "svg_usage": {
                    "input_tokens": 5,
                    "output_tokens": 6,
                    "reasoning_tokens": 0,
                    "total_tokens": 11,
                    "model": "m",
                }
            },
            {},
            Tokens(
                *(50, 0, 4160, 0),
                (
                    ("image_input_token", 40),
                    ("image_output_token", 4160),
                    ("svg.input_token", 5),
                    ("svg.output_token", 6),
                ),
            ),
        ),
        # Models that are sold by the image report nothing: the answer's images, of the size and quality asked for.
        (
            {"created": 1, "data": [{"url": "u"}]},
            {"model": "dall-e-3"},
            Tokens(units=(("image:1024x1024/standard", 1),)),
        ),
        (
            {"created": 1, "data": [{"url": "u"}, {"url": "v"}]},
            {"n": 2, "size": "1792x1024", "quality": "hd"},
            Tokens(units=(("image:1792x1024/hd", 2),)),
        ),
        (
            {"created": 1, "data": [{"url": "u"}], "size": "1024x1536", "quality": "low"},
            {"size": "auto"},
            Tokens(units=(("image:1024x1536/low", 1),)),
        ),
    ],
)
@pytest.mark.parametrize("name", ["images.generate", "images.edit", "images.create_variation"])
def test_images(name, answer, request_, tokens):
    as_the_sdk_says(ImagesResponse, answer)
    body = json.dumps(answer).encode()
    assert usage_of_answer(ROWS[name], body, request_) == tokens
    assert usage_of_answer(ROWS[name], body, json.dumps(request_).encode()) == tokens


def test_the_usage_of_large_images_stands_at_their_end():
    body = json.dumps(GPT_IMAGE | {"data": [{"b64_json": "A" * 100_000}]}).encode()
    assert usage_of_ends(ROWS["images.generate"], body[:100], body[-16_000:]).output == 4160


def test_the_ends_of_a_large_transcript_say_how_long_it_was():
    row, whole = (
        ROWS["audio.translations"],
        {"task": "translate", "duration": 3600.5, "text": "x" * 50_000, "segments": []},
    )
    body = json.dumps(whole).encode()
    assert usage_of_ends(row, body[:16_000], body[-16_000:]) == Tokens(units=(("audio_millisecond", 3_600_500),))


def test_a_form_says_how_many_images_as_text():
    fields = {"n": "3", "size": "512x512", "model": "dall-e-2"}
    assert usage_of_request(ROWS["images.edit"], fields) == Tokens(units=(("image:512x512/standard", 3),))


@pytest.mark.parametrize(
    ("request_", "units"),
    [
        ({"model": "tts-1", "input": "Grüße, 世界", "voice": "alloy"}, (("character", 9),)),
        (b'{"input":"hello"}', (("character", 5),)),
        ({"input": 7}, ()),
    ],
)
def test_speech_that_comes_as_sound_is_counted_by_its_characters(request_, units):
    assert usage_of_answer(ROWS["audio.speech"], b"ID3\x04" + bytes(100)) is None
    assert texts_of_answer(ROWS["audio.speech"], b"ID3\x04" + bytes(100)) == []
    assert usage_of_request(ROWS["audio.speech"], request_) == Tokens(units=units)


TOKENS_OF_AUDIO = {
    "type": "tokens",
    "input_tokens": 40,
    "input_token_details": {"audio_tokens": 30, "text_tokens": 10},
    "output_tokens": 12,
    "total_tokens": 52,
}


@pytest.mark.parametrize(
    ("kind", "answer", "tokens"),
    [
        (Transcription, {"text": "a", "usage": TOKENS_OF_AUDIO}, Tokens(40, 0, 12, 0, (("audio_input_token", 30),))),
        (
            Transcription,
            {"text": "a", "usage": {k: v for k, v in TOKENS_OF_AUDIO.items() if k != "input_token_details"}},
            Tokens(40, 0, 12, 0, (("audio_input_token", 40),)),
        ),
        (
            Transcription,
            {"text": "a", "usage": {"type": "duration", "seconds": 13}},
            Tokens(units=(("audio_millisecond", 13_000),)),
        ),
        (
            TranscriptionVerbose,
            {"text": "a", "language": "english", "duration": 12.345, "usage": {"type": "duration", "seconds": 13}},
            Tokens(units=(("audio_millisecond", 13_000),)),
        ),
        (
            TranslationVerbose,
            {"text": "a", "language": "english", "duration": 12.3456},
            Tokens(units=(("audio_millisecond", 12_346),)),
        ),
        (
            TranscriptionDiarized,
            {"text": "a", "task": "transcribe", "duration": 9.0, "segments": [], "usage": TOKENS_OF_AUDIO},
            Tokens(40, 0, 12, 0, (("audio_input_token", 30),)),
        ),
        (Transcription, {"text": "a"}, None),
    ],
)
@pytest.mark.parametrize("name", ["audio.transcriptions", "audio.translations"])
def test_transcripts(name, kind, answer, tokens):
    as_the_sdk_says(kind, answer)
    assert usage_of_answer(ROWS[name], json.dumps(answer).encode()) == tokens


SRT = "1\n00:00:00,000 --> 00:00:04,000\nHello.\n\n2\n00:59:58,000 --> 01:00:01,250\nBye.\n"
VTT = "WEBVTT\n\n00:00.000 --> 00:04.000\nHello.\n\n00:04.000 --> 00:07.5 00\nno cue\n\n00:04.000 --> 00:07.500\nBye.\n"


@pytest.mark.parametrize(
    ("answer", "unit"),
    [
        (SRT, ("audio_millisecond", 3_601_250)),
        (VTT, ("audio_millisecond", 7_500)),
        ("Hello. Bye.\n", ("audio_file", 1)),
        ("", ("audio_file", 1)),
    ],
)
def test_a_transcript_that_reports_nothing_is_as_long_as_its_last_cue_or_nobody_knows(answer, unit):
    row = ROWS["audio.transcriptions"]
    assert usage_of_answer(row, answer.encode()) is None
    assert usage_of_request(row, {"model": "whisper-1"}, texts_of_answer(row, answer.encode())) == Tokens(units=(unit,))


RUN = {"id": "run_1", "object": "thread.run", "model": "gpt-4o", "usage": None}
RUN_USAGE = {"prompt_tokens": 123, "completion_tokens": 456, "total_tokens": 579}


@pytest.mark.parametrize(
    ("status", "usage", "pending", "tokens"),
    [
        ("queued", None, True, None),
        ("requires_action", None, True, None),
        ("completed", RUN_USAGE, False, Tokens(123, 0, 456)),
        ("incomplete", RUN_USAGE | {"prompt_token_details": {"cached_tokens": 100}}, False, Tokens(123, 100, 456)),
    ],
)
def test_runs(status, usage, pending, tokens):
    assert set(RUN) <= set(Run.model_fields)
    body = json.dumps(RUN | {"status": status, "usage": usage}).encode()
    row = ROWS["threads.runs.create"]
    assert (usage_of_answer(row, body), is_pending(row, body)) == (tokens, pending)
    read = usage_of_object("run", body)
    assert read == ObjectUsage(not pending, (("gpt-4o", tokens),) if tokens else ())


@pytest.mark.parametrize(("status", "pending"), [("queued", True), ("in_progress", True), ("completed", False)])
def test_a_response_in_the_background_is_pending(status, pending):
    body = json.dumps({"status": status, "background": True, "usage": None, "model": "gpt-5"}).encode()
    assert is_pending(ROWS["responses"], body) is pending
    assert usage_of_object("response", body).ended is not pending


AUDIO_TURN = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 45,
        "audio_tokens": 77,
        "image_tokens": 10,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 40, "image_tokens": 4},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}


def test_realtime_responses():
    event = {"type": "response.done", "event_id": "e", "response": {"object": "realtime.response", "usage": AUDIO_TURN}}
    as_the_sdk_says(ResponseDoneEvent, event)
    units = (
        ("audio_input_token", 37),
        ("image_input_token", 6),
        ("cached_audio_input_token", 40),
        ("cached_image_input_token", 4),
        ("audio_output_token", 91),
    )
    assert usage_of_realtime_event(json.dumps(event)) == RealtimeUsage(Tokens(132, 64, 121, 0, units), False)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (TOKENS_OF_AUDIO, Tokens(40, 0, 12, 0, (("audio_input_token", 30),))),
        ({"type": "duration", "seconds": 2.5}, Tokens(units=(("audio_millisecond", 2500),))),
    ],
)
def test_realtime_transcripts(usage, tokens):
    event = {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "e",
        "item_id": "i",
        "content_index": 0,
        "transcript": "t",
        "usage": usage,
    }
    as_the_sdk_says(ConversationItemInputAudioTranscriptionCompletedEvent, event)
    assert usage_of_realtime_event(json.dumps(event).encode()) == RealtimeUsage(tokens, True)


@pytest.mark.parametrize("event", ["", "7", '{"type":"response.done"}', '{"type":"session.created"}'])
def test_a_realtime_event_without_usage_is_none(event):
    assert usage_of_realtime_event(event) is None


@pytest.mark.parametrize(
    ("name", "response", "expected"),
    [
        (
            "chat.completions",
            {
                "status_code": 200,
                "body": {"model": "gpt-4o-2024-08-06", "usage": CHAT_USAGE[1][0], "service_tier": "flex"},
            },
            BatchLine(
                "c1",
                200,
                "gpt-4o-2024-08-06",
                Tokens(100, 10, 50, 0, (("audio_input_token", 60), ("audio_output_token", 40), ("tier:batch", 1))),
            ),
        ),
        (
            "embeddings",
            {"status_code": 200, "body": {"model": "text-embedding-3-small", "usage": {"prompt_tokens": 8}}},
            BatchLine("c1", 200, "text-embedding-3-small", Tokens(8, units=(("tier:batch", 1),))),
        ),
        (
            "responses",
            {"status_code": 200, "body": {"model": "gpt-5", "usage": RESPONSE_USAGE, "output": [SEARCH]}},
            BatchLine(
                "c1",
                200,
                "gpt-5",
                Tokens(
                    *(1000, 100, 50, 20),
                    (
                        ("cache_write_token", 100),
                        ("cache_write_12h_token", 200),
                        ("web_search_call", 1),
                        ("tier:batch", 1),
                    ),
                ),
            ),
        ),
        ("chat.completions", {"status_code": 429, "body": {"error": {}}}, BatchLine("c1", 429, None, Tokens())),
        ("chat.completions", None, BatchLine("c1", None, None, Tokens())),
        ("chat.completions", {"status_code": 200, "body": {"model": "m"}}, BatchLine("c1", 200, "m", None)),
        ("chat.completions", {"status_code": "x"}, None),
    ],
)
def test_lines_of_a_batch(name, response, expected):
    line = {"id": "batch_req_1", "custom_id": "c1", "response": response, "error": None}
    assert usage_of_batch_line(ROWS[name], json.dumps(line).encode()) == expected


VIDEO = {
    "id": "video_1",
    "object": "video",
    "created_at": 1,
    "model": "sora-2",
    "progress": 100,
    "seconds": "8",
    "size": "720x1280",
    "status": "completed",
}
JOB_FIELDS = {"id": "ftjob-1", "model": "gpt-4o-mini-2024-07-18", "status": "succeeded", "trained_tokens": 5768}
BATCH_USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 15,
}
BATCH = {"id": "batch_1", "status": "completed", "model": "gpt-5", "usage": BATCH_USAGE}
EVAL_USAGE = {
    "model_name": "gpt-4o",
    "invocation_count": 2,
    "prompt_tokens": 30,
    "completion_tokens": 7,
    "cached_tokens": 10,
    "total_tokens": 37,
}


CONTAINER = {"created_at": 1000, "last_active_at": 4000, "expires_after": {"minutes": 10}, "memory_limit": "4g"}


@pytest.mark.parametrize(
    ("fields", "now", "leaves", "milliseconds"),
    [
        ({"status": "running"}, 4599, False, None),
        ({"status": "running"}, 4600, False, 3_600_000),  # nobody has used it for ten minutes
        ({"status": "expired"}, 9999, False, 3_600_000),
        ({"status": "running"}, 2500, True, 1_500_000),  # it is deleted now
        ({"status": "running", "last_active_at": None}, 1001, True, 300_000),  # five minutes are the least
        ({"status": "active", "expires_after": None, "last_active_at": 1000}, 2200, False, 1_200_000),
    ],
)
def test_a_containers_time_is_billed_by_its_memory(fields, now, leaves, milliseconds):
    found = usage_of_object("container", json.dumps(CONTAINER | fields).encode(), now=now, leaves=leaves)
    units = (("container_millisecond:4g", milliseconds),)
    assert found == (
        ObjectUsage(False) if milliseconds is None else ObjectUsage(True, (("container", Tokens(units=units)),))
    )


@pytest.mark.parametrize(
    "fields", [{"created_at": None}, {"created_at": -5}, {"last_active_at": "soon"}, {"created_at": 1e300}]
)
def test_a_container_of_no_time_cannot_be_read(fields):
    assert usage_of_object("container", json.dumps(CONTAINER | fields).encode(), now=5.0) is None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("video", VIDEO, ObjectUsage(True, (("sora-2", Tokens(units=(("video_millisecond:720x1280", 8000),))),))),
        ("video", VIDEO | {"status": "failed"}, ObjectUsage(True)),
        ("video", VIDEO | {"status": "queued"}, ObjectUsage(False)),
        ("video", VIDEO | {"seconds": "nan"}, ObjectUsage(True, (("sora-2", None),))),
        (
            "fine_tuning_job",
            JOB_FIELDS,
            ObjectUsage(True, (("gpt-4o-mini-2024-07-18", Tokens(units=(("training_token", 5768),))),)),
        ),
        ("fine_tuning_job", JOB_FIELDS | {"status": "running", "trained_tokens": None}, ObjectUsage(False)),
        ("batch", BATCH, ObjectUsage(True, (("gpt-5", Tokens(10, 4, 5, 1, (("tier:batch", 1),))),))),
        ("batch", BATCH | {"usage": None}, ObjectUsage(True, (("gpt-5", None),))),
        ("batch", BATCH | {"usage": None, "status": "failed"}, ObjectUsage(True)),
        ("response", {"status": "failed", "usage": None}, ObjectUsage(True)),
        ("batch", BATCH | {"status": "finalizing"}, ObjectUsage(False)),
        (
            "eval_run",
            {"status": "completed", "per_model_usage": [EVAL_USAGE, 7]},
            ObjectUsage(True, (("gpt-4o", Tokens(30, 10, 7)),)),
        ),
        (
            "response",
            {"status": "completed", "model": "gpt-5", "usage": RESPONSE_USAGE, "service_tier": "flex"},
            ObjectUsage(
                True,
                (
                    (
                        "gpt-5",
                        Tokens(
                            *(1000, 100, 50, 20),
                            (("cache_write_token", 100), ("cache_write_12h_token", 200), ("tier:flex", 1)),
                        ),
                    ),
                ),
            ),
        ),
        ("response", {"error": {}}, None),
        ("response", [], None),
    ],
)
def test_objects_that_have_ended(kind, value, expected):
    assert usage_of_object(kind, json.dumps(value).encode()) == expected


def test_the_shapes_of_objects_are_the_sdks():
    as_the_sdk_says(Video, VIDEO)
    assert set(JOB_FIELDS) <= set(FineTuningJob.model_fields)
    assert set(BATCH) <= set(Batch.model_fields)
    assert "per_model_usage" in RunRetrieveResponse.model_fields
