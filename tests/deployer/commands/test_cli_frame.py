"""The frame of the program: exit codes, errors for people and for programs, and never a stack trace."""

import os
import subprocess
import sys

import pytest

from deployer import cli
from deployer.commands import usage as usage_command


def test_wrong_usage_is_exit_code_2_and_names_the_help(aduana):
    answer = aduana("seeed")
    assert (answer.code, answer.out) == (2, "")
    assert "No such command 'seeed'" in answer.err and "aduana --help" in answer.err


@pytest.mark.parametrize(
    "arguments", [("seeed", "--json"), ("keys", "--json"), ("seed", "--json"), ("usage", "--by", "colour", "--json")]
)
def test_a_program_is_told_of_wrong_usage_as_json_even_before_its_command_was_read(aduana, arguments):
    answer = aduana(*arguments)
    assert answer.code == 2
    assert answer.json["error"]["code"] == "usage"
    assert set(answer.json["error"]) == {"code", "message", "remedy"}


def test_a_group_without_a_command_shows_its_help(aduana):
    answer = aduana("keys")
    assert answer.code == 2
    assert "rotate" in answer.out + answer.err


def test_an_unexpected_error_is_a_sentence_and_no_trace(aduana, monkeypatch):
    def explode(*_):
        raise RuntimeError("postgresql://user:hunter2@host/db")

    monkeypatch.setattr(usage_command, "with_tenant", explode)
    answer = aduana("usage")
    assert answer.code == 1
    assert "RuntimeError" in answer.err and "ADUANA_DEBUG=1" in answer.err
    assert "Traceback" not in answer.err and "hunter2" not in answer.err
    assert aduana("usage", "--json").json["error"]["code"] == "internal"


def test_the_trace_is_there_for_who_asks(aduana, monkeypatch):
    monkeypatch.setattr(usage_command, "with_tenant", lambda *_: 1 / 0)
    monkeypatch.setenv("ADUANA_DEBUG", "1")
    assert "ZeroDivisionError: division by zero" in aduana("usage").err


def test_a_database_that_is_away_is_said_without_its_password(aduana, free_port):
    answer = aduana("usage", "--json", "--database-url", f"postgresql://u:hunter2@127.0.0.1:{free_port}/x")
    assert answer.code == 1
    assert answer.json["error"]["code"] == "database_unreachable"
    assert "Connection refused" in answer.json["error"]["message"]
    assert answer.err == ""
    assert "hunter2" not in answer.out + answer.err


def test_a_database_url_that_is_none_is_wrong_usage(aduana):
    answer = aduana("usage", "--json", "--database-url", "not a url with hunter2")
    assert (answer.code, answer.json["error"]["code"]) == (2, "settings")
    assert "hunter2" not in answer.out + answer.err


def test_a_database_without_tables_is_told_so(aduana, empty_database_url):
    answer = aduana("usage", "--json", "--database-url", empty_database_url)
    assert (answer.code, answer.json["error"]["code"]) == (1, "schema")


def test_migrate_brings_the_tables_and_says_when_there_is_nothing_to_do(aduana, empty_database_url):
    first = aduana("migrate", "--json", "--database-url", empty_database_url)
    assert (first.code, first.json["before"]) == (0, None)
    again = aduana("migrate", "--json", "--database-url", empty_database_url)
    assert (again.code, again.json) == (0, {"before": first.json["after"], "after": first.json["after"]})
    assert aduana("usage", "--json", "--database-url", empty_database_url).code == 0


def test_a_tenant_is_named_in_one_way(aduana, database_url, tmp_path):
    answer = aduana("usage", "--json", "--database-url", database_url, "--data-dir", str(tmp_path))
    assert (answer.code, answer.json["error"]["code"]) == (2, "usage")


def test_a_data_directory_without_a_tenant_says_how_to_start_one(aduana, tmp_path):
    answer = aduana("usage", "--json", "--data-dir", str(tmp_path / "nowhere"))
    assert (answer.code, answer.json["error"]["code"]) == (1, "not_running")
    assert "aduana up" in answer.json["error"]["remedy"]


def test_without_a_pepper_no_key_is_made(aduana, monkeypatch):
    monkeypatch.delenv("ADUANA_PEPPERS")
    answer = aduana("keys", "create", "a/b/c", "--name", "n", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (1, "no_pepper")


def test_the_program_itself_ends_with_the_exit_code():
    program = [sys.executable, "-c", "from deployer.cli import main; main()"]
    told = subprocess.run(
        [*program, "seeed", "--json"], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert told.returncode == 2
    assert '"code": "usage"' in told.stdout
    assert told.stderr == ""


def test_help_imports_nothing_heavy():
    heavy = ("psycopg", "alembic", "sqlalchemy", "fastapi", "uvicorn", "redis", "yaml", "cryptography", "httpx")
    script = (
        "import sys; from deployer.cli import run; code = run(['--help']);"
        f"sys.exit(code or ' '.join(sorted(set(sys.modules) & set({heavy}))) or None)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


def test_every_command_teaches_with_an_example(aduana):
    assert cli._COMMANDS
    for command in (
        ("seed",),
        ("usage",),
        ("keys", "create"),
        ("keys", "rotate"),
        ("audit", "verify"),
        ("secrets", "set"),
    ):
        assert f"aduana {' '.join(command)} " in aduana(*command, "--help").out.replace("\n", " ")
