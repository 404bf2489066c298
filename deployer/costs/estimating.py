"""The sum: what a tenant needs, at the prices of the table."""

from decimal import ROUND_HALF_UP, Decimal

from deployer.costs import Estimate, Item, Unpriced
from deployer.costs.needs import ByUse, Need, by_use_of, needs_of
from deployer.costs.prices import EVERYWHERE, Prices, shipped_prices
from deployer.tenant import Tenant

_CENT = Decimal("0.01")
_UNKNOWN = "its price is not known here"


def estimate(tenant: Tenant, prices: Prices | None = None) -> Estimate:
    """What a month of it costs. `prices`: another table than the shipped one."""
    prices = prices or shipped_prices()
    items: list[Item] = []
    unpriced: list[Unpriced] = []
    for need in needs_of(tenant):
        item = _priced(need, need.region or tenant.region, prices)
        if item is None:
            unpriced.append(Unpriced(need.part, need.what, _UNKNOWN))
        else:
            items.append(item)
    unpriced += (_by_use(each, tenant.region, prices) for each in by_use_of(tenant))
    used = sorted({name for item in items for name in item.sources})
    return Estimate(
        region=tenant.region,
        billing_currency=tenant.billing_currency,
        items=tuple(items),
        unpriced=tuple(unpriced),
        sources={name: prices.sources[name] for name in used},
    )


def _priced(need: Need, region: str, prices: Prices) -> Item | None:
    """None: a part of it has no price, and half of a price would be a wrong one."""
    found = [(take, prices.of(take.meter, region)) for take in need.takes]
    known = [(take, price) for take, price in found if price is not None]
    if not known or len(known) < len(found):
        return None
    regions = sorted({price.region for _, price in known} - {EVERYWHERE}) or [EVERYWHERE]
    return Item(
        part=need.part,
        what=need.what,
        low=_cents(sum((take.low * price.usd for take, price in known), Decimal(0))),
        high=_cents(sum((take.high * price.usd for take, price in known), Decimal(0))),
        region=", ".join(regions),
        sources=tuple(sorted({price.source for _, price in known})),
    )


def _by_use(each: ByUse, region: str, prices: Prices) -> Unpriced:
    price = prices.of(each.meter, region) if each.meter else None
    if price is None:
        return Unpriced(each.part, each.what, "by use")
    return Unpriced(each.part, each.what, f"by use, {price.usd.normalize():f} USD a {price.unit} in {price.region}")


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
