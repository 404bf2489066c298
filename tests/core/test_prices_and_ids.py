"""Money to the nano-dollar, and ids that carry their time."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import admitted_at, as_uuid, new_event_id
from core.money import nano_usd, usd
from core.prices import Price, price_at

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
