"""What an object used, by model: summed, billed line by line (a long input's price is a line's, not a batch's), and made into
the ledger's events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import msgspec

from core.ids import share_id
from core.ledger.records import Settled, UsageSource
from core.units import tier_of
from proxy.deferred import KINDS, Due
from proxy.deferred.sold import Sold
from proxy.metering import Tokens
from proxy.metering.figures import added

UNREPORTED = "usage_unreported"
"""The error code of an event whose provider did work of which it did not say how much."""

MODEL_UNREPORTED = "model_unreported"
"""The same where it does not say which model did it: another one's price stands in."""


@dataclass(frozen=True, slots=True)
class Share:
    """One model's."""

    sold: Sold
    tokens: Tokens
    cost: int  # nano-dollars
    unpriced: bool
    error_code: str | None = None  # why it may be less than what was used


class Shares:
    """The sums of one object, by the model's name to its maker."""

    def __init__(self, sold_as: Callable[[str | None], Sold]) -> None:
        self._sold_as = sold_as
        self._sold: dict[str | None, Sold] = {}  # by the provider's name of the model
        self._by_model: dict[str, Share] = {}

    def add(self, named: str | None, tokens: Tokens | None) -> None:
        """So much more; None: something of which the provider does not say how much."""
        sold = self._sold.get(named)
        if sold is None:
            sold = self._sold[named] = self._sold_as(named)
        used = tokens if tokens is not None else Tokens()
        cost, unpriced = sold.bill(used)
        code = UNREPORTED if tokens is None else None
        before = self._by_model.get(sold.model)
        if before is None:
            self._by_model[sold.model] = Share(sold, used, cost, unpriced, code)
            return
        self._by_model[sold.model] = Share(
            before.sold,
            _sum(before.tokens, used),
            before.cost + cost,
            before.unpriced or unpriced,
            before.error_code or code,
        )

    def flagged(self, code: str) -> list[Share]:
        """All of them, with a reason why they may be less than what was used."""
        return [replace(share, error_code=share.error_code or code) for share in self._by_model.values()]

    def all(self) -> list[Share]:
        return list(self._by_model.values())


def _sum(one: Tokens, other: Tokens) -> Tokens:
    """Both; the terms under which they were sold are no quantities."""
    total = added((one, other))
    if any(tier_of(name) for name, _ in total.units):
        return total._replace(units=tuple((name, 1 if tier_of(name) else count) for name, count in total.units))
    return total


def events_of(due: Due, shares: Iterable[Share]) -> list[Settled]:
    """The ledger's events of an object: the same ones, however often they are made."""
    return [
        event_of(due, share, share_id(due.call.id, due.object_id, share.sold.model), due.call.id) for share in shares
    ]


def event_of(due: Due, share: Share, id: bytes, parent: bytes) -> Settled:
    """One event of an object, whose id is its own."""
    sold, tokens = share.sold, share.tokens
    reported = any(tokens[:4]) or bool(tokens.units)
    return Settled(
        call=msgspec.structs.replace(due.call, id=id, requested_model=sold.model, route=sold.route),
        upstream=due.upstream,
        deployment=sold.deployment,
        status=200,
        error_code=share.error_code,
        cancelled=False,
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        usage_source=UsageSource.REPORTED if reported else UsageSource.NONE,
        cost_nano_usd=share.cost,
        unpriced=share.unpriced or share.error_code in (UNREPORTED, MODEL_UNREPORTED),
        time_to_first_byte_ms=None,
        duration_ms=None,
        attempts=[],
        units=tokens.units,
        kind=KINDS[due.kind],
        parent_id=parent,
    )
