"""A budget of an identity is one of a key: summed and alerted by the identity's id."""

import time
from uuid import UUID

import psycopg

from core.ledger.alerts import raise_alerts
from tests.core.snapshot.test_snapshot_identities import ADD
from tests.core.tenant import execute, write_tenant

SPENT = """
    INSERT INTO usage_rollups (hour, client_id, team_id, app_id, key_id, model, upstream, calls, errors, estimated,
                               input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd)
    SELECT date_trunc('hour', to_timestamp(%(now)s)), t.client_id, t.id, a.id, %(key)s, 'gpt-4o', 'aoai', 1, 0, 0, 0, 0, 0, 0, 1
      FROM apps a JOIN teams t ON t.id = a.team_id
"""


def test_an_identitys_budget_is_alerted_by_what_the_identity_spent(database_url: str):
    key, now = write_tenant(database_url), time.time()
    execute(database_url, ADD.replace("'{}', 'block'", "'{0.5}', 'block'"))
    with psycopg.connect(database_url) as connection:
        (client,) = connection.execute("SELECT id FROM clients").fetchone() or (UUID(int=0),)
        connection.execute(SPENT, {"now": now, "key": key.id})
        assert raise_alerts(connection, {client: [now]}) == 0
        connection.execute(SPENT, {"now": now, "key": "~abcdefgh"})
        assert raise_alerts(connection, {client: [now]}) == 1
        assert connection.execute("SELECT scope, spent_usd FROM budget_alerts").fetchall() == [
            ("key:contoso/research/chatbot/ci", 1)
        ]
