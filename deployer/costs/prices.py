"""The table of list prices that is shipped (`prices.toml`): a price is found for a meter and a region, with whose it is."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from deployer.costs import Source

EVERYWHERE = "everywhere"


@dataclass(frozen=True, slots=True)
class Price:
    """One price, as it was found."""

    usd: Decimal  # for one unit
    unit: str
    region: str  # whose it is; `everywhere`
    source: str


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices there are."""

    reference_regions: tuple[str, ...]
    sources: Mapping[str, Source]
    meters: Mapping[str, Mapping[str, Price]]  # by region

    def of(self, meter: str, region: str) -> Price | None:
        """The region's own price, else everybody's, else a reference region's; None: the table has none."""
        known = self.meters.get(meter, {})
        return next((known[each] for each in (region, EVERYWHERE, *self.reference_regions) if each in known), None)


@cache
def shipped_prices() -> Prices:
    """The table of this release."""
    return read_prices((files("deployer.costs") / "prices.toml").read_text("utf-8"))


def read_prices(text: str) -> Prices:
    """A table. Raises `ValueError` for one that is wrong: an amount that is none, a source that is not there."""
    document = tomllib.loads(text)
    sources = msgspec.convert(document["sources"], dict[str, Source])
    meters = {name: _meter(meter, sources) for name, meter in document["meters"].items()}
    return Prices(tuple(document["reference_regions"]), sources, meters)


def _meter(meter: Mapping[str, Any], sources: Mapping[str, Source]) -> dict[str, Price]:
    found: dict[str, Price] = {}
    for group in meter["prices"]:
        amounts = dict(group)
        source = amounts.pop("source")
        if source not in sources:
            raise ValueError(f"there is no source {source}")
        for region, amount in amounts.items():
            usd = Decimal(amount)
            if region in found or not usd.is_finite() or usd <= 0:
                raise ValueError(f"{amount} is no price of {region}, or not its only one")
            found[region] = Price(usd, meter["unit"], region, source)
    return found
