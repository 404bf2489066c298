"""`aduana usage`, `aduana audit` and `aduana secrets`."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from core.ledger import rows
from core.ledger.records import Call, Settled
from core.ledger.rollups import Rollups
from core.money import nano_usd

HOUR = datetime(2026, 11, 3, 10, tzinfo=UTC)


def at(moment: datetime, number: int) -> bytes:
    """An event's id for a time of admission."""
    return (int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62 | number).to_bytes(16, "big")


@pytest.fixture
def used(seeded, database_url):
    """Four calls of two apps: at 10:00, 10:30, 11:15 and 12:00 on 3 November 2026."""
    with psycopg.connect(database_url) as connection:
        ids = connection.execute(
            "SELECT a.name, a.id, t.id, c.id FROM apps a JOIN teams t ON t.id = a.team_id JOIN clients c ON c.id = t.client_id"
        ).fetchall()
        apps = {name: (client.bytes, team.bytes, app.bytes) for name, app, team, client in ids}
        (key,) = connection.execute("SELECT id FROM api_keys").fetchone() or ("",)
        told = [
            (HOUR, "chatbot", "gpt-4o", "sim", 200, "reported", "0.000000001"),
            (HOUR + timedelta(minutes=30), "chatbot", "gpt-4o", "sim", 429, "none", "0"),
            (HOUR + timedelta(minutes=75), "search", "mini", None, None, "estimated", "1.25"),
            (HOUR + timedelta(minutes=120), "search", "gpt-4o", "sim", 200, "counted", "0.5"),
        ]
        events = [
            Settled(
                call=Call(at(moment, n), *apps[app], key, f"contoso/research/{app}/prod", f"r{n}", "chat.completions", model,
                          model, False),
                upstream=upstream, deployment=upstream, status=status, error_code=None, cancelled=False, input_tokens=100,
                cached_tokens=40, output_tokens=20, reasoning_tokens=5, usage_source=source,
                cost_nano_usd=nano_usd(Decimal(cost)), unpriced=False, time_to_first_byte_ms=1.0, duration_ms=2.0, attempts=[],
            )
            for n, (moment, app, model, upstream, status, source, cost) in enumerate(told)
        ]  # fmt: skip
        rollups = Rollups()
        rows.insert(connection, events, rollups)
        rollups.write(connection)
    return seeded


def calls(answer) -> dict[str, int]:
    return {row["name"]: row["calls"] for row in answer.json["rows"]}


def test_usage_is_summed_exactly(used):
    answer = used("usage", "--json")
    assert answer.code == 0 and answer.json["by"] == "app"
    by_name = {row["name"]: row for row in answer.json["rows"]}
    assert by_name["contoso/research/chatbot"] | {"id": ""} == {
        "id": "",
        "name": "contoso/research/chatbot",
        "calls": 2,
        "errors": 1,
        "estimated": 0,
        "input_tokens": 200,
        "cached_tokens": 80,
        "output_tokens": 40,
        "reasoning_tokens": 10,
        "cost_usd": "0.000000001",
    }
    assert answer.json["total"] == {
        "calls": 4,
        "errors": 2,
        "estimated": 1,
        "input_tokens": 400,
        "cached_tokens": 160,
        "output_tokens": 80,
        "reasoning_tokens": 20,
        "cost_usd": "1.750000001",
    }


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("app", {"contoso/research/chatbot": 2, "contoso/research/search": 2}),
        ("team", {"contoso/research": 4}),
        ("client", {"contoso": 4}),
        ("key", {"contoso/research/chatbot/prod": 4}),
        ("model", {"gpt-4o": 3, "mini": 1}),
        ("upstream", {"sim": 3, "": 1}),
    ],
)
def test_usage_is_summed_by_what_is_asked_for(used, by, expected):
    assert calls(used("usage", "--by", by, "--json")) == expected


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [
        ("2026-11-03", "2026-11-04", 4),
        ("2026-11-03T10:00Z", "2026-11-03T12:00Z", 3),  # from on, and before
        ("2026-11-03T10:00:00.001Z", "2026-11-03T12:00:00.001Z", 3),
        ("2026-11-03T10:30Z", "2026-11-03T11:15Z", 1),
        ("2026-11-03T10:29Z", "2026-11-03T10:31Z", 1),  # within one hour
        ("2026-11-03T10:31Z", "2026-11-03T10:59Z", 0),
        ("2026-11-03T10:31Z", None, 2),
        ("2026-11-03T13:00+02:00", "2026-11-03T13:20+02:00", 1),
        (None, "2026-11-03T11:15:00.001Z", 3),
    ],
)
def test_a_span_counts_its_beginning_and_not_its_end_to_the_millisecond(used, since, until, count):
    span = (*(("--since", since) if since else ()), *(("--until", until) if until else ()))
    assert used("usage", *span, "--json").json["total"]["calls"] == count


@pytest.fixture
def used_units(used, database_url):
    """Two of the calls used more than text."""
    with psycopg.connect(database_url) as connection:
        units = [(1, '{"audio_input_token": 30, "tier:flex": 1}', False), (2, '{"audio_input_token": 12}', True)]
        for hour, told, unpriced in units:
            connection.execute(
                "UPDATE usage_events SET units = %s, unpriced = %s WHERE admitted_at = %s",
                (
                    told,
                    unpriced,
                    HOUR + timedelta(hours=hour - 1) + (timedelta(minutes=15) if hour == 2 else timedelta()),
                ),
            )
    return used


def test_usage_by_unit_is_what_was_billed_beside_text(used_units):
    answer = used_units("usage", "--by", "unit", "--json")
    assert (answer.code, answer.json["by"]) == (0, "unit")
    assert answer.json["rows"] == [
        {"unit": "audio_input_token", "quantity": 42, "calls": 2, "unpriced": 1},
        {"unit": "tier:flex", "quantity": 1, "calls": 1, "unpriced": 0},
    ]
    within = used_units("usage", "--by", "unit", "--since", "2026-11-03T11:15:00Z", "--json").json["rows"]
    assert [row["quantity"] for row in within] == [12]
    assert "audio_input_token" in used_units("usage", "--by", "unit").out


def test_usage_by_unit_says_so_where_all_was_text(used):
    assert "Nothing but text tokens" in used("usage", "--by", "unit").out


def test_usage_for_people_has_a_row_of_totals(used):
    told = used("usage").out
    assert "contoso/research/search" in told and "total" in told and "1.750000" in told
    assert "Nothing was used since" in used("usage", "--since", "2026-12-01").out


def test_the_names_of_removed_entities_stay_known(used, seed_file):
    seed_file.write_text("clients: []\n")
    used("seed", str(seed_file), "--prune")
    assert calls(used("usage", "--json")) == {"contoso/research/chatbot": 2, "contoso/research/search": 2}


@pytest.mark.parametrize("span", [("--since", "yesterday"), ("--since", "2026-11-03", "--until", "2026-11-03")])
def test_a_span_that_is_none_is_wrong_usage(aduana, span):
    answer = aduana("usage", *span, "--json")
    assert (answer.code, answer.json["error"]["code"]) == (2, "usage")


def test_the_audit_log_is_listed_newest_first_in_pages(seeded):
    first = seeded("audit", "list", "--limit", "4", "--json").json
    assert [event["seq"] for event in first["events"]] == [7, 6, 5, 4] and first["next_before_seq"] == 4
    rest = seeded("audit", "list", "--before-seq", "4", "--limit", "4", "--json").json
    assert [event["seq"] for event in rest["events"]] == [3, 2, 1] and rest["next_before_seq"] is None
    assert "contoso/research/chatbot/prod" in seeded("audit", "list").out
    assert seeded("audit", "list", "--before-seq", "9" * 20).code == 2


def test_a_whole_audit_log_verifies_and_names_its_end(seeded):
    answer = seeded("audit", "verify", "--json")
    assert (answer.code, answer.json["whole"], answer.json["events"]) == (0, True, 7)
    last = answer.json["last"]
    assert seeded("audit", "verify", "--expect", f"{last['seq']}:{last['hash']}").code == 0
    assert seeded("audit", "verify", "--expect", "7:abc").code == 2


def test_a_broken_audit_log_is_exit_code_3_and_says_where(seeded, database_url):
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
        connection.execute("UPDATE audit_events SET actor = 'somebody' WHERE seq = 3")
    answer = seeded("audit", "verify", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (3, "audit_broken")
    assert answer.json["error"]["details"][0]["broken_at"] == 3
    assert answer.json["error"]["details"][0]["message"] == "event 3 was changed after it was written"
    assert "event 3" in seeded("audit", "verify").err


def test_an_audit_log_that_was_cut_is_found_by_its_noted_end(seeded, database_url):
    last = seeded("audit", "verify", "--json").json["last"]
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
        connection.execute("DELETE FROM audit_events WHERE seq = 7")
    assert seeded("audit", "verify").code == 0
    assert seeded("audit", "verify", "--expect", f"7:{last['hash']}").code == 3


def test_a_secret_is_sealed_from_stdin_and_never_shown(aduana, monkeypatch, database_url):
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2-hunter2\n"))
    answer = aduana("secrets", "set", "contoso/openai", "--json")
    assert (answer.code, answer.json) == (0, {"name": "contoso/openai", "ref": "db://contoso/openai", "created": True})
    listed = aduana("secrets", "list", "--json").json["secrets"]
    assert [each["ref"] for each in listed] == ["db://contoso/openai"]
    with psycopg.connect(database_url) as connection:
        stored = str(
            connection.execute("SELECT s::text FROM secrets s UNION ALL SELECT a::text FROM audit_events a").fetchall()
        )
    assert "hunter2" not in stored + aduana("secrets", "list").out + aduana("audit", "list", "--json").out
    assert aduana("audit", "list", "--json").json["events"][0]["entity_id"] == "contoso/openai"


def test_a_sealed_secret_can_be_a_keys_value_and_is_opened_again(aduana, monkeypatch, seed_file):
    monkeypatch.setenv("CHOSEN", "adu_abcdefgh_" + "s" * 43)
    assert aduana("secrets", "set", "chosen", "--from-ref", "env:CHOSEN").code == 0
    seed_file.write_text(seed_file.read_text().replace("{name: prod}", '{name: prod, secret_ref: "db://chosen"}'))
    assert aduana("seed", str(seed_file)).code == 0
    assert aduana("keys", "list", "--json").json["keys"][0]["id"] == "abcdefgh"


def test_a_secret_is_replaced_and_removed_with_an_audit_event_each(aduana, monkeypatch):
    monkeypatch.setenv("VALUE", "one")
    assert aduana("secrets", "set", "s", "--from-ref", "env:VALUE", "--json").json["created"] is True
    assert aduana("secrets", "set", "s", "--from-ref", "env:VALUE", "--json").json["created"] is False
    assert aduana("secrets", "remove", "s", "--json").json == {"name": "s", "removed": True}
    assert aduana("secrets", "remove", "s", "--json").json["error"]["code"] == "no_such_secret"
    actions = [event["action"] for event in aduana("audit", "list", "--entity", "secret", "--json").json["events"]]
    assert actions == ["remove", "update", "create"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        (("a b",), "x", "usage"),
        (("s",), "", "usage"),
        (("s",), "x" * 70_000, "usage"),
        (("s", "--from-ref", "hunter2"), "", "usage"),
        (("s", "--from-ref", "env:NOT_SET_ANYWHERE"), "", "secret_unavailable"),
    ],
)
def test_a_secret_that_cannot_be_taken_is_refused(aduana, monkeypatch, arguments, stdin, code):
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    answer = aduana("secrets", "set", *arguments, "--json")
    assert answer.code in (1, 2) and json.loads(answer.out)["error"]["code"] == code
    assert "hunter2" not in answer.out + answer.err


def test_without_a_master_key_nothing_is_sealed(aduana, monkeypatch):
    monkeypatch.delenv("ADUANA_MASTER_KEYS")
    monkeypatch.setattr("sys.stdin", io.StringIO("x"))
    assert aduana("secrets", "set", "s", "--json").json["error"]["code"] == "no_master_key"
