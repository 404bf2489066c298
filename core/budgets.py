"""Budgets as they stand by the ledger, and their reset: what was spent so far in a period is let off.

A reset is a credit of the period in which it was made. What is spent goes on being counted, so the ledger, the alerts that
were raised and the next period know nothing of it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from core import audit
from core.ledger.alerts import BUDGETS
from core.ledger.sums import spent_in
from core.limits import Period, ScopeKind
from core.limits.calendar import FOREVER, Interval, interval
from core.money import usd
from core.seed.state import lock_configuration

_RESET = """
UPDATE budgets b SET credit_usd = %(credit)s, credit_start = to_timestamp(%(start)s)
  FROM (SELECT id, credit_usd, credit_start FROM budgets WHERE id = %(id)s FOR UPDATE) AS before
 WHERE b.id = before.id AND b.removed_at IS NULL
RETURNING before.credit_usd, before.credit_start
"""


class BudgetUnknown(Exception):
    """There is no such budget, or several are meant."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One budget in the period in which it was looked at; amounts in dollars."""

    id: UUID
    scope: str
    period: str
    on_exceeded: str
    amount: Decimal
    spent: Decimal  # by the ledger
    credit: Decimal  # of what was spent: let off by a reset
    span: Interval

    @property
    def remaining(self) -> Decimal:
        return max(Decimal(0), self.amount + self.credit - self.spent)

    @property
    def begins_anew(self) -> datetime | None:
        """None: never."""
        return None if self.span == FOREVER else datetime.fromtimestamp(self.span.end, UTC)


def read_budgets(connection: psycopg.Connection[Any], now: float | None = None) -> list[BudgetState]:
    """All budgets whose scope is there, by scope and period. `now`: Unix seconds."""
    at = time.time() if now is None else now
    rows = connection.execute(BUDGETS + " ORDER BY b.scope, b.period").fetchall()
    return [_state(connection, row, at) for row in rows]


def find_budget(budgets: Sequence[BudgetState], scope: str, period: str | None) -> BudgetState:
    """The budget of a scope; the period may be left out where there is one alone. Raises `BudgetUnknown`."""
    found = [each for each in budgets if each.scope == scope and period in (None, each.period)]
    if not found:
        raise BudgetUnknown(f"there is no {period + ' ' if period else ''}budget of {scope}")
    if len(found) > 1:
        raise BudgetUnknown(f"{scope} has budgets per {' and per '.join(each.period for each in found)}: say which")
    return found[0]


async def reset_budget(connection: AsyncConnection[Any], budget: BudgetState, actor: str) -> None:
    """Let off what was spent so far in the budget's period, within the caller's transaction. Raises `BudgetUnknown`."""
    await lock_configuration(connection)
    where = {"id": budget.id, "credit": budget.spent, "start": budget.span.start}
    before = await (await connection.execute(_RESET, where)).fetchone()
    if before is None:
        raise BudgetUnknown(f"there is no budget of {budget.scope} any more")
    start = datetime.fromtimestamp(budget.span.start, UTC)
    await audit.record(
        connection,
        actor=actor,
        action="reset",
        entity="budget",
        entity_id=f"{budget.scope} {budget.period}",
        before={"credit_usd": before[0], "credit_start": before[1]},
        after={"credit_usd": budget.spent, "credit_start": start},
    )


def _state(connection: psycopg.Connection[Any], row: tuple[Any, ...], at: float) -> BudgetState:
    id, scope, period, amount, _, on_exceeded, credit, credit_start, client, entity, time_zone = row
    span = interval(Period(period), time_zone, at)
    figures = spent_in(connection, client, ScopeKind(scope.partition(":")[0]), span).get((entity, None))
    spent = usd(figures[2]) if figures is not None else Decimal(0)
    in_force = credit if credit and credit_start == span.start else Decimal(0)
    return BudgetState(id, scope, period, on_exceeded, amount, spent, in_force, span)
