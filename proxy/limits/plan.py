"""From a caller's rules to the checks of its calls: compiled once for a key, a model and a calendar day, not per call."""

from collections.abc import Iterable, Sequence

from core.ledger.records import Call
from core.limits import Budget, Concurrency, Family, OnExceeded, Quota, Rate, Rule, ScopeKind, Unit
from core.limits.calendar import FOREVER, Interval, interval
from core.limits.fields import (
    bucket_field,
    counter_field,
    families_text,
    live_field,
    throttle_field,
    unit_number,
)
from core.snapshot import Caller
from proxy.limits import Check, Plan, Verdict, operations
from proxy.limits.operations import CheckArray

_MODES = {
    OnExceeded.BLOCK: operations.REFUSES,
    OnExceeded.THROTTLE: operations.THROTTLES,
    OnExceeded.DOWNSHIFT: operations.DOWNSHIFTS,
}
_NEVER = float("inf")


def plan_of(caller: Caller, model: str, now: float) -> Plan:
    """The checks of one caller's calls of one model (as it is asked for), by the calendar at `now` (Unix seconds)."""
    rules = caller.rules
    compiler = _Compiler(now)
    applying = rules.of(model)
    for rule in applying:
        compiler.add(rule)
    counters = list(_counters(_ids(caller), rules.families, model, now))
    spans = [*compiler.spans, *(span for _, _, span in counters)]
    bounded = [span for span in spans if span != FOREVER]
    return Plan(
        checks=tuple(compiler.checks),
        encoded=operations.encode_checks(compiler.arrays),
        counters=operations.encode_counters(dict.fromkeys((field, unit) for field, unit, _ in counters)),
        families=families_text(rules.families).encode(),
        since=max((span.start for span in bounded), default=-_NEVER),
        until=min((span.end for span in bounded), default=_NEVER),
        told=_told(compiler.checks),
        downshifts=any(isinstance(rule, Budget) and rule.on_exceeded is OnExceeded.DOWNSHIFT for rule in applying),
    )


def counters_of(call: Call, families: Iterable[Family], at: float) -> bytes:
    """Where a call that was admitted `at` (Unix seconds) is spent, as a settlement's operation has it."""
    ids = {
        ScopeKind.CLIENT: call.client_id.hex(),
        ScopeKind.TEAM: call.team_id.hex(),
        ScopeKind.APP: call.app_id.hex(),
        ScopeKind.KEY: call.key_id,
    }
    found = _counters(ids, families, call.requested_model, at)
    return operations.encode_counters(dict.fromkeys((field, unit) for field, unit, _ in found))


def verdict_of(plan: Plan, raw: Sequence[int], now: float) -> Verdict:
    """What the counters answered (docs/decisions/0004-limits.md); `now` in Unix seconds."""
    kind, index, wait_us, used, reserved, *remaining = raw
    if kind:
        return Verdict(admitted=True, downshifted=kind == 2, remaining=tuple(remaining))
    failed = plan.checks[index - 1]
    wait: float | None
    if wait_us < 0:
        wait = None
    elif isinstance(failed.rule, Quota | Budget):
        wait = max(0.0, failed.resets_at - now) if failed.resets_at is not None else None
    else:
        wait = wait_us / 1e6
    return Verdict(False, False, tuple(remaining), failed, wait, used, reserved)


class _Compiler:
    """Rules to checks, in step: each check's place is its index in the operation."""

    def __init__(self, now: float) -> None:
        self._now = now
        self.checks: list[Check] = []
        self.arrays: list[CheckArray] = []
        self.spans: list[Interval] = []

    def add(self, rule: Rule) -> None:
        scope = rule.scope
        if isinstance(rule, Rate):
            field = bucket_field(scope.kind, scope.id, rule.unit, rule.model)
            self._append(rule, field, rule.amount, None, operations.bucket(field, unit_number(rule.unit), rule.amount))
        elif isinstance(rule, Concurrency):
            field = live_field(scope.kind, scope.id, rule.model)
            self._append(rule, field, rule.amount, None, operations.live(field, rule.amount))
        elif isinstance(rule, Quota):
            span = interval(rule.period, rule.time_zone, self._now)
            field = counter_field(scope.kind, scope.id, rule.unit, rule.period, span, rule.model)
            array = operations.calendar(field, unit_number(rule.unit), rule.amount)
            self._append(rule, field, rule.amount, span, array)
        else:
            self._add_budget(rule)

    def _add_budget(self, budget: Budget) -> None:
        scope = budget.scope
        span = interval(budget.period, budget.time_zone, self._now)
        field = counter_field(scope.kind, scope.id, Unit.COST, budget.period, span, None)
        amount = budget.amount + (budget.credit if budget.credit_start == span.start else 0)
        array = operations.calendar(field, unit_number(Unit.COST), amount, _MODES[budget.on_exceeded])
        self._append(budget, field, amount, span, array)
        condition = len(self.checks)
        for rate in budget.throttle:
            field = throttle_field(budget.id, rate.unit)
            array = operations.bucket(field, unit_number(rate.unit), rate.amount, condition)
            self._append(rate, field, rate.amount, None, array, budget)

    def _append(
        self,
        rule: Rule,
        field: str,
        limit: int,
        span: Interval | None,
        array: CheckArray,
        throttled_by: Budget | None = None,
    ) -> None:
        if span is not None:
            self.spans.append(span)
        resets_at = float(span.end) if span is not None and span != FOREVER else None
        self.checks.append(Check(rule, field, limit, resets_at, throttled_by))
        self.arrays.append(array)


def _told(checks: Sequence[Check]) -> tuple[tuple[tuple[bytes, bytes, bytes], tuple[int, ...]], ...]:
    """What x-ratelimit-* choose from, by unit: rates and quotas, but not those of an exceeded budget."""
    found = []
    for unit in (Unit.REQUESTS, Unit.TOKENS):
        indexes = tuple(
            index
            for index, check in enumerate(checks)
            if isinstance(check.rule, Rate | Quota) and check.rule.unit is unit and check.throttled_by is None
        )
        if indexes:
            limit, remaining, reset = (
                f"x-ratelimit-{what}-{unit}".encode() for what in ("limit", "remaining", "reset")
            )
            found.append(((limit, remaining, reset), indexes))
    return tuple(found)


def _ids(caller: Caller) -> dict[ScopeKind, str]:
    return {
        ScopeKind.CLIENT: caller.client_id.hex(),
        ScopeKind.TEAM: caller.team_id.hex(),
        ScopeKind.APP: caller.app_id.hex(),
        ScopeKind.KEY: caller.key_id,
    }


def _counters(
    ids: dict[ScopeKind, str], families: Iterable[Family], model: str, at: float
) -> Iterable[tuple[str, int, Interval]]:
    for family in families:
        if not family.counts(model):
            continue
        span = interval(family.period, family.time_zone, at)
        field = counter_field(family.scope, ids[family.scope], family.unit, family.period, span, family.model)
        yield field, unit_number(family.unit), span
