"""From the rows of the table of prices, one a unit, to what a model costs from a date on."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from core.money import NANO_PER_USD
from core.prices import GRAIN, Price
from core.snapshot.rows import PriceRow
from core.units import CACHED_INPUT, INPUT, MILLION, OUTPUT, TEXT, UNITS, parse_stored

_log = logging.getLogger("aduana.snapshot")

Prices = Mapping[tuple[str, str], tuple[Price, ...]]  # by provider and model, newest first
_Amounts = dict[str, tuple[Decimal, int]]  # by unit: so many dollars for so many
_Terms = dict[tuple[str | None, int | None], _Amounts]  # by tier, and the input above which they hold


def prices_of(rows: Iterable[PriceRow]) -> Prices:
    """Of rows that come newest first. What cannot be understood is left out and logged: then it is unpriced."""
    dated: dict[tuple[str, str], dict[float, _Terms]] = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for row in rows:
        terms = dated[(row.provider, row.model)][row.effective_from]
        try:
            unit, tier, above = parse_stored(row.unit)
        except ValueError as error:
            _log.error("a price of %s %s is left out: %s", row.provider, row.model, error)
            continue
        terms[tier, above][unit] = (row.usd, row.per)
    return {
        (provider, model): tuple(
            price
            for effective_from, terms in dates.items()
            if (price := _price(f"{provider} {model}", effective_from, terms)) is not None
        )
        for (provider, model), dates in dated.items()
    }


def _price(whose: str, effective_from: float, terms: _Terms) -> Price | None:
    pieces = {unit: amount for unit, amount in terms.get((None, None), {}).items() if not _is_token(unit)}
    tiers = {}
    for tier in sorted({tier for tier, _ in terms if tier is not None}):
        price = _under(whose, effective_from, terms, tier, pieces)
        if price is not None:
            tiers[tier] = price
    return _under(whose, effective_from, terms, None, pieces, tiers)


def _under(
    whose: str,
    effective_from: float,
    terms: _Terms,
    tier: str | None,
    pieces: _Amounts,
    tiers: Mapping[str, Price] | None = None,
) -> Price | None:
    """The price of one tier, or the standard one, with that of long inputs."""
    thresholds = sorted(above for each, above in terms if each == tier and above is not None)
    long, long_above = None, thresholds[0] if thresholds else None
    if long_above is not None:
        long = _plain(f"{whose} above {long_above} tokens", effective_from, {**pieces, **terms[tier, long_above]})
    amounts = {**pieces, **terms.get((tier, None), {})}
    price = _plain(whose if tier is None else f"{whose} in {tier}", effective_from, amounts, tiers)
    if price is None or long is None or long_above is None:
        return price
    return replace(price, long=long, long_above=long_above)


def _plain(
    whose: str, effective_from: float, amounts: _Amounts, tiers: Mapping[str, Price] | None = None
) -> Price | None:
    sells_tokens = INPUT in amounts and OUTPUT in amounts
    units = {name: _nano(*amount, GRAIN) for name, amount in amounts.items() if name not in TEXT}
    if not sells_tokens and (INPUT in amounts or OUTPUT in amounts or any(map(_is_token, units)) or not units):
        _log.error("a price of %s lacks its input or output: it is left out", whose)
        return None
    entry, cached, output = (
        (
            _nano(*amounts[INPUT], MILLION),
            _nano(*amounts.get(CACHED_INPUT, amounts[INPUT]), MILLION),
            _nano(*amounts[OUTPUT], MILLION),
        )
        if sells_tokens
        else (0, 0, 0)
    )
    return Price(effective_from, entry, cached, output, units, sells_tokens, tiers or {})


def _is_token(unit: str) -> bool:
    return unit in TEXT or UNITS[unit.partition(":")[0]].part is not None


def _nano(usd: Decimal, per: int, of: int) -> int:
    """Nano-dollars for so many."""
    exact = usd * NANO_PER_USD * of / per
    return int(exact.to_integral_value(ROUND_HALF_UP))
