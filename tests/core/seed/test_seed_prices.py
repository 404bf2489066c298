"""What a seed file says of prices, the rows that it makes, and the same again from the rows."""

from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.seed.file import parse_seed
from core.seed.prices import (
    CALL_KEYS,
    OTHERWISE,
    TOKEN_KEYS,
    TOOL_KEYS,
    decimal_text,
    stored_amounts,
    values_of,
)
from core.units import PIECE_UNITS, TOOLS, VARIED_UNITS


def read(price: dict) -> tuple[dict, list[str]]:
    named = {"provider": "openai", "model": "m", "effective_from": "2024-10-01"}
    seed = parse_seed(yaml.safe_dump({"prices": [named | price]}).encode())
    return (seed.entities[0].values if seed.entities else {}), [error.message for error in seed.errors]


TOKENS = {"input_per_million": "2", "output_per_million": "8"}


@pytest.mark.parametrize(
    ("price", "rows"),
    [
        (TOKENS, {"input_token": ("2", 1_000_000), "output_token": ("8", 1_000_000)}),
        ({"images": "0.04"}, {"image": ("0.04", 1)}),
        (
            {"images": {"1024x1024/hd": "0.08", "1024x1024": "0.04", "other": "0.12"}},
            {"image:1024x1024/hd": ("0.08", 1), "image:1024x1024": ("0.04", 1), "image": ("0.12", 1)},
        ),
        ({"audio_per_minute": "0.006"}, {"audio_millisecond": ("0.006", 60_000)}),
        ({"video_per_second": {"720x1280": "0.10"}}, {"video_millisecond:720x1280": ("0.1", 1000)}),
        ({"characters_per_million": "15"}, {"character": ("15", 1_000_000)}),
        ({"calls_per_thousand": {"web_search_call": "10"}}, {"web_search_call": ("10", 1000)}),
        (
            {"svg": TOKENS},
            {"svg.input_token": ("2", 1_000_000), "svg.output_token": ("8", 1_000_000)},
        ),
        (
            TOKENS | {"tiers": {"batch": {"input_per_million": "1", "output_per_million": "4"}}},
            {
                "input_token": ("2", 1_000_000),
                "output_token": ("8", 1_000_000),
                "input_token@batch": ("1", 1_000_000),
                "output_token@batch": ("4", 1_000_000),
            },
        ),
        (
            TOKENS | {"long_context": {"above": 272000, "input_per_million": "4", "output_per_million": "12"}},
            {
                "input_token": ("2", 1_000_000),
                "output_token": ("8", 1_000_000),
                "input_token>272000": ("4", 1_000_000),
                "output_token>272000": ("12", 1_000_000),
            },
        ),
    ],
)
def test_a_price_is_a_row_a_unit(price, rows):
    values, errors = read(price)
    assert errors == []
    assert stored_amounts(values) == {unit: (Decimal(usd), per) for unit, (usd, per) in rows.items()}
    assert values_of(stored_amounts(values)) == values


AMOUNT = st.decimals(0, 10**4, places=9).map(decimal_text)
BOTH = ("input_per_million", "output_per_million")


def amounts(keys):
    return st.fixed_dictionaries(dict.fromkeys(BOTH, AMOUNT), optional={key: AMOUNT for key in keys if key not in BOTH})


SOME_TOKENS = amounts(TOKEN_KEYS)
LONG = st.tuples(st.integers(1, 10**9), SOME_TOKENS).map(lambda pair: {"above": pair[0], **pair[1]})
TERMS = st.tuples(SOME_TOKENS, st.none() | LONG).map(
    lambda pair: pair[0] | ({"long_context": pair[1]} if pair[1] else {})
)
VARIANTS = st.dictionaries(st.sampled_from(["1024x1024", "1024x1024/hd", "auto/low", OTHERWISE]), AMOUNT, min_size=1)
TOOL = amounts(TOOL_KEYS)
PIECES = st.fixed_dictionaries(
    {},
    optional={unit.key: AMOUNT for unit in PIECE_UNITS}
    | {unit.key: AMOUNT | VARIANTS for unit in VARIED_UNITS}
    | {"calls_per_thousand": st.dictionaries(st.sampled_from(CALL_KEYS), AMOUNT, min_size=1)}
    | dict.fromkeys(TOOLS, TOOL),
)
TIERS = st.dictionaries(st.sampled_from(["batch", "flex", "priority"]), TERMS, max_size=3)


@given(TERMS, PIECES, TIERS)
def test_whatever_a_file_says_is_read_back_from_its_rows(terms, pieces, tiers):
    values, errors = read(terms | pieces | ({"tiers": tiers} if tiers else {}))
    assert errors == []
    assert values_of(stored_amounts(values)) == values


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ({}, "a price needs input_per_million"),
        ({"images": {}}, "a price needs"),
        ({"input_per_million": "1"}, "a price needs output_per_million"),
        ({"audio_input_per_million": "40"}, "a price needs input_per_million"),
        ({"images": "0.04", "tiers": {"batch": TOKENS}}, "a price needs input_per_million"),
        ({"images": "dear"}, "images must be an amount"),
        ({"images": {"1024 x 1024": "1"}}, "images are by size, or size/quality"),
        ({"images": {"1024x1024": None}}, "images needs 1024x1024"),
        ({"audio_per_minute": "0.0000000001"}, "audio_per_minute is finer than a nano-dollar"),
        (
            {"calls_per_thousand": {"web_serch_call": "10"}},
            "unknown key 'web_serch_call'; did you mean web_search_call?",
        ),
        (TOKENS | {"tiers": {"Batch!": TOKENS}}, "a tier is called"),
        (TOKENS | {"tiers": {"batch": {"input_per_million": "1"}}}, "the tier batch needs output_per_million"),
        (TOKENS | {"tiers": [TOKENS]}, "tiers must be a mapping"),
        (TOKENS | {"long_context": TOKENS}, "long_context needs above"),
        (TOKENS | {"long_context": TOKENS | {"above": 0}}, "above must be a whole number"),
        (TOKENS | {"image_generation": {"input_per_million": "1"}}, "image_generation needs output_per_million"),
        (TOKENS | {"image_generation": {"audio_per_minute": "1"}}, "unknown key 'audio_per_minute'"),
    ],
)
def test_what_is_wrong_with_a_price_is_said(price, message):
    _, errors = read(price)
    assert any(message in error for error in errors), errors


def test_a_price_for_another_count_shows_as_what_the_files_count_costs():
    rows = {"audio_millisecond": (Decimal("0.36"), 3_600_000), "input_token": (Decimal("0.000002"), 1)}
    assert values_of(rows) == {
        "input_per_million": "2",
        "cached_input_per_million": None,
        "output_per_million": None,
        "audio_per_minute": "0.006",
    }


def test_rows_that_the_file_has_no_word_for_are_left_out():
    assert values_of({"unicorn": (Decimal(1), 1), "@": (Decimal(1), 1)}) == values_of({})
