"""What a call reserves: never less than its text is worth, and by the table of docs/limits.md for what is no text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.prices import GRAIN, Price
from proxy.bodies import JsonBody
from proxy.endpoints.table import ENDPOINTS
from proxy.metering.tokenizer import _count_request
from proxy.reservation import Lines, reserve, reserve_other

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


# ── What generates no text, and what ends later ─────────────────────────────────────────────────────────────────────────


def other(name, lines=None, **fields):
    return reserve_other(BY_NAME[name], JsonBody(json.dumps({"model": "m", **fields}).encode()), lines)


@pytest.mark.parametrize(
    ("name", "fields", "tokens", "units"),
    [
        (
            "images.generate",
            {"prompt": "a quay", "n": 2, "size": "1024x1792", "quality": "hd"},
            (6, 12_480),
            {"image:1024x1792/hd": 2},
        ),
        ("images.generate", {"prompt": "a"}, (1, 6240), {"image:1024x1024/standard": 1}),
        ("audio.speech", {"input": "Grüße"}, (7, 10), {"character": 5, "audio_output_token": 10}),
        ("audio.speech", {"input": ["no", "text"], "instructions": 7}, None, None),
        (
            "videos.create",
            {"prompt": "a", "seconds": "8", "size": "1280x720"},
            (0, 0),
            {"video_millisecond:1280x720": 8000},
        ),
        ("videos.create", {"prompt": "a", "seconds": "long"}, (0, 0), {"video_millisecond:720x1280": 12_000}),
        ("fine_tuning.jobs.create", {"training_file": "file-1"}, (0, 0), {}),
        ("threads.runs.create", {"assistant_id": "asst_1"}, (0, 0), {}),
    ],
)
def test_what_is_no_text_is_reserved_in_its_units(name, fields, tokens, units):
    found = other(name, **fields)
    if tokens is not None:
        assert (found.input_tokens, found.output_tokens) == tokens
        assert dict(found.units) == units


def test_a_batch_reserves_its_lines_at_batch_prices():
    found = other("batches.create", Lines(1000, 2000, ()), input_file_id="file-1")
    assert (found.input_tokens, found.output_tokens, found.fixed) == (1000, 2000, True)
    half = Price(0, 1_000_000, 1_000_000, 2_000_000)
    price = Price(0, 2_000_000, 2_000_000, 4_000_000, tiers={"batch": half})
    assert price.bill(found) == (1000 + 4000, False)


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(0, 0, 0, 0, units={"image": 40 * GRAIN}, sells_tokens=False), 80),  # by the image
        (Price(0, 0, 0, 1_000_000), 12_480),  # by the token: images as text
    ],
)
def test_a_models_own_way_of_being_sold_decides_what_images_reserve(price, cost):
    assert price.bill(other("images.generate", prompt="a", n=2))[0] == cost
