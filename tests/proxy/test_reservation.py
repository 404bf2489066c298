"""What a call reserves: never less than its text is worth, and by the table of docs/limits.md for what is no text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.bodies import JsonBody
from proxy.endpoints.table import ENDPOINTS
from proxy.metering.tokenizer import _count_request
from proxy.reservation import reserve

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES = (
    BY_NAME[name] for name in ("chat.completions", "completions", "embeddings", "responses")
)


def amounts(endpoint, **body):
    return reserve(endpoint, JsonBody(json.dumps({"model": "gpt-4o", **body}, ensure_ascii=False).encode()))


def said(*parts):
    return [{"role": "user", "content": list(parts)}]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text()), min_size=1, max_size=5))
def test_the_bound_is_never_below_the_tokenizers_count(messages):
    body = {"messages": [{"role": role, "content": text} for role, text in messages]}
    encoded = json.dumps({"model": "gpt-4o", **body}).encode()
    assert reserve(CHAT, JsonBody(encoded)).input_tokens >= _count_request("o200k_base", encoded)


@given(st.lists(st.lists(st.integers(0, 200_000), min_size=1, max_size=20), min_size=1, max_size=5))
def test_token_arrays_are_bounded_too(tokens):
    assert amounts(EMBEDDINGS, input=tokens).input_tokens >= sum(map(len, tokens))


@pytest.mark.parametrize(
    ("endpoint", "body", "output"),
    [
        (CHAT, {"max_tokens": 10}, 10),
        (CHAT, {"max_completion_tokens": 10, "n": 3}, 30),
        (CHAT, {}, 4096),
        (CHAT, {"max_tokens": 10, "n": 10**30}, 10 * 1024),
        (CHAT, {"max_tokens": -5}, 4096),
        (CHAT, {"max_tokens": 10, "n": "many"}, 10),
        (COMPLETIONS, {"prompt": ["a", "b"], "max_tokens": 10, "n": 2, "best_of": 4}, 80),
        (COMPLETIONS, {"prompt": [1, 2, 3], "max_tokens": 10}, 10),
        (RESPONSES, {"input": "a", "max_output_tokens": 10}, 10),
        (EMBEDDINGS, {"input": "a"}, 0),
    ],
)
def test_output_is_the_cap_times_the_answers(endpoint, body, output):
    assert amounts(endpoint, **body).output_tokens == output


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}, 1445),
        ({"type": "input_image", "image_url": "https://contoso.example/cat.png"}, 1445),
        ({"type": "input_audio", "input_audio": {"data": "A" * 128_000, "format": "mp3"}}, 1001),
        ({"type": "file", "file": {"file_data": "A" * 4000}}, 1001),
        ({"type": "file", "file": {"file_id": "file-1"}}, 8192),
    ],
)
def test_what_is_no_text_is_reserved_by_the_table_and_not_by_its_bytes(part, tokens):
    found = amounts(CHAT, messages=said(part), max_tokens=1)
    assert found.beyond_text == tokens
    assert tokens < found.input_tokens < tokens + 400


def test_a_part_whose_name_is_escaped_is_found():
    body = json.dumps({"model": "m", "messages": said({"type": "IMAGE", "image_url": {"url": "x"}})})
    hidden = body.replace('"IMAGE"', '"\\u0069mage_url"').replace('"image_url":', '"i\\u006dage_url":').encode()
    assert b"image" not in hidden.replace(b"mage_url", b"")
    assert reserve(CHAT, JsonBody(hidden)).beyond_text == 1445


@pytest.mark.parametrize(
    "body", [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"tools": [{"type": "web_search"}]}]
)
def test_what_only_the_provider_sees_is_reserved(body):
    assert amounts(RESPONSES, input="a", **body).beyond_text == 8192
    assert amounts(RESPONSES, input="a", tools=[{"type": "function", "name": "f"}]).beyond_text == 0
