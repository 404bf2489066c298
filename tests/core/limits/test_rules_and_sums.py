"""Whose counter each limit is, by a tenant in Postgres; and what the ledger says is spent, to the nano-dollar."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from core.ids import new_event_id
from core.ledger.rollups import Rollups
from core.ledger.rows import insert
from core.ledger.sums import spent_in, sums
from core.limits import Budget, Concurrency, Family, Period, Quota, Rate, ScopeKind, Unit
from core.limits.calendar import FOREVER, interval
from core.snapshot.picture import build
from core.snapshot.rows import read_rows
from tests.proxy.ledger.calls import APP, a_call, settled
from tests.proxy.writer.desk import add_client


@pytest.fixture
def tenant(database_url):
    """contoso/research with the apps chatbot (limited, two keys) and plain (one key)."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO policies (name, settings) VALUES
              ('of-client', '{"tokens_per_month": 1000000, "time_zone": "Europe/London"}'),
              ('of-app', '{"requests_per_minute": 60, "max_concurrent_requests": 5,
                           "models": {"gpt-4o": {"tokens_per_day": 500}}}');
            INSERT INTO clients (name, policy_id) SELECT 'contoso', id FROM policies WHERE name = 'of-client';
            INSERT INTO teams (client_id, name) SELECT id, 'research' FROM clients;
            INSERT INTO apps (team_id, name, policy_id) SELECT t.id, 'chatbot', p.id FROM teams t, policies p
              WHERE p.name = 'of-app';
            INSERT INTO apps (team_id, name) SELECT id, 'plain' FROM teams;
            INSERT INTO api_keys (id, app_id, name, pepper_version, digest)
              SELECT substr(md5(a.name || n), 1, 8), a.id, 'key-' || n, 1, decode(repeat('ab', 32), 'hex')
                FROM apps a, generate_series(1, 2) n WHERE a.name = 'chatbot' OR n = 1;
            INSERT INTO budgets (scope, period, amount_usd, alerts, on_exceeded, throttle, credit_usd, credit_start) VALUES
              ('team:contoso/research', 'month', 12.5, '{0.8,1}', 'throttle', '{"requests_per_minute": 2}', 1.5,
               '2026-11-01'),
              ('team:contoso/nobody', 'month', 1, '{}', 'block', NULL, 0, NULL);
            """
        )
        yield connection


def test_a_callers_rules_are_those_of_all_its_levels(tenant):
    snapshot = build(read_rows(tenant), 0.0)
    by_app = {entry.caller.name.split("/")[2]: entry.caller.rules for entry in snapshot.keys.values()}
    always = by_app["chatbot"].always
    assert [(type(rule), rule.scope.kind) for rule in always] == [
        (Quota, ScopeKind.CLIENT),
        (Rate, ScopeKind.APP),
        (Concurrency, ScopeKind.APP),
        (Budget, ScopeKind.TEAM),
    ]
    assert always[0].time_zone == "Europe/London"
    budget = always[3]
    assert (budget.amount, budget.credit, budget.time_zone) == (12_500_000_000, 1_500_000_000, "Europe/London")
    assert [(rate.unit, rate.amount) for rate in budget.throttle] == [(Unit.REQUESTS, 2)]
    ((model, rules),) = by_app["chatbot"].by_model.items()
    assert (model, rules[0].model, rules[0].time_zone) == ("gpt-4o", "gpt-4o", "Europe/London")
    assert [type(rule) for rule in by_app["plain"].always] == [Quota, Budget]


def test_a_client_counts_for_all_its_callers_what_any_of_them_needs(tenant):
    snapshot = build(read_rows(tenant), 0.0)
    (families,) = snapshot.families.values()
    assert families == (
        Family(ScopeKind.APP, Unit.TOKENS, Period.DAY, "Europe/London", "gpt-4o", ("gpt-4o",)),
        Family(ScopeKind.CLIENT, Unit.TOKENS, Period.MONTH, "Europe/London"),
        Family(ScopeKind.TEAM, Unit.COST, Period.MONTH, "Europe/London"),
    )
    assert all(entry.caller.rules.families is families for entry in snapshot.keys.values())


def test_keys_of_one_app_share_their_rules(tenant):
    snapshot = build(read_rows(tenant), 0.0)
    of_chatbot = [entry.caller.rules for entry in snapshot.keys.values() if "/chatbot/" in entry.caller.name]
    assert len(of_chatbot) == 2 and of_chatbot[0] is of_chatbot[1]


def test_a_budget_that_cannot_be_read_keeps_no_other_back(tenant, caplog):
    tenant.execute("UPDATE budgets SET throttle = '[1]' WHERE on_exceeded = 'throttle'")
    snapshot = build(read_rows(tenant), 0.0)
    assert all(not isinstance(rule, Budget) for entry in snapshot.keys.values() for rule in entry.caller.rules.always)
    assert "team:contoso/research cannot be read" in caplog.text


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_sums_are_the_rows_of_the_period_also_where_it_begins_within_an_hour(database_url, zone):
    client = add_client(database_url)
    span = interval(Period.DAY, zone, datetime(2026, 11, 24, 20, tzinfo=UTC).timestamp())
    moments = [span.start - 1, span.start, span.start + 1, span.start + 7200, span.end - 1, span.end, span.end + 1]
    rows = []
    for number, moment in enumerate(moments):
        call = a_call(client, number)
        made = (moment * 1000).to_bytes(6, "big") + new_event_id()[6:]
        rows.append(settled(type(call)(made, *[getattr(call, name) for name in call.__struct_fields__[1:]]), number))
    with psycopg.connect(database_url) as connection:
        rollups = Rollups()
        insert(connection, rows, rollups)
        rollups.write(connection)
        within = rows[1:5]
        found = spent_in(connection, UUID(bytes=client), ScopeKind.APP, span)
        expected = (
            len(within),
            sum(row.input_tokens + row.output_tokens for row in within),
            sum(row.cost_nano_usd for row in within),
        )
        assert found == {(APP.hex(), None): expected}
        every = spent_in(connection, UUID(bytes=client), ScopeKind.KEY, FOREVER, by_model=True)
        assert every[("Abcd1234", "gpt-4o")][0] == len(rows)
        family = Family(ScopeKind.APP, Unit.COST, Period.DAY, zone)
        (amount,) = sums(connection, UUID(bytes=client), [family], span.start + 60.0).values()
        assert Decimal(amount) == expected[2]


def test_a_models_limit_holds_for_its_aliases_and_a_wildcards_for_all_that_it_covers(tenant):
    tenant.execute(
        """
        UPDATE policies SET settings = '{"models": {"gpt-4o": {"tokens_per_day": 5}, "o3-*": {"requests_per_day": 9}}}'
         WHERE name = 'of-app';
        INSERT INTO routes (model, settings) VALUES ('gpt-4o', '{"aliases": ["latest"]}'), ('o3-*', '{}')
        """
    )
    snapshot = build(read_rows(tenant), 0.0)
    rules = next(each.caller.rules for each in snapshot.keys.values() if "chatbot" in each.caller.name)

    def by_model(name):
        return [rule.model for rule in rules.of(name) if isinstance(rule, Quota) and rule.model]

    assert [by_model(name) for name in ("gpt-4o", "latest", "o3-mini", "o1")] == [["gpt-4o"], ["gpt-4o"], ["o3-*"], []]
    names = {
        family.model: family.names for families in snapshot.families.values() for family in families if family.model
    }
    assert names == {"gpt-4o": ("gpt-4o", "latest"), "o3-*": ("o3-*",)}


def test_what_was_spent_under_an_alias_is_spent_of_the_models_limit(database_url):
    client = add_client(database_url)
    said = ("gpt-4o", "latest", "latest", "o3-mini", "else")
    calls = [replace(a_call(client), requested_model=name) for name in said]
    rows = [settled(call, number) for number, call in enumerate(calls)]
    model = Family(ScopeKind.APP, Unit.REQUESTS, Period.TOTAL, "UTC", "gpt-4o", ("gpt-4o", "latest"))
    wild = Family(ScopeKind.APP, Unit.REQUESTS, Period.TOTAL, "UTC", "o3-*", ("o3-*",))
    with psycopg.connect(database_url) as connection:
        rollups = Rollups()
        insert(connection, rows, rollups)
        rollups.write(connection)
        spent = sums(connection, UUID(bytes=client), [model, wild], 1e9)
    assert sorted((field.rsplit(":", 1)[1], amount) for field, amount in spent.items()) == [("gpt-4o", 3), ("o3-*", 1)]
