"""An estimate as people read it: the sum, what it consists of, what is not in it, and how old the prices are."""

from collections.abc import Iterator
from decimal import Decimal

from deployer.costs import HOURS, Estimate, Item
from deployer.costs.prices import EVERYWHERE


def told(estimate: Estimate) -> Iterator[str]:
    """Lines; the first is the sum."""
    yield f"Cost: about {_amount(estimate.low, estimate.high, ' to ')} USD a month, and what is used"
    ranges = [_amount(item.low, item.high, " – ") for item in estimate.items]
    width = max(map(len, ranges), default=0)
    for amount, item in zip(ranges, estimate.items, strict=True):
        yield f"{amount:>{width}}  {item.part}: {item.what}{_elsewhere(item, estimate.region)}"
    if estimate.unpriced:
        yield "Not in it"
        for each in estimate.unpriced:
            yield f"  {each.part}: {each.what} ({each.why})"
    yield from _notes(estimate)


def _notes(estimate: Estimate) -> Iterator[str]:
    if estimate.dates is not None:
        oldest, newest = estimate.dates
        days = f"{oldest}" if oldest == newest else f"{oldest} to {newest}"
        yield f"List prices of {days} for {HOURS} hours, before tax, discounts, reservations and free grants."
    if estimate.billing_currency != "USD":
        yield f"The prices are in US dollars; the bill is in {estimate.billing_currency}."


def _amount(low: Decimal, high: Decimal, between: str) -> str:
    return f"{low:,}" if low == high else f"{low:,}{between}{high:,}"


def _elsewhere(item: Item, region: str) -> str:
    """Whose prices they are, where they are another region's."""
    return "" if item.region in (region, EVERYWHERE) else f" (prices of {item.region})"
