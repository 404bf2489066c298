"""Alerts of budgets: a row for each threshold that what is spent has reached, once a period, whoever notices it."""

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from core.ledger.sums import spent_in
from core.limits import Period, ScopeKind
from core.limits.calendar import FOREVER, interval
from core.money import nano_usd, usd

_log = logging.getLogger("aduana.alerts")

# A budget's scope is written by names; its calendar is that of the policy on its client.
BUDGETS = """
WITH entities AS (
    SELECT 'client:' || c.name AS scope, c.id::text AS entity, c.id AS client
      FROM clients c WHERE c.removed_at IS NULL
    UNION ALL
    SELECT 'team:' || c.name || '/' || t.name, t.id::text, c.id
      FROM clients c JOIN teams t ON t.client_id = c.id WHERE c.removed_at IS NULL AND t.removed_at IS NULL
    UNION ALL
    SELECT 'app:' || c.name || '/' || t.name || '/' || a.name, a.id::text, c.id
      FROM clients c JOIN teams t ON t.client_id = c.id JOIN apps a ON a.team_id = t.id
     WHERE c.removed_at IS NULL AND t.removed_at IS NULL AND a.removed_at IS NULL
    UNION ALL
    SELECT 'key:' || c.name || '/' || t.name || '/' || a.name || '/' || k.name, k.id, c.id
      FROM clients c JOIN teams t ON t.client_id = c.id JOIN apps a ON a.team_id = t.id
           JOIN (SELECT id, app_id, name, removed_at FROM api_keys
                 UNION ALL SELECT id, app_id, name, removed_at FROM identities) AS k ON k.app_id = a.id
     WHERE c.removed_at IS NULL AND t.removed_at IS NULL AND a.removed_at IS NULL AND k.removed_at IS NULL
)
SELECT b.id, b.scope, b.period, b.amount_usd, b.alerts, b.on_exceeded, b.credit_usd,
       coalesce(extract(epoch FROM b.credit_start), 0)::bigint AS credit_start,
       e.client, replace(e.entity, '-', '') AS entity,
       coalesce((SELECT p.settings->>'time_zone' FROM clients c JOIN policies p ON p.id = c.policy_id
                  WHERE c.id = e.client AND p.removed_at IS NULL), 'UTC') AS time_zone
  FROM budgets b JOIN entities e USING (scope)
 WHERE b.removed_at IS NULL
"""
_OF_CLIENTS = BUDGETS + " AND e.client = ANY(%(clients)s)"

_RAISE = """
INSERT INTO budget_alerts (budget_id, period_start, threshold, scope, period, amount_usd, spent_usd)
SELECT %(id)s, to_timestamp(%(start)s), threshold, %(scope)s, %(period)s, %(amount)s, %(spent)s
  FROM unnest(%(reached)s::numeric[]) AS reached (threshold)
ON CONFLICT DO NOTHING
RETURNING threshold
"""


def raise_alerts(connection: psycopg.Connection[Any], admitted: Mapping[UUID, Iterable[float]]) -> int:
    """Raise what the budgets of some clients have reached, in the periods in which calls of theirs were admitted (Unix
    seconds). Returns how many alerts are new."""
    raised = 0
    with connection.transaction():
        rows = connection.execute(_OF_CLIENTS, {"clients": list(admitted)}).fetchall()
        for row in rows:
            id, scope, period, amount, alerts, _, credit, credit_start, client, entity, time_zone = row
            if not alerts:
                continue
            for span in {interval(Period(period), time_zone, at) for at in admitted[client]}:
                kind = ScopeKind(scope.partition(":")[0])
                figures = spent_in(connection, client, kind, span).get((entity, None))
                nano = figures[2] if figures is not None else 0
                spent = usd(nano - (nano_usd(credit) if credit and credit_start == span.start else 0))
                reached = [threshold for threshold in alerts if spent > 0 and spent >= amount * Decimal(threshold)]
                if not reached:
                    continue
                new = connection.execute(
                    _RAISE,
                    {
                        "id": id,
                        "start": 0 if span == FOREVER else span.start,
                        "scope": scope,
                        "period": period,
                        "amount": amount,
                        "spent": spent,
                        "reached": reached,
                    },
                ).fetchall()
                for (threshold,) in new:
                    raised += 1
                    _log.warning(
                        "the %s budget of %s reached %s%%: %s of %s USD", period, scope, threshold * 100, spent, amount
                    )
    return raised
