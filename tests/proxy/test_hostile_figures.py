"""What no ledger record can hold, from callers and from providers: cut to what it can, and never a call that stays open."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identity.entra import Identities
from core.ledger.records import Attempt, decode, encode, encode_settled
from core.prices import Price
from core.secrets.resolver import open_resolver
from core.snapshot import Upstream
from core.units import UNITS, Part
from proxy.bodies import JsonBody
from proxy.credentials import Credentials, CredentialUnavailable
from proxy.endpoints.table import ENDPOINTS
from proxy.metering import Tokens
from proxy.metering.figures import MOST
from proxy.metering.requests import usage_of_request
from proxy.metering.usage import usage_of_answer
from tests.proxy.ledger.calls import a_call, settled

CHAT, RESPONSES, IMAGES, TRANSCRIPTIONS = (
    next(row for row in ENDPOINTS if row.name == name)
    for name in ("chat.completions", "responses", "images.generate", "audio.transcriptions")
)


@pytest.mark.parametrize("asked", [2**31, 10**16, 10**30])
def test_a_cap_beyond_any_models_is_cut_to_what_the_ledger_holds(asked):
    body = JsonBody(json.dumps({"model": "gpt-4o", "max_tokens": asked}).encode())

    assert body.output_cap() == 2**31 - 1
    assert (
        json.loads(body.sent(b'"gpt-4o"', "max_tokens").content)["max_tokens"] == asked
    )  # the provider refuses it, or does not


@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
@pytest.mark.parametrize("figure", [2**31, 2**63, 10**30, -1])
def test_a_usage_that_cannot_be_true_is_not_taken_for_reported(field, figure):
    usage = {"prompt_tokens": 3, "completion_tokens": 4, field: figure}

    assert usage_of_answer(CHAT, json.dumps({"usage": usage}).encode()) is None


FIGURE = st.none() | st.integers(0, 60) | st.sampled_from([MOST, MOST + 1, 2**63, -1])


def details(*names: str):
    return st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(names, FIGURE))


CACHED = st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(("audio_tokens", "image_tokens"), FIGURE))
WRITES = st.none() | st.fixed_dictionaries({}, optional={"ttl_12h_tokens": FIGURE})
BEFORE = st.none() | st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("cached_tokens", "audio_tokens", "image_tokens", "cache_write_tokens"), FIGURE)
    | {"cached_tokens_details": CACHED, "cache_write_tokens_details": WRITES},
)
AFTER = details("reasoning_tokens", "audio_tokens", "image_tokens")


@given(FIGURE, FIGURE, BEFORE, AFTER)
def test_no_figures_make_the_share_of_text_negative(total, output, before, after):
    usage = {
        "input_tokens": total,
        "output_tokens": output,
        "input_tokens_details": before,
        "output_tokens_details": after,
    }
    tokens = usage_of_answer(RESPONSES, json.dumps({"usage": usage}).encode())

    if tokens is None:
        return
    shares = {Part.INPUT: tokens.input - tokens.cached, Part.CACHED: tokens.cached, Part.OUTPUT: tokens.output}
    for name, quantity in tokens.units:
        assert quantity > 0
        shares[UNITS[name].part] -= quantity
    assert min(shares.values()) >= 0
    assert (tokens.input, tokens.output) == (total, output or 0)
    assert 0 <= tokens.reasoning <= tokens.output
    assert (
        Price(0.0, 10**6, 10**6, 10**6).bill(tokens)[0] == tokens.input + tokens.output
    )  # nothing twice, nothing lost


@pytest.mark.parametrize(
    ("endpoint", "answer"),
    [
        (CHAT, {"usage": {"prompt_tokens": 3, "prompt_tokens_details": {"audio_tokens": -1}}}),
        (CHAT, {"usage": {"prompt_tokens": 3, "completion_tokens_details": {"audio_tokens": -1}}}),
        (CHAT, {"usage": {"prompt_tokens": 3, "prompt_tokens_details": {"audio_tokens": "3"}}}),
        (TRANSCRIPTIONS, {"usage": {"type": "duration", "seconds": -1}}),
        (TRANSCRIPTIONS, {"usage": {"type": "duration", "seconds": 1e300}}),
        (TRANSCRIPTIONS, {"duration": "12"}),
        (IMAGES, {"usage": {"input_tokens": 3, "output_tokens": 2**40}}),
        (IMAGES, {"data": []}),
        (IMAGES, {"data": {"0": {}}}),
    ],
)
def test_units_that_cannot_be_true_are_not_taken_for_reported(endpoint, answer):
    assert usage_of_answer(endpoint, json.dumps(answer).encode()) is None


@pytest.mark.parametrize(
    ("tool_usage", "output"),
    [
        (7, "none"),
        ({"web_search": {"num_requests": -1}}, [{"type": "web_search_call"}]),
        ({"web_search": [], "image_gen": 1}, [{"type": "web_search_call", "action": 7}]),
        ({"web_search": {"num_requests": 2**40}}, [{"type": "web_search_call"}, 7, None]),
        ({"image_gen": {"input_tokens": "1"}}, [{"type": "web_search_call"}]),
    ],
)
def test_tools_that_are_reported_oddly_are_counted_by_their_calls(tool_usage, output):
    answer = {"usage": {"input_tokens": 1, "output_tokens": 1}, "tool_usage": tool_usage, "output": output}
    tokens = usage_of_answer(RESPONSES, json.dumps(answer).encode())

    assert tokens == Tokens(1, 0, 1, 0, (("web_search_call", 1),) if isinstance(output, list) else ())


@pytest.mark.parametrize("tier", [7, "", "x" * 1000, "Flex\n", ["flex"]])
def test_a_tier_that_is_none_is_a_tier_that_no_price_names(tier):
    answer = {"usage": {"prompt_tokens": 1, "completion_tokens": 1}, "service_tier": tier}
    tokens = usage_of_answer(CHAT, json.dumps(answer).encode())

    assert tokens.units == (("tier:unknown", 1),)


@pytest.mark.parametrize(
    ("request_", "unit"),
    [
        ({"size": "x" * 100, "quality": 7}, ("image:unknown/unknown", 1)),
        ({"size": "1024x1024@batch", "n": 10**30}, ("image:unknown/standard", 1024)),
        ({"n": -3}, ("image:1024x1024/standard", 1)),
        ({"n": "9" * 40}, ("image:1024x1024/standard", 1)),
        (b"no json", ("image:1024x1024/standard", 1)),
        (None, ("image:1024x1024/standard", 1)),
    ],
)
def test_whatever_a_request_asks_for_its_unit_is_a_short_one(request_, unit):
    assert usage_of_request(IMAGES, request_) == Tokens(units=(unit,))


def test_a_settlement_is_written_down_whatever_an_upstream_put_into_it():
    good = settled(a_call(bytes(16)))
    attempt = Attempt("aoai", "gpt-4o", 10**30, "\ud800", "r\ud800", 1.0)
    fields = {name: getattr(good, name) for name in good.__struct_fields__}
    hostile = type(good)(
        **fields
        | {"error_code": "\ud800x", "input_tokens": 10**30, "attempts": [attempt], "units": (("\ud800", 10**30),)}
    )

    row = decode(encode_settled(hostile))

    assert (row.call, row.error_code, row.input_tokens) == (good.call, "?x", 2**63 - 1)
    assert row.attempts == [Attempt("aoai", "gpt-4o", 2**63 - 1, "?", "r?", 1.0)]
    assert row.units == (("?", 2**63 - 1),)
    assert encode_settled(good) == encode(good)


def upstream(reference: str) -> Upstream:
    return Upstream("u1", "aoai", "azure_openai", "https://aoai.example", None, reference, True)


@pytest.mark.parametrize("secret", ["s3cret\n", " s3cret\r\n"])
async def test_a_line_break_around_an_upstreams_secret_is_not_sent(secret):
    credentials = Credentials(open_resolver({"SECRET": secret}, ttl=60.0), Identities("managed_identity"))

    assert (await credentials.obtain(upstream("env:SECRET"))).headers == ((b"api-key", b"s3cret"),)
    assert b"s3cret" in credentials.spellings(upstream("env:SECRET"))


@pytest.mark.parametrize("secret", ["two\nlines", "two\r\nx-header: lines", "n\0l", "ключ", " \n"])
async def test_a_secret_that_is_no_header_takes_its_upstream_out_and_is_not_named(secret):
    credentials = Credentials(open_resolver({"SECRET": secret}, ttl=60.0), Identities("managed_identity"))

    with pytest.raises(CredentialUnavailable) as refused:
        await credentials.obtain(upstream("env:SECRET"))
    assert secret.strip() == "" or secret not in str(refused.value)
