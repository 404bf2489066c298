"""`aduana seed` as people and programs use it."""

import json
import os
import subprocess
import sys


def test_a_seed_is_applied_once_and_its_key_shown_once(aduana, seed_file):
    first = aduana("seed", str(seed_file), "--json")
    assert first.code == 0
    assert (first.json["applied"], first.json["changes"], first.json["created"]) == (True, 7, 7)
    (key,) = first.json["keys"]
    assert key["path"] == "contoso/research/chatbot/prod" and key["key"].startswith(f"adu_{key['id']}_")
    second = aduana("seed", str(seed_file), "--json")
    assert (second.code, second.json["changes"], second.json["unchanged"], second.json["keys"]) == (0, 0, 7, [])


def test_the_key_is_on_stdout_for_people(aduana, seed_file):
    answer = aduana("seed", str(seed_file))
    assert "shown this once" in answer.out and "contoso/research/chatbot/prod  adu_" in answer.out
    assert "7 created" in answer.out


def test_a_plan_shows_the_difference_and_changes_nothing(seeded, seed_file):
    seed_file.write_text(seed_file.read_text().replace("http://127.0.0.1:9", "http://127.0.0.1:10"))
    for _ in range(2):
        answer = seeded("seed", str(seed_file), "--plan", "--json")
        assert (answer.code, answer.json["applied"], answer.json["changes"]) == (0, False, 1)
        assert answer.json["diff"] == [
            {
                "action": "update",
                "entity": "upstream",
                "name": "sim",
                "fields": [{"field": "endpoint", "before": "http://127.0.0.1:9", "after": "http://127.0.0.1:10"}],
            }
        ]
    assert "endpoint: http://127.0.0.1:9 → http://127.0.0.1:10" in seeded("seed", str(seed_file), "--plan").out


def test_targets_are_shown_one_by_one(seeded, seed_file):
    seed_file.write_text(seed_file.read_text().replace("deployment: gpt-4o}", "deployment: gpt-4o, weight: 2}"))
    told = seeded("seed", str(seed_file), "--plan").out
    assert "- target sim/gpt-4o (priority 0, weight 1)" in told and "+ target sim/gpt-4o (priority 0, weight 2)" in told


def test_prune_is_asked_for(seeded, seed_file):
    seed_file.write_text("clients: []\n")
    kept = seeded("seed", str(seed_file), "--json")
    assert kept.json["changes"] == 0 and "client contoso" in kept.json["kept"]
    pruned = seeded("seed", str(seed_file), "--prune", "--json")
    assert (pruned.json["removed"], pruned.json["kept"]) == (7, [])


def test_every_mistake_is_named_with_its_line_and_nothing_is_applied(aduana, seed_file):
    seed_file.write_text(seed_file.read_text().replace("upstream: sim", "upstream: simm") + "colour: red\n")
    answer = aduana("seed", str(seed_file))
    assert answer.code == 1
    assert f"{seed_file}:5: upstream names the upstream 'simm'" in answer.err
    assert f"{seed_file}:8: unknown key 'colour'" in answer.err
    details = aduana("seed", str(seed_file), "--json").json["error"]["details"]
    assert [(each["line"], each["file"]) for each in details] == [(5, str(seed_file)), (8, str(seed_file))]
    assert aduana("audit", "list", "--json").json["events"] == []


def test_mistakes_are_told_where_no_database_is(aduana, seed_file, free_port):
    seed_file.write_text("colour: red\n")
    answer = aduana("seed", str(seed_file), "--json", "--database-url", f"postgresql://127.0.0.1:{free_port}/x")
    assert answer.json["error"]["code"] == "seed_invalid"


def test_a_file_that_is_not_there_is_said_so(aduana, tmp_path):
    answer = aduana("seed", str(tmp_path / "none.yaml"), "--json")
    assert (answer.code, answer.json["error"]["code"]) == (1, "no_file")


def test_warnings_are_beside_the_result(aduana, seed_file):
    seed_file.write_text(seed_file.read_text() + "policies:\n  - {name: p, retention_days: 10}\n")
    answer = aduana("seed", str(seed_file))
    assert "does not yet enforce: retention_days" in answer.err and "warning" not in answer.out


def test_the_program_seeds_by_a_reference_to_the_url(aduana, seed_file, database_url):
    program = [sys.executable, "-c", "from deployer.cli import main; main()"]
    told = subprocess.run(
        [*program, "seed", str(seed_file), "--json", "--database-url", "env:THE_URL"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "THE_URL": database_url},
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout)["created"] == 7


def test_an_upstream_that_the_installation_does_not_allow_is_refused(aduana, seed_file, monkeypatch):
    monkeypatch.setenv("ADUANA_EGRESS_HOSTS", "*.openai.azure.com")
    answer = aduana("seed", str(seed_file))
    assert answer.code == 1
    assert "127.0.0.1 is not on the installation's list (ADUANA_EGRESS_HOSTS)" in answer.err
    monkeypatch.setenv("ADUANA_EGRESS_HOSTS", "https://openai.azure.com")
    assert aduana("seed", str(seed_file)).code == 2
