"""What is left of a caller's limits, read and not asked for: for answers to calls that were refused before their limits were
checked, and to those that have none.
"""

from collections.abc import Sequence

from core.limits import Concurrency, Rate
from proxy.limits import Plan

_MINUTE = 60e6  # microseconds
_ROUNDING = 0.001  # microseconds: what the doubles of a full bucket may be off


def left_of(
    plan: Plan, full: Sequence[float], spent: Sequence[int], reserved: Sequence[int], now: float
) -> tuple[int, ...]:
    """Of each check, from its counter's values. `full` and `now` are microseconds on the counters' clock."""
    left = []
    for check, full_at, used, held in zip(plan.checks, full, spent, reserved, strict=True):
        if isinstance(check.rule, Rate):
            debt = max(full_at, now) - now
            rest = int(((_MINUTE - debt) * check.limit / _MINUTE + _ROUNDING) // 1)
        elif isinstance(check.rule, Concurrency):
            rest = check.limit - held
        else:
            rest = check.limit - used - held
        left.append(max(0, rest))
    return tuple(left)
