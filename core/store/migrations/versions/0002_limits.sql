-- Budgets that can be reset, and the alerts that their thresholds raised.

ALTER TABLE budgets
    ADD COLUMN credit_usd    numeric(20, 9) NOT NULL DEFAULT 0,  -- a reset: so much of what was spent does not count
    ADD COLUMN credit_start  timestamptz;                        -- in the period that began then

CREATE TABLE budget_alerts (
    budget_id     uuid NOT NULL REFERENCES budgets,
    period_start  timestamptz NOT NULL,              -- of a total budget: 1970
    threshold     numeric NOT NULL,                  -- a share of the amount
    scope         text NOT NULL,
    period        text NOT NULL,
    amount_usd    numeric(20, 9) NOT NULL,
    spent_usd     numeric(24, 9) NOT NULL,           -- when it was raised
    raised_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (budget_id, period_start, threshold)
);
CREATE INDEX budget_alerts_raised_at ON budget_alerts (raised_at);
