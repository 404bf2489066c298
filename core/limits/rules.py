"""From policies and budgets to each caller's rules: whose counter each limit is, and what a client counts for them.

It is pure, and shares what keys of one app have in common: ten thousand keys hold a few hundred rules.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.limits import Budget, Concurrency, Family, Period, Quota, Rate, Rule, Rules, Scope, Unit
from core.policies import Limits, Policy

UTC = "UTC"

Names = Callable[[str], tuple[str, ...]]

RATES = (("requests_per_minute", Unit.REQUESTS), ("tokens_per_minute", Unit.TOKENS))
_QUOTAS = (
    ("requests_per_day", Unit.REQUESTS, Period.DAY),
    ("tokens_per_day", Unit.TOKENS, Period.DAY),
    ("requests_per_month", Unit.REQUESTS, Period.MONTH),
    ("tokens_per_month", Unit.TOKENS, Period.MONTH),
)
_CONCURRENT = "max_concurrent_requests"


@dataclass(frozen=True, slots=True)
class Level:
    """The rules of one entity, its own policy's and its budgets', without those of the levels above."""

    always: tuple[Rule, ...] = ()
    by_model: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()


NOTHING = Level()


def level_of(scope: Scope, policy: Policy | None, budgets: Sequence[Budget], time_zone: str) -> Level:
    """`time_zone`: the client's, for a policy that names none."""
    if policy is None:
        return Level(budgets=tuple(budgets))
    zone = policy.time_zone or time_zone
    return Level(
        always=tuple(_rules(scope, policy.limits, zone, None)),
        by_model={model: tuple(_rules(scope, limits, zone, model)) for model, limits in policy.models.items()},
        budgets=tuple(budgets),
    )


def itself(model: str) -> tuple[str, ...]:
    """The names of a model that has no other."""
    return (model,)


def together(levels: Sequence[Level], families: tuple[Family, ...], names: Names = itself) -> Rules:
    """What holds for a caller: all of its levels', its client's families. `names`: what a model is called by callers."""
    always: list[Rule] = [rule for level in levels for rule in level.always]
    always += [budget for level in levels for budget in level.budgets]
    by_model: dict[str, tuple[Rule, ...]] = {}
    for level in levels:
        for model, rules in level.by_model.items():
            for name in names(model):
                by_model[name] = (*by_model.get(name, ()), *rules)
    return Rules(tuple(always), by_model or None, families)


def families_of(levels: Iterable[Level], names: Names = itself) -> tuple[Family, ...]:
    """What has to be counted for some levels' rules."""
    found: set[Family] = set()
    for level in levels:
        for rule in (*level.always, *(rule for rules in level.by_model.values() for rule in rules), *level.budgets):
            if isinstance(rule, Quota):
                model = (rule.model, names(rule.model)) if rule.model is not None else ("", ())
                found.add(Family(rule.scope.kind, rule.unit, rule.period, rule.time_zone, *model))
            elif isinstance(rule, Budget):
                found.add(Family(rule.scope.kind, Unit.COST, rule.period, rule.time_zone))
    return tuple(sorted(found))


def _rules(scope: Scope, limits: Limits, time_zone: str, model: str | None) -> Iterable[Rule]:
    for name, unit in RATES:
        amount = getattr(limits, name)
        if amount is not None:
            yield Rate(name, scope, unit, amount, model)
    if limits.max_concurrent_requests is not None:
        yield Concurrency(_CONCURRENT, scope, limits.max_concurrent_requests, model)
    for name, unit, period in _QUOTAS:
        amount = getattr(limits, name)
        if amount is not None:
            yield Quota(name, scope, unit, period, time_zone, amount, model)
