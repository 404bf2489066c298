"""`aduana identities`, and what other commands know of identities."""

import psycopg
import pytest

APP = "contoso/research/chatbot"
CI = f"{APP}/ci"
IDENTITY = "{name: ci, application: 11111111-2222-3333-4444-555555555555}"


@pytest.fixture
def identified(aduana, seed_file):
    """A tenant whose app has a key, `prod`, and an identity, `ci`."""
    text = seed_file.read_text()
    seed_file.write_text(text.replace("keys: [{name: prod}]", f"keys: [{{name: prod}}], identities: [{IDENTITY}]"))
    assert aduana("seed", str(seed_file)).code == 0
    return aduana


def test_identities_are_listed_with_what_a_token_says_of_them(identified):
    (only,) = identified("identities", "list", "--json").json["identities"]
    assert only["id"].startswith("~") and only["path"] == CI
    assert (only["claim"], only["value"], only["state"]) == (
        "application", "11111111-2222-3333-4444-555555555555", "active",
    )  # fmt: skip
    assert identified("identities", "list", "--app", "contoso/research/search", "--json").json["identities"] == []
    assert CI in identified("identities", "list").out
    assert [key["path"] for key in identified("keys", "list", "--json").json["keys"]] == [f"{APP}/prod"]


def test_an_identity_is_switched_off_and_on_again_and_each_is_audited_once(identified):
    id = identified("identities", "list", "--json").json["identities"][0]["id"]
    for command, state in (("disable", "disabled"), ("enable", "active")):
        first = identified("identities", command, CI, "--json").json
        assert (first["state"], first["changed"]) == (state, True)
        assert identified("identities", command, id, "--json").json["changed"] is False
    events = identified("audit", "list", "--entity", "identity", "--json").json["events"]
    assert [(event["action"], event["entity_id"]) for event in events] == [
        ("enable", CI), ("disable", CI), ("create", CI),
    ]  # fmt: skip
    assert events[1]["after"]["disabled_at"] is not None


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("identities", "list", "--app", "contoso/none/none"), "no_such_app", 1),
        (("identities", "disable", f"{APP}/prod"), "no_such_identity", 1),
        (("identities", "enable", "~ZZZZZZZZ"), "no_such_identity", 1),
        (("identities", "disable"), "usage", 2),
        (("keys", "create", APP, "--name", "ci"), "name_taken", 1),
        (("keys", "disable", CI), "no_such_key", 1),
    ],
)
def test_what_cannot_be_done_is_refused(identified, arguments, code, exit_code):
    answer = identified(*arguments, "--json")
    assert (answer.code, answer.json["error"]["code"]) == (exit_code, code)


def test_limits_and_usage_know_identities_as_they_know_keys(identified, database_url, seed_file):
    budget = f'budgets:\n  - {{scope: "key:{CI}", period: month, amount_usd: "5", on_exceeded: block}}\n'
    seed_file.write_text(seed_file.read_text() + budget)
    assert identified("seed", str(seed_file)).code == 0
    id = identified("identities", "list", "--json").json["identities"][0]["id"]
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """
            INSERT INTO usage_rollups (hour, client_id, team_id, app_id, key_id, model, upstream, calls, errors, estimated,
                                       input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd)
            SELECT date_trunc('hour', now()), t.client_id, t.id, a.id, %s, 'gpt-4o', 'sim', 1, 0, 0, 0, 0, 0, 0, %s
              FROM apps a JOIN teams t ON t.id = a.team_id WHERE a.name = 'chatbot'
            """,
            (id, 2),
        )
    for which in (CI, id):
        (shown,) = identified("limits", "show", which, "--json").json["limits"]
        assert (shown["name"], shown["scope"], shown["used"]) == ("budget_per_month", f"key:{CI}", "2.000000000")
    (row,) = identified("usage", "--by", "key", "--json").json["rows"]
    assert (row["id"], row["name"]) == (id, CI)
