"""`aduana budgets`: what is spent, and a reset that is written down."""

import time
from decimal import Decimal

import psycopg
import pytest

from core.limits import Budget, Period
from core.limits.calendar import interval
from core.snapshot.picture import build
from core.snapshot.rows import read_rows

SEED = """
clients:
  - name: contoso
    teams: [{name: research, apps: [{name: chatbot, keys: [{name: prod}]}]}]
budgets:
  - {scope: "team:contoso/research", period: month, amount_usd: "5", on_exceeded: block}
  - {scope: "team:contoso/research", period: day, amount_usd: "1", on_exceeded: block}
  - {scope: "client:contoso", period: total, amount_usd: "100", on_exceeded: block}
"""
_SPEND = """
INSERT INTO usage_rollups (hour, client_id, team_id, app_id, key_id, model, upstream, calls, errors, estimated,
                           input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd)
SELECT date_trunc('hour', now(), 'UTC'), c.id, t.id, a.id, k.id, 'gpt-4o', '', 1, 0, 0, 1, 0, 1, 0, %s
FROM clients c JOIN teams t ON t.client_id = c.id JOIN apps a ON a.team_id = t.id JOIN api_keys k ON k.app_id = a.id
"""


@pytest.fixture
def spent(aduana, seed_file, database_url):
    seed_file.write_text(SEED)
    assert aduana("seed", str(seed_file)).code == 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_SPEND, (Decimal("4.5"),))
    return aduana


def test_they_are_listed_with_what_is_spent(spent):
    found = {(each["scope"], each["period"]): each for each in spent("budgets", "list", "--json").json["budgets"]}
    assert {key: each["remaining_usd"] for key, each in found.items()} == {
        ("client:contoso", "total"): "95.500000000",
        ("team:contoso/research", "day"): "0",
        ("team:contoso/research", "month"): "0.500000000",
    }
    assert found["client:contoso", "total"]["begins_anew"] is None
    assert "$4.5000" in spent("budgets", "list").out


def test_a_reset_lets_off_what_was_spent_in_the_period_that_runs_and_is_in_the_audit_log(spent, database_url):
    done = spent("budgets", "reset", "team:contoso/research", "--period", "month", "--json").json
    assert (done["remaining_usd"], done["let_off_usd"], done["spent_usd"]) == (
        "5.000000000",
        "4.500000000",
        "4.500000000",
    )
    with psycopg.connect(database_url) as connection:
        (entry,) = build(read_rows(connection), time.time()).keys.values()
    (monthly,) = [
        each for each in entry.caller.rules.always if isinstance(each, Budget) and each.period is Period.MONTH
    ]
    assert monthly.credit == 4_500_000_000
    assert monthly.credit_start == interval(Period.MONTH, "UTC", time.time()).start
    event = spent("audit", "list", "--entity", "budget", "--json").json["events"][0]
    assert (event["action"], event["entity_id"]) == ("reset", "team:contoso/research month")
    assert spent("audit", "verify").code == 0


def test_a_total_budget_is_reset_too(spent):
    assert spent("budgets", "reset", "client:contoso", "--json").json["remaining_usd"] == "100.000000000"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("team:contoso/research",), "per day and per month"),
        (("team:contoso/nobody",), "no budget of team:contoso/nobody"),
        (("client:contoso", "--period", "day"), "no day budget of client:contoso"),
    ],
)
def test_a_budget_that_is_not_there_or_not_one_is_said_so(spent, arguments, said):
    answer = spent("budgets", "reset", *arguments)
    assert answer.code == 1 and said in answer.err
