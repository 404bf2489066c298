"""Server-sent events, however their bytes are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.endpoints.table import ENDPOINTS
from proxy.metering import Tokens
from proxy.metering.events import LIMIT, EventSplitter, EventTooLarge, data_of, events
from proxy.metering.streams import GarbledStream, stream_meter

CHAT = next(e for e in ENDPOINTS if e.name == "chat.completions")
RESPONSES = next(e for e in ENDPOINTS if e.name == "responses")

TEXTS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)
PLACES = st.lists(st.integers(0, 10_000), max_size=12)
TOOL = {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}


def chunk(content: str | None, **more: object) -> bytes:
    choices = [] if content is None else [{"index": 0, "delta": {"content": content}}]
    return b"data: " + json.dumps({"id": "c", "choices": choices, **more}).encode() + b"\n\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True) if a != b]


@given(TEXTS, PLACES, st.sampled_from([b"\n\n", b"\r\n\r\n"]))
def test_a_stream_passes_byte_for_byte_wherever_it_is_cut(texts, places, end):
    whole = b"".join(chunk(text)[:-2] + end for text in texts) + b": a comment" + end + b"data: [DONE]" + end
    splitter = EventSplitter()
    passed = [splitter.feed(piece) for piece in cut(whole, places)]
    assert b"".join(passed) == whole
    assert all(piece == b"" or piece.endswith(end) for piece in passed)
    assert sum(len(events(piece)) for piece in passed if piece) == len(texts) + 2
    assert splitter.rest() == b""


@given(TEXTS, PLACES)
def test_forced_usage_is_taken_out_and_nothing_else_wherever_it_is_cut(texts, places):
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}}
    filters = b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\n'
    sent = (
        filters + b"".join(chunk(text, usage=None) for text in texts) + chunk(None, usage=usage) + b"data: [DONE]\n\n"
    )
    meter = stream_meter(CHAT, hide_usage=True)
    passed = b"".join(meter.pass_on(piece) for piece in cut(sent, places))
    seen = [data_of(event) for event in events(passed)]
    assert seen[0] == data_of(filters)
    assert [json.loads(data) for data in seen[1:-1]] == [json.loads(data_of(chunk(text))) for text in texts]
    assert seen[-1] == b"[DONE]"
    assert meter.usage == Tokens(7, 2, 5, 0)
    assert meter.finished
    assert meter.received() == ["".join(texts)]


def test_a_last_event_without_its_blank_line_is_seen_and_passes():
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    meter = stream_meter(CHAT, hide_usage=True)
    passed = meter.pass_on(chunk("a") + chunk(None, usage=usage) + b"data: [DONE]\n") + meter.rest()
    assert passed == chunk("a") + b"data: [DONE]\n"
    assert (meter.usage, meter.finished) == (Tokens(7, 0, 5, 0), True)
    hidden = stream_meter(CHAT, hide_usage=True)
    assert hidden.pass_on(chunk(None, usage=usage)[:-2]) + hidden.rest() == b""
    assert hidden.usage == Tokens(7, 0, 5, 0)


def test_a_content_that_looks_like_usage_stays():
    sent = chunk('say "usage":null please', usage=None)
    passed = stream_meter(CHAT, hide_usage=True).pass_on(sent)
    assert json.loads(data_of(passed))["choices"][0]["delta"]["content"] == 'say "usage":null please'
    assert "usage" not in json.loads(data_of(passed))


def test_usage_that_comes_with_choices_is_not_taken_out():
    sent = chunk("x", usage={"prompt_tokens": 1, "completion_tokens": 1})
    assert stream_meter(CHAT, hide_usage=True).pass_on(sent) == sent


def test_what_was_asked_for_passes_untouched():
    sent = chunk("x", usage=None) + chunk(None, usage={"prompt_tokens": 1, "completion_tokens": 1})
    assert stream_meter(CHAT, hide_usage=False).pass_on(sent) == sent


@pytest.mark.parametrize(
    "delta", [{"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}, {"refusal": "f{}"}]
)
def test_every_kind_of_generated_text_is_kept_for_a_count(delta):
    meter = stream_meter(CHAT, hide_usage=False)
    meter.pass_on(b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n")
    assert meter.received() == ["f{}"]


@pytest.mark.parametrize("garbage", [b"data: {\n\n", b"data: <html>\n\n", b"data: 1\n\n", b"data: \xff\n\n"])
@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES], ids=lambda e: e.name)
def test_an_event_that_is_no_json_object_is_garbled(endpoint, garbage):
    with pytest.raises(GarbledStream):
        stream_meter(endpoint, hide_usage=True).pass_on(garbage)


def test_an_event_of_an_unknown_shape_passes():
    odd = b'data: {"choices":"none","usage":[1]}\n\n'
    assert stream_meter(CHAT, hide_usage=True).pass_on(odd) == odd
    odd = b'event: response.audio.delta\ndata: {"type":"response.new","delta":{"a":1},"response":7}\n\n'
    assert stream_meter(RESPONSES, hide_usage=False).pass_on(odd) == odd
    not_utf_8 = b'data: {"choices":[{"index":0,"delta":{"content":"\xff"}}]}\n\n'
    assert stream_meter(CHAT, hide_usage=True).pass_on(not_utf_8) == not_utf_8
    not_utf_8 = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"\xff"}\n\n'
    assert stream_meter(RESPONSES, hide_usage=False).pass_on(not_utf_8) == not_utf_8


def test_an_event_without_end_is_too_large():
    splitter = EventSplitter()
    with pytest.raises(EventTooLarge):
        for _ in range(LIMIT // 65536 + 2):
            splitter.feed(b"x" * 65536)


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete", "response.failed"])
def test_a_responses_stream_has_its_usage_in_its_last_event(end):
    meter = stream_meter(RESPONSES, hide_usage=False)
    meter.pass_on(b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"hi"}\n\n')
    usage = {"input_tokens": 9, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 3}}
    last = {"type": end, "response": {"usage": usage}}
    meter.pass_on(f"event: {end}\ndata: {json.dumps(last)}\n\n".encode())
    assert (meter.usage, meter.finished, meter.received()) == (Tokens(9, 0, 4, 3), True, ["hi"])
