"""Prices: what a provider asks for a model's tokens and for what is billed beside them, exactly.

An event is priced once, in the proxy, in whole nano-dollars; that value is stored everywhere. Nothing is free because a price
does not name it: the nearest price holds, where there is one, and the event is flagged `unpriced`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from core.units import CACHED_INPUT, INPUT, MILLION, OUTPUT, TEXT, UNITS, Part, names_of, tier_of

# A price is USD for so many units; per million tokens that is whole nano-dollars (the seed file allows nine decimals).
_TOKENS = MILLION
# Other units are sold by one, by a thousand, by a million, by the second, minute or hour in milliseconds: so many of any of
# them cost whole nano-dollars.
GRAIN = 18_000_000
_PER_TOKEN = GRAIN // _TOKENS

_NEVER = 2**63


class Used(Protocol):
    """What an event used: `proxy.metering.Tokens`, or a reservation of as much."""

    @property
    def input(self) -> int: ...  # tokens; cached ones are part of it
    @property
    def cached(self) -> int: ...
    @property
    def output(self) -> int: ...
    @property
    def units(self) -> tuple[tuple[str, int], ...]: ...  # core.units


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars per million text tokens, from a moment on; of other units, per `GRAIN`."""

    effective_from: float  # Unix seconds; a date's midnight in UTC
    input: int
    cached_input: int  # the input price where the provider names none
    output: int
    units: Mapping[str, int] = field(default_factory=dict)  # by the names of core.units, variants included
    sells_tokens: bool = True  # False: it names no price of text tokens (the three above are 0)
    tiers: Mapping[str, "Price"] = field(default_factory=dict)  # the price under other terms
    long: "Price | None" = None  # the price of all of an event whose input is above `long_above` tokens
    long_above: int = _NEVER
    plain: bool = field(init=False, repr=False)  # nothing but an event's units can make its bill more than `cost`

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", self.sells_tokens and self.long is None and "request" not in self.units)

    def cost(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """Whole nano-dollars of text tokens, rounded half up once. `cached_tokens` are part of `input_tokens`."""
        return (
            (input_tokens - cached_tokens) * self.input
            + cached_tokens * self.cached_input
            + output_tokens * self.output
            + _TOKENS // 2
        ) // _TOKENS

    def bill(self, used: Used) -> tuple[int, bool]:
        """Whole nano-dollars of all that was used, rounded half up once; and whether a part of it has no price of its own."""
        if used.units or not self.plain:
            return _bill(self, used)
        return self.cost(used.input, used.cached, used.output), False


def _bill(price: Price, used: Used) -> tuple[int, bool]:
    price, unpriced = _terms(price, used)
    shares = {Part.INPUT: used.input - used.cached, Part.CACHED: used.cached, Part.OUTPUT: used.output}
    total = price.units.get("request", 0)
    for name, quantity in used.units:
        if tier_of(name) is not None:
            continue
        unit = UNITS.get(name.partition(":")[0])
        if unit is not None and unit.part is not None:
            quantity = min(quantity, shares[unit.part])
            shares[unit.part] -= quantity
        rate, of_its_own = _rate(price, name)
        total += quantity * rate
        unpriced |= quantity > 0 and not of_its_own
    if not price.sells_tokens and any(shares.values()):
        unpriced = True
    text = (
        shares[Part.INPUT] * price.input + shares[Part.CACHED] * price.cached_input + shares[Part.OUTPUT] * price.output
    )
    return (total + text * _PER_TOKEN + GRAIN // 2) // GRAIN, unpriced


def _terms(price: Price, used: Used) -> tuple[Price, bool]:
    """The price under the terms of an event, and whether there is none: then the standard one stands in."""
    unpriced = False
    for name, _ in used.units:
        tier = tier_of(name)
        if tier is not None:
            unpriced |= tier not in price.tiers
            price = price.tiers.get(tier, price)
    if price.long is not None and used.input > price.long_above:
        price = price.long
    return price, unpriced


def _rate(price: Price, name: str) -> tuple[int, bool]:
    """Nano-dollars per `GRAIN` of a unit, and whether that is a price of its own or as good as one."""
    for each in names_of(name):
        if each in price.units:
            return price.units[each], True
    unit = UNITS.get(name.partition(":")[0])
    for other in unit.instead if unit is not None else ():
        if other in price.units:
            return price.units[other], True
        if other in TEXT and price.sells_tokens:
            return _text_rate(price, other), unit is not None and unit.as_text
    return 0, False


def _text_rate(price: Price, name: str) -> int:
    return {INPUT: price.input, CACHED_INPUT: price.cached_input, OUTPUT: price.output}[name] * _PER_TOKEN


def price_at(prices: tuple[Price, ...], at: float) -> Price | None:
    """The price in force at a time (Unix seconds), of prices sorted newest first. None: there is none."""
    for price in prices:
        if price.effective_from <= at:
            return price
    return None
