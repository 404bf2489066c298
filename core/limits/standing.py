"""Where a caller's limits and budgets stand: rules and counters put side by side, for people who look. It decides nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.limits import Budget, Concurrency, Quota, Rate, Rule, Unit
from core.limits.calendar import FOREVER, interval
from core.limits.fields import bucket_field, counter_field, live_field

BUCKET_EPOCH = 1_700_000_000.0  # Unix seconds: bucket times are kept relative to it


@dataclass(frozen=True, slots=True)
class Counters:
    """What Redis holds of one client, by field."""

    full: Mapping[str, float] = field(default_factory=dict)  # microseconds after `BUCKET_EPOCH`
    spent: Mapping[str, int] = field(default_factory=dict)
    reserved: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit or budget now; amounts in requests, tokens, nano-dollars or live calls."""

    name: str  # as policies say it; a budget: budget_per_month, budget_total
    scope: str  # client:contoso
    model: str | None
    unit: str  # requests | tokens | nano_usd | live calls
    limit: int
    used: int
    reserved: int | None  # None: a bucket, whose reservations are among what is used
    resets_at: (
        float | None
    )  # Unix seconds: when the period ends, or the bucket is full again; None: never, or it is full

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used - (self.reserved or 0))


def fields_of(rules: Iterable[Rule], now: float) -> list[str]:
    """The counters that `standings` wants, of whichever hash."""
    return [_field(rule, now) for rule in rules]


def standings(rules: Iterable[Rule], counters: Counters, now: float) -> list[Standing]:
    """Each rule with its figures. `now`: Unix seconds."""
    return [_standing(rule, counters, now) for rule in rules]


def _standing(rule: Rule, counters: Counters, now: float) -> Standing:
    at, scope = _field(rule, now), f"{rule.scope.kind}:{rule.scope.name}"
    if isinstance(rule, Rate):
        full = BUCKET_EPOCH + counters.full.get(at, 0.0) / 1e6
        used = max(0, round((full - now) * rule.amount / 60))
        return Standing(rule.name, scope, rule.model, rule.unit, rule.amount, used, None, full if used else None)
    if isinstance(rule, Concurrency):
        return Standing(rule.name, scope, rule.model, "live calls", rule.amount, 0, counters.reserved.get(at, 0), None)
    span = interval(rule.period, rule.time_zone, now)
    ends = None if span == FOREVER else float(span.end)
    spent, reserved = counters.spent.get(at, 0), counters.reserved.get(at, 0)
    if isinstance(rule, Budget):
        if rule.credit_start == span.start:
            spent = max(0, spent - rule.credit)
        name = "budget_total" if span == FOREVER else f"budget_per_{rule.period}"
        return Standing(name, scope, None, "nano_usd", rule.amount, spent, reserved, ends)
    return Standing(rule.name, scope, rule.model, rule.unit, rule.amount, spent, reserved, ends)


def _field(rule: Rule, now: float) -> str:
    scope = rule.scope
    if isinstance(rule, Rate):
        return bucket_field(scope.kind, scope.id, rule.unit, rule.model)
    if isinstance(rule, Concurrency):
        return live_field(scope.kind, scope.id, rule.model)
    span = interval(rule.period, rule.time_zone, now)
    if isinstance(rule, Quota):
        return counter_field(scope.kind, scope.id, rule.unit, rule.period, span, rule.model)
    return counter_field(scope.kind, scope.id, Unit.COST, rule.period, span, None)
