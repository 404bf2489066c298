"""What whole answers used, and what is counted where they do not say."""

import json

import pytest

from proxy.endpoints.table import ENDPOINTS
from proxy.metering import Tokens
from proxy.metering.tokenizer import Tokenizer, encoding_of
from proxy.metering.usage import texts_of_answer, usage_of_answer, usage_of_ends

CHAT, COMPLETIONS, RESPONSES = (
    next(row for row in ENDPOINTS if row.name == name) for name in ("chat.completions", "completions", "responses")
)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Tokens(10, 0, 5, 0)),
        ({"prompt_tokens": 10, "total_tokens": 10}, Tokens(10, 0, 0, 0)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            Tokens(10, 8, 5, 4),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": None}, Tokens(10, 0, 5, 0)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": None}},
            Tokens(10, 0, 5, 0),
        ),
        ({"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}, Tokens(3, 1, 2, 0)),
        # More cached than there was, or more reasoning than output, cannot make a price negative.
        (
            {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            Tokens(1, 1, 1, 0),
        ),
        ({"prompt_tokens": -1, "completion_tokens": 5}, None),
        ({"prompt_tokens": "ten"}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
)
def test_usage_is_read_from_a_whole_answer_or_not_at_all(usage, tokens):
    body = json.dumps({"choices": [], "usage": usage}).encode()
    assert usage_of_answer(CHAT, body) == tokens
    assert usage_of_ends(CHAT, b"", body[-300:]) == tokens


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'"x"', b"[" * 100_000])
def test_what_is_no_answer_has_no_usage(body):
    assert usage_of_answer(CHAT, body) is None
    assert texts_of_answer(CHAT, body) == []


def test_the_text_of_every_kind_of_answer_is_found():
    chat = {
        "choices": [
            {"message": {"content": "a", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}},
            {"message": {"content": None, "refusal": "no"}},
        ]
    }
    assert texts_of_answer(CHAT, json.dumps(chat).encode()) == ["a", "f{}", "no"]
    assert texts_of_answer(COMPLETIONS, b'{"choices":[{"text":"t"}]}') == ["t"]
    response = {"output": [{"type": "message", "content": [{"text": "x"}]}, {"name": "g", "arguments": "1"}, 7]}
    assert texts_of_answer(RESPONSES, json.dumps(response).encode()) == ["x", "g1"]


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("azure/gpt-4", "cl100k_base"),
        ("anything-else", "o200k_base"),
    ],
)
def test_a_model_is_counted_with_its_encoding(model, encoding):
    assert encoding_of(model) == encoding


async def test_text_and_requests_are_counted_as_openai_does():
    tokenizer = Tokenizer()
    try:
        assert await tokenizer.count_text("gpt-4o", ["hello world", ""]) == 2
        assert await tokenizer.count_text("gpt-4o", []) == 0
        # The cookbook's rule: 3 a message, 1 a name, 3 for the answer; "user", "hello world" are 1 and 2 tokens.
        chat = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello world"}]}
        assert await tokenizer.count_request("gpt-4o", json.dumps(chat).encode()) == 3 + 1 + 2 + 3
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
        chat["messages"].append({"role": "user", "content": [{"type": "text", "text": "hello world"}, image]})
        assert await tokenizer.count_request("gpt-4o", json.dumps(chat).encode()) == 2 * (3 + 1 + 2) + 3
        assert await tokenizer.count_request("text-embedding-3-small", b'{"input":["hello world","hello"]}') == 3
        assert await tokenizer.count_request("text-embedding-3-small", b'{"input":[[1,2,3],[4]]}') == 4
        assert await tokenizer.count_request("gpt-4o", b'{"prompt":"hello world"}') == 2
    finally:
        await tokenizer.close()


async def test_a_count_that_fails_falls_back_to_four_bytes_a_token_and_the_next_one_works():
    tokenizer = Tokenizer()
    try:
        assert await tokenizer.count_request("gpt-4o", b"not json" * 4) == 8
        assert await tokenizer.count_text("gpt-4o", ["hello world"]) == 2
        tokenizer._process.kill()
        await tokenizer._process.wait()
        assert await tokenizer.count_text("gpt-4o", ["hello world"]) == 2
    finally:
        await tokenizer.close()
