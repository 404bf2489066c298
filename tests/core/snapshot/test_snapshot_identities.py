"""Identities in the snapshot: callers like those of keys, found by what a token says of them."""

import pytest

from core import keys
from core.limits import Budget, Rate
from tests.core.snapshot.test_snapshot_picture import snapshot_of
from tests.core.tenant import PEPPERS, execute, write_tenant

ADD = """
INSERT INTO policies (name, settings) VALUES ('tight', '{"requests_per_minute": 5, "allowed_models": ["gpt-4o"]}');
INSERT INTO identities (id, app_id, name, policy_id, claim, value)
SELECT '~abcdefgh', apps.id, 'ci', policies.id, 'role', 'llm.caller' FROM apps, policies WHERE policies.name = 'tight';
INSERT INTO budgets (scope, period, amount_usd, alerts, on_exceeded)
VALUES ('key:contoso/research/chatbot/ci', 'day', 1, '{}', 'block')
"""


def test_an_identity_is_a_caller_with_the_policies_and_budgets_of_its_levels(database_url: str):
    write_tenant(database_url)
    execute(database_url, ADD)
    snapshot = snapshot_of(database_url)
    entry = snapshot.identities["role", "llm.caller"]
    assert (entry.id, entry.disabled) == ("~abcdefgh", False)
    caller = entry.caller
    assert (caller.key_id, caller.name) == ("~abcdefgh", "contoso/research/chatbot/ci")
    assert caller.policy.allowed_models == {"gpt-4o"}
    scopes = {(type(rule), rule.scope.id, rule.scope.name) for rule in caller.rules.always}
    assert scopes == {(Rate, caller.key_id, caller.name), (Budget, caller.key_id, caller.name)}
    assert caller.rules.families == snapshot.families[caller.client_id] != ()
    assert snapshot.caller("~abcdefgh") is caller


def test_ids_of_keys_and_identities_are_looked_up_alike(database_url: str):
    new = write_tenant(database_url)
    snapshot = snapshot_of(database_url)
    found = snapshot.caller(new.id)
    assert found is not None and found.name.endswith("/prod")
    assert snapshot.caller("~" + new.id) is snapshot.caller("nobody00") is None


@pytest.mark.parametrize("entity", ["clients", "teams", "apps", "identities"])
def test_identities_under_what_was_removed_are_absent(database_url: str, entity: str):
    write_tenant(database_url)
    execute(database_url, ADD)
    execute(database_url, f"UPDATE {entity} SET removed_at = now()")
    assert snapshot_of(database_url).identities == {}


@pytest.mark.parametrize(
    ("allowed", "verdict"), [('["entra"]', keys.NotAllowed), ("[]", keys.NotAllowed), ('["key", "entra"]', None)]
)
def test_a_policy_may_take_no_keys(database_url: str, allowed: str, verdict: object):
    new = write_tenant(database_url)
    execute(
        database_url,
        "UPDATE policies SET settings = jsonb_build_object('allowed_credentials', %(a)s::jsonb)",
        a=allowed,
    )
    snapshot = snapshot_of(database_url)
    found = keys.authenticate(snapshot.keys, PEPPERS, new.text, 0.0)
    assert found is verdict if verdict is not None else found is snapshot.keys[new.id]
    # Whoever does not hold the key learns nothing of it.
    assert keys.authenticate(snapshot.keys, PEPPERS, new.text[:-1] + "!", 0.0) is keys.Unknown
