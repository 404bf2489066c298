"""What an installation costs a month, from its tenant file and a dated table of list prices. Nothing is guessed.

`prices` is the table, `needs` what of it a tenant takes, `estimating` the sum. What is billed by use, or has no price in the
table, is listed beside the sum and is never part of it as a zero.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

HOURS = 730
"""Of a month, as Azure's own pages count."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that has a price. `low` and `high` differ where it scales."""

    part: str  # `Container Apps`
    what: str  # `proxy, 2 to 10 replicas of 1 vCPU and 2 GiB`
    low: Decimal  # USD a month, to the cent
    high: Decimal
    region: str  # whose prices they are; `everywhere`: all regions'
    sources: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "part": self.part,
            "what": self.what,
            "low_usd": self.low,
            "high_usd": self.high,
            "region": self.region,
            "sources": list(self.sources),
        }


class Unpriced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that costs money and is not in the sum."""

    part: str
    what: str
    why: str  # `by use`, or that the table has no price of it

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {"part": self.part, "what": self.what, "why": self.why}


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where prices are from, and the day that they were read there."""

    url: str
    read_on: date

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {"url": self.url, "read_on": self.read_on}


class Estimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A month at list prices: before tax, discounts and reservations."""

    region: str
    billing_currency: str  # the customer's; the prices are in USD all the same
    items: tuple[Item, ...]
    unpriced: tuple[Unpriced, ...]
    sources: dict[str, Source]  # those of the items

    @property
    def low(self) -> Decimal:
        """USD a month where everything stays as small as it may."""
        return sum((item.low for item in self.items), Decimal("0.00"))

    @property
    def high(self) -> Decimal:
        """The same where everything is as large as it may become, all month."""
        return sum((item.high for item in self.items), Decimal("0.00"))

    @property
    def dates(self) -> tuple[date, date] | None:
        """The oldest and the newest price; None: there is none."""
        days = sorted(source.read_on for source in self.sources.values())
        return (days[0], days[-1]) if days else None

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "currency": "USD",
            "billing_currency": self.billing_currency,
            "region": self.region,
            "hours_per_month": HOURS,
            "low_usd": self.low,
            "high_usd": self.high,
            "items": [item.as_json() for item in self.items],
            "unpriced": [item.as_json() for item in self.unpriced],
            "sources": {name: source.as_json() for name, source in self.sources.items()},
        }
