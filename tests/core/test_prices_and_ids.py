"""Money to the nano-dollar, and ids that carry their time."""

import time
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import admitted_at, as_uuid, new_event_id
from core.money import nano_usd, usd
from core.prices import GRAIN, Price, price_at
from core.units import CACHED_INPUT, INPUT, MILLION, OUTPUT, TEXT, UNITS, Part, parse_stored, stored, tier

TOKENS = st.integers(0, 10**9)
NANO = st.integers(0, 10**12)  # nano-dollars per million tokens: up to 1,000 USD


@given(TOKENS, TOKENS, TOKENS, NANO, NANO, NANO)
def test_a_cost_is_the_exact_sum_rounded_once(uncached, cached, output, a, b, c):
    exact = Decimal(uncached * a + cached * b + output * c) / 1_000_000
    cost = Price(0.0, a, b, c).cost(uncached + cached, cached, output)
    assert abs(Decimal(cost) - exact) <= Decimal("0.5")


def test_cached_input_is_priced_apart():
    gpt_4o = Price(0.0, nano_usd(Decimal("2.50")), nano_usd(Decimal("1.25")), nano_usd(Decimal("10")))
    assert usd(gpt_4o.cost(1_000_000, 0, 0)) == Decimal("2.5")
    assert usd(gpt_4o.cost(1_000_000, 400_000, 100_000)) == Decimal("1.5") + Decimal("0.5") + Decimal("1")


def test_the_price_in_force_is_the_newest_that_has_begun():
    old, new = Price(100.0, 1, 1, 1), Price(200.0, 2, 2, 2)
    assert [price_at((new, old), at) for at in (99.9, 100.0, 199.9, 200.0)] == [None, old, old, new]


class Spent(NamedTuple):
    """What a proxy says was used."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    units: tuple[tuple[str, int], ...] = ()


def per_million(usd: str) -> int:
    return int(Decimal(usd) * 1000 * GRAIN)


AUDIO = Price(
    0.0,
    nano_usd(Decimal("2.50")),
    nano_usd(Decimal("1.25")),
    nano_usd(Decimal("10")),
    {
        "audio_input_token": per_million("40"),
        "audio_output_token": per_million("80"),
        "web_search_call": per_million("10") * 1000,
        "image": per_million("0.04") * MILLION,
        "image:1024x1024/hd": per_million("0.08") * MILLION,
    },
    tiers={"batch": Price(0.0, nano_usd(Decimal("1.25")), nano_usd(Decimal("1.25")), nano_usd(Decimal("5")))},
    long=Price(0.0, nano_usd(Decimal("5")), nano_usd(Decimal("2.50")), nano_usd(Decimal("15"))),
    long_above=2_000_000,
)
BY_PIECE = Price(0.0, 0, 0, 0, {"audio_millisecond": GRAIN * 100, "request": GRAIN}, sells_tokens=False)


@pytest.mark.parametrize(
    ("price", "used", "usd_billed", "unpriced"),
    [
        (AUDIO, Spent(1_000_000, 400_000, 100_000), "3", False),
        # 200,000 of the input are audio, and half of the output.
        (
            AUDIO,
            Spent(1_000_000, 400_000, 100_000, 0, (("audio_input_token", 200_000), ("audio_output_token", 50_000))),
            "14",  # 0.4 at 2.50, 0.2 at 40, 0.4 at 1.25, 0.05 at 10, 0.05 at 80
            False,
        ),
        # Cached audio is sold as audio where it has no price of its own, images as text, and neither is flagged.
        (AUDIO, Spent(1_000_000, 1_000_000, 0, 0, (("cached_audio_input_token", 1_000_000),)), "40", False),
        (AUDIO, Spent(1_000_000, 0, 0, 0, (("image_input_token", 1_000_000),)), "2.5", False),
        # Cache writes cost at least what input does; whoever reports them bills them apart.
        (AUDIO, Spent(1_000_000, 0, 0, 0, (("cache_write_token", 1_000_000),)), "2.5", True),
        (AUDIO, Spent(0, 0, 0, 0, (("web_search_call", 3),)), "0.03", False),
        (AUDIO, Spent(0, 0, 0, 0, (("file_search_call", 3),)), "0", True),
        (AUDIO, Spent(0, 0, 0, 0, (("file_search_call", 0),)), "0", False),
        (AUDIO, Spent(0, 0, 0, 0, (("something new", 3),)), "0", True),
        (AUDIO, Spent(0, 0, 0, 0, (("image:1024x1024/hd", 2),)), "0.16", False),
        (AUDIO, Spent(0, 0, 0, 0, (("image:1024x1024/standard", 2),)), "0.08", False),
        # More of a share than there is of the whole is not billed twice.
        (AUDIO, Spent(10, 0, 0, 0, (("audio_input_token", 20),)), "0.0004", False),
        (AUDIO, Spent(1_000_000, 0, 0, 0, (tier("batch"),)), "1.25", False),
        # Terms that the price does not name are billed by the standard one, and flagged.
        (AUDIO, Spent(1_000_000, 0, 0, 0, (tier("priority"),)), "2.5", True),
        (AUDIO, Spent(2_000_000, 0, 0), "5", False),
        (AUDIO, Spent(2_000_001, 0, 1_000_000), "25.000005", False),
        (BY_PIECE, Spent(0, 0, 0, 0, (("audio_millisecond", 12_500),)), "0.001250001", False),
        (BY_PIECE, Spent(0, 0, 7), "0.000000001", True),
    ],
)
def test_a_bill_is_the_sum_of_its_units_and_says_what_has_no_price(price, used, usd_billed, unpriced):
    cost, flagged = price.bill(used)
    assert (usd(cost), flagged) == (Decimal(usd_billed), unpriced)


NAMES = tuple(name for name in UNITS if name not in TEXT)  # text tokens are no unit of an event
RATES = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**15))


@given(TOKENS, TOKENS, TOKENS, st.lists(st.tuples(st.sampled_from(NAMES), TOKENS), max_size=6), RATES)
def test_a_bill_is_exact_and_rounded_once(uncached, cached, output, units, rates):
    price = Price(0.0, 2_500_000_001, 1_250_000_001, 10_000_000_003, {k: v for k, v in rates.items() if k != "request"})
    cost, _ = price.bill(Spent(uncached + cached, cached, output, 0, tuple(units)))
    left = {Part.INPUT: uncached, Part.CACHED: cached, Part.OUTPUT: output}
    text = {INPUT: price.input, CACHED_INPUT: price.cached_input, OUTPUT: price.output}
    exact = Fraction(0)
    for name, quantity in units:
        unit = UNITS[name]
        taken = quantity if unit.part is None else min(quantity, left[unit.part])
        if unit.part is not None:
            left[unit.part] -= taken
        own = next((each for each in (name, *unit.instead) if each in price.units or each in text), None)
        if own is not None:
            exact += taken * (Fraction(price.units[own], GRAIN) if own in price.units else Fraction(text[own], MILLION))
    assert all(share >= 0 for share in left.values())
    exact += sum(Fraction(left[part] * rate, MILLION) for part, rate in zip(left, text.values(), strict=True))
    assert cost == (exact + Fraction(1, 2)).__floor__()


@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), st.integers(1, 10**6))
def test_nothing_that_was_used_is_free_and_unflagged(names, quantity):
    price = Price(0.0, 1_000_000, 1_000_000, 1_000_000)
    tokens = quantity * len(names)
    cost, unpriced = price.bill(Spent(2 * tokens, tokens, tokens, 0, tuple((name, quantity) for name in names)))
    assert cost == 2 * tokens + tokens  # a nano-dollar for a token, whatever it was
    assert unpriced == any(not UNITS[name].as_text for name in names)


@pytest.mark.parametrize("per", [1, 1000, 60_000, 1_000_000, 3_600_000])
@given(amount=st.decimals(0, 10**6, places=9))
def test_a_price_by_any_usual_count_is_whole_nano_dollars(per, amount):
    assert (Fraction(amount) * 10**9 * GRAIN / per).denominator == 1


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("input_token", ("input_token", None, None)),
        ("image:1024x1024/hd", ("image:1024x1024/hd", None, None)),
        ("input_token@batch", ("input_token", "batch", None)),
        ("output_token@batch>272000", ("output_token", "batch", 272_000)),
    ],
)
def test_a_stored_unit_says_its_terms(text, parsed):
    assert parse_stored(text) == parsed
    assert stored(*parsed) == text


@pytest.mark.parametrize("text", ["", "unicorn", "input_token@", "input_token>x", "input_token@Batch", "@batch"])
def test_what_is_no_unit_of_prices_is_refused(text):
    with pytest.raises(ValueError, match="not a unit"):
        parse_stored(text)


@given(st.decimals(0, 10**6, places=9))
def test_money_goes_to_nano_dollars_and_back_without_loss(amount):
    assert usd(nano_usd(amount)) == amount


def test_what_is_finer_than_a_nano_dollar_is_refused():
    with pytest.raises(ValueError, match="nano-dollar"):
        nano_usd(Decimal("0.0000000001"))


def test_an_event_id_is_a_uuid7_of_its_time():
    before = time.time()
    ids = [new_event_id() for _ in range(1000)]
    after = time.time()
    assert len(set(ids)) == 1000
    for made in ids:
        assert as_uuid(made).version == 7
        assert as_uuid(made).variant == "specified in RFC 4122"
        assert before - 0.001 <= admitted_at(made).timestamp() <= after
