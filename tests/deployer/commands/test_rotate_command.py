"""`aduana secrets rotate` over a real database; with proxies: tests/proxy/test_rotation.py."""

import base64
import json
from pathlib import Path

import psycopg
import pytest

from core.holding import announcement

CHOSEN = "adu_abcdefgh_" + "s" * 43


@pytest.fixture
def rotating(seeded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed_file: Path):
    """A tenant with a made key, a chosen one and a sealed secret under the first versions; the second ones are given too."""
    monkeypatch.setenv("CHOSEN", CHOSEN)
    monkeypatch.setenv("VALUE", "hunter2-hunter2")
    seed_file.write_text(
        seed_file.read_text().replace("{name: prod}", '{name: prod}, {name: ci, secret_ref: "env:CHOSEN"}')
    )
    assert seeded("seed", str(seed_file)).code == 0
    assert seeded("secrets", "set", "contoso/openai", "--from-ref", "env:VALUE").code == 0
    (tmp_path / "pepper-2").write_text("q" * 40)
    (tmp_path / "master-2").write_text(base64.b64encode(b"m" * 32).decode())
    monkeypatch.setenv("ADUANA_PEPPERS", f"1=file:{tmp_path}/pepper,2=file:{tmp_path}/pepper-2")
    monkeypatch.setenv("ADUANA_MASTER_KEYS", f"1=file:{tmp_path}/master,2=file:{tmp_path}/master-2")
    return seeded


def versions(aduana) -> tuple[list[int], list[int]]:
    return (
        [secret["master_key_version"] for secret in aduana("secrets", "list", "--json").json["secrets"]],
        [key["pepper_version"] for key in aduana("secrets", "rotate", "--plan", "--json").json["pepper"]["hanging"]],
    )


def test_a_plan_shows_what_would_be_done_and_changes_nothing(rotating):
    before = rotating("audit", "verify", "--json").json["last"]
    plan = rotating("secrets", "rotate", "--plan", "--json").json
    assert plan["plan"] is True
    assert plan["master_key"] == {"version": 2, "resealed": ["db://contoso/openai"]}
    assert plan["pepper"]["rehashed"] == ["contoso/research/chatbot/ci"]
    assert {key["path"] for key in plan["pepper"]["hanging"]} == {
        f"contoso/research/chatbot/{name}" for name in ("ci", "prod")
    }
    assert versions(rotating) == ([1], [1, 1])
    assert rotating("audit", "verify", "--json").json["last"] == before


def test_secrets_are_sealed_anew_chosen_keys_are_brought_over_and_the_others_wait_for_their_use(
    rotating, monkeypatch, tmp_path
):
    done = rotating("secrets", "rotate", "--json").json
    assert done["master_key"]["resealed"] == ["db://contoso/openai"]
    assert (done["pepper"]["begun"], done["pepper"]["rehashed"]) == (True, ["contoso/research/chatbot/ci"])
    assert [(key["path"], key["last_used_at"]) for key in done["pepper"]["hanging"]] == [
        ("contoso/research/chatbot/prod", None)
    ]
    again = rotating("secrets", "rotate", "--json").json
    assert (again["master_key"]["resealed"], again["pepper"]["begun"], again["pepper"]["rehashed"]) == ([], False, [])
    assert versions(rotating) == ([2], [1])
    actions = [event["action"] for event in rotating("audit", "list", "--limit", "3", "--json").json["events"]]
    assert actions == ["rehash", "rotate", "reseal"]
    assert rotating("audit", "verify").code == 0
    text = rotating("secrets", "rotate").out
    assert "Every sealed secret is under master key version 2: older ones may go." in text
    assert "contoso/research/chatbot/prod" in text and "never" in text and "aduana keys rotate KEY --grace 0" in text


def test_a_key_that_was_never_used_is_reissued_under_the_newest_pepper(rotating):
    rotating("secrets", "rotate")
    assert rotating("keys", "rotate", "contoso/research/chatbot/prod", "--grace", "0").code == 0
    assert rotating("secrets", "rotate", "--json").json["pepper"]["hanging"] == []
    assert (
        "No key that works hangs on an older pepper than version 2: older ones may go."
        in rotating("secrets", "rotate").out
    )


@pytest.mark.parametrize(
    ("holding", "said"),
    [
        (([1], [1, 2]), ["1 lack version 2 of ADUANA_PEPPERS"]),
        (([1, 2], []), ["1 lack version 2 of ADUANA_MASTER_KEYS"]),
        (([1], [1]), ["1 lack version 2 of ADUANA_PEPPERS", "1 lack version 2 of ADUANA_MASTER_KEYS"]),
    ],
)
def test_nothing_is_rotated_while_a_proxy_does_not_hold_the_newest(rotating, database_url, holding, said):
    with (
        psycopg.connect(database_url, application_name=announcement(*holding)),
        psycopg.connect(database_url, application_name=announcement([1, 2], [1, 2])),
    ):
        answer = rotating("secrets", "rotate", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (3, "not_held")
    assert [detail["message"] for detail in answer.json["error"]["details"]] == said
    assert versions(rotating) == ([1], [1, 1])


def test_nothing_is_rotated_where_a_secret_does_not_open(rotating, monkeypatch, tmp_path):
    (tmp_path / "master").write_text(base64.b64encode(b"x" * 32).decode())
    answer = rotating("secrets", "rotate", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (1, "secret_unavailable")
    assert versions(rotating) == ([1], [1, 1])


def test_without_a_pepper_and_a_master_key_there_is_nothing_to_rotate_to(aduana, monkeypatch):
    monkeypatch.delenv("ADUANA_PEPPERS")
    monkeypatch.delenv("ADUANA_MASTER_KEYS")
    answer = aduana("secrets", "rotate", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (2, "usage")


def test_no_value_is_shown(rotating):
    for arguments in (("--plan",), (), ("--json",)):
        answer = rotating("secrets", "rotate", *arguments)
        assert answer.code == 0
        for value in ("hunter2", "s" * 43, "p" * 40, "q" * 40):
            assert value not in json.dumps([answer.out, answer.err])
