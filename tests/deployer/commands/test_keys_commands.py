"""The life of a proxy key by `aduana keys`."""

import psycopg
import pytest

from core.keys import digest, parse

APP = "contoso/research/chatbot"
PROD = f"{APP}/prod"


def stored(database_url: str, id: str):
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT name, digest, expires_at, disabled_at FROM api_keys WHERE id = %s", (id,)
        ).fetchone()


def events(aduana) -> list[tuple[str, str]]:
    listed = aduana("audit", "list", "--entity", "api_key", "--json").json["events"]
    return [(event["action"], event["entity_id"]) for event in listed]


def test_a_key_is_created_shown_once_and_stored_as_a_digest(seeded, database_url):
    answer = seeded("keys", "create", APP, "--name", "ci", "--json")
    parsed = parse(answer.json["key"])
    assert answer.code == 0 and parsed is not None and parsed[0] == answer.json["id"]
    row = stored(database_url, parsed[0])
    assert row is not None and row[1] == digest(parsed[1], b"p" * 40)
    assert parsed[1] not in seeded("keys", "list", "--json").out + seeded("audit", "list", "--json").out
    assert events(seeded)[0] == ("create", f"{APP}/ci")


def test_the_key_alone_is_on_stdout_for_people(seeded):
    answer = seeded("keys", "create", APP, "--name", "ci")
    assert parse(answer.out.strip()) is not None
    assert "shown this once" in answer.err


@pytest.mark.parametrize("ends", [("--expires-in", "90d"), ("--expires-at", "2999-01-31")])
def test_a_key_may_be_made_for_a_time(seeded, database_url, ends):
    made = seeded("keys", "create", APP, "--name", "ci", *ends, "--json").json
    row = stored(database_url, made["id"])
    assert row is not None and row[2] is not None and made["expires_at"] is not None


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("create", "contoso/research/none", "--name", "n"), "no_such_app", 1),
        (("create", APP, "--name", "prod"), "name_taken", 1),
        (("create", APP, "--name", "a/b"), "bad_name", 1),
        (("create", APP, "--name", "a\x1b[31mred\nb"), "bad_name", 1),
        (("create", APP, "--name", "n", "--expires-in", "soon"), "usage", 2),
        (("create", APP, "--name", "n", "--expires-at", "2001-01-01"), "usage", 2),
        (("create", APP, "--name", "n", "--expires-in", "1d", "--expires-at", "2999-01-01"), "usage", 2),
        (("create", APP), "usage", 2),
        (("list", "--app", "contoso/none/none"), "no_such_app", 1),
        (("rotate", "contoso/research/chatbot/none"), "no_such_key", 1),
        (("rotate", PROD, "--grace", "-1h"), "usage", 2),
        (("disable", "ZZZZZZZZ"), "no_such_key", 1),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(seeded, arguments, code, exit_code):
    before = seeded("audit", "list", "--json").out
    answer = seeded("keys", *arguments, "--json")
    assert (answer.code, answer.json["error"]["code"]) == (exit_code, code)
    assert seeded("audit", "list", "--json").out == before


def test_a_key_given_instead_of_its_name_is_not_repeated(seeded):
    key = seeded("keys", "create", APP, "--name", "ci", "--json").json["key"]
    answer = seeded("keys", "disable", key, "--json")
    assert answer.json["error"]["code"] == "secret_given"
    assert key.split("_", 2)[2] not in answer.out + answer.err


def test_keys_are_listed_by_path_with_their_state(seeded):
    seeded("keys", "create", "contoso/research/search", "--name", "other", "--expires-in", "1d")
    assert [key["path"] for key in seeded("keys", "list", "--json").json["keys"]] == [
        PROD,
        "contoso/research/search/other",
    ]
    (only,) = seeded("keys", "list", "--app", APP, "--json").json["keys"]
    assert (only["path"], only["state"], only["expires_at"]) == (PROD, "active", None)
    assert PROD in seeded("keys", "list").out


def test_a_rotated_key_has_a_new_id_and_the_old_one_its_grace(seeded, database_url):
    old_id = seeded("keys", "list", "--json").json["keys"][0]["id"]
    answer = seeded("keys", "rotate", PROD, "--grace", "2h", "--json").json
    assert (answer["path"], answer["old_id"]) == (PROD, old_id) and answer["id"] != old_id
    listed = {key["id"]: key for key in seeded("keys", "list", "--json").json["keys"]}
    assert listed[answer["id"]]["path"] == PROD and listed[answer["id"]]["expires_at"] is None
    assert listed[old_id]["path"] == f"{PROD}~{old_id}" and listed[old_id]["state"] == "active"
    assert listed[old_id]["expires_at"] == answer["old_expires_at"]
    assert events(seeded)[0] == ("rotate", PROD)


def test_without_grace_the_old_key_ends_at_once(seeded):
    old_id = seeded("keys", "list", "--json").json["keys"][0]["id"]
    assert seeded("keys", "rotate", old_id, "--grace", "0").code == 0
    listed = {key["id"]: key["state"] for key in seeded("keys", "list", "--json").json["keys"]}
    assert listed.pop(old_id) == "expired" and list(listed.values()) == ["active"]


def test_a_key_made_for_a_time_is_rotated_for_the_same_time(seeded, database_url):
    seeded("keys", "create", APP, "--name", "ci", "--expires-in", "30d")
    new = seeded("keys", "rotate", f"{APP}/ci", "--json").json
    row = stored(database_url, new["id"])
    old = stored(database_url, new["old_id"])
    assert row is not None and old is not None
    assert row[2] is not None and old[2] < row[2]


def test_a_replaced_key_is_not_rotated_again(seeded):
    old_id = seeded("keys", "list", "--json").json["keys"][0]["id"]
    seeded("keys", "rotate", PROD)
    assert seeded("keys", "rotate", old_id, "--json").json["error"]["code"] == "rotated_already"


def test_a_chosen_key_is_changed_where_it_is_chosen(seeded, seed_file, monkeypatch):
    monkeypatch.setenv("CHOSEN", "adu_abcdefgh_" + "s" * 43)
    seed_file.write_text(seed_file.read_text().replace("{name: prod}", '{name: ci, secret_ref: "env:CHOSEN"}'))
    assert seeded("seed", str(seed_file)).code == 0
    assert seeded("keys", "rotate", f"{APP}/ci", "--json").json["error"]["code"] == "chosen_key"


def test_a_disabled_key_stays_so_and_is_told_once(seeded, database_url):
    first = seeded("keys", "disable", PROD, "--json").json
    row = stored(database_url, first["id"])
    assert first["changed"] is True and first["state"] == "disabled" and row is not None and row[3] is not None
    assert seeded("keys", "disable", first["id"], "--json").json["changed"] is False
    assert events(seeded).count(("disable", PROD)) == 1
    assert seeded("keys", "rotate", PROD, "--json").json["error"]["code"] == "disabled"


def test_a_rotation_is_no_difference_to_the_seed(seeded, seed_file):
    seeded("keys", "rotate", PROD)
    assert seeded("seed", str(seed_file), "--json").json["changes"] == 0
