"""`aduana backup`, `restore` and `export`, on real Postgres: what is brought back is what was there."""

import csv
import hashlib
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from deployer import cli
from tests.core.tenant import write_tenant

ROWS = {"policies": 1, "clients": 1, "teams": 1, "apps": 1, "api_keys": 1, "upstreams": 1, "routes": 1, "targets": 1}


@pytest.fixture
def tenant(database_url: str) -> str:
    """A configured tenant with a call in a month's partition, one in none, an audit event and odd text."""
    write_tenant(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT make_usage_partition('usage_events', date_trunc('month', now(), 'UTC'))")
        connection.execute("UPDATE clients SET name = E'a\\tb\\\\n\"c,\u00e9'")
        for at in (datetime.now(UTC), datetime(2025, 3, 1, tzinfo=UTC)):
            connection.execute(
                "INSERT INTO usage_events (id, admitted_at, client_id, team_id, app_id, key_id, caller, request_id, endpoint,"
                " requested_model, route, streamed, cancelled, input_tokens, cached_tokens, output_tokens, reasoning_tokens,"
                " usage_source, cost_usd, unpriced) VALUES (%s, %s, %s, %s, %s, 'k', 'c', 'r', 'e', 'm', 'm', false, false,"
                " 1, 0, 1, 0, 'reported', 0.000000123, false)",
                (uuid4(), at, uuid4(), uuid4(), uuid4()),
            )
        connection.execute(
            "INSERT INTO audit_events VALUES (1, now(), 'cli:x', 'create', 'client', 'c', NULL, '{}', NULL, '\\x00', '\\xff')"
        )
        connection.execute(
            "INSERT INTO ledger_rejects (stream, reason, record) VALUES ('s', E'line\\nbreak', '\\x0a0d')"
        )
    return database_url


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    capsys.readouterr()
    code = cli.run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def contents(url: str) -> dict[str, list]:
    """Every row of every table, in an order of their own."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace AND relname <> 'sole_proxy'"
        ).fetchall()
        return {name: sorted(map(str, connection.execute(f"SELECT * FROM {name}").fetchall())) for (name,) in names}


def test_a_restored_database_is_the_one_that_was_backed_up(tenant, empty_database_url, tmp_path, capsys):
    file, beside = tmp_path / "contoso.aduana", tmp_path / "contoso.yaml"
    beside.write_text("name: contoso\n")
    code, backed = run(capsys, "backup", str(file), "--database-url", tenant, "--with", str(beside))
    assert code == 0
    assert {name: backed["tables"][name] for name in ROWS} == ROWS
    assert (backed["needs"], backed["files"]) == ({"peppers": [1], "master_keys": [1]}, ["contoso.yaml"])
    assert file.stat().st_mode & 0o777 == 0o600

    code, restored = run(capsys, "restore", str(file), "--database-url", empty_database_url)
    assert (code, restored["tables"]) == (0, backed["tables"])
    before, after = contents(tenant), contents(empty_database_url)
    versions = [int(each.pop("snapshot_version")[0].split(", ")[1].rstrip(")")) for each in (before, after)]
    assert before == after
    assert versions[1] > versions[0]  # replicas that run notice
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        month = f"usage_events_{datetime.now(UTC):%Y_%m}"
        assert connection.execute(f"SELECT count(*) FROM {month}").fetchone() == (1,)
        connection.execute("INSERT INTO ledger_rejects (stream, reason, record) VALUES ('s', 'next', '')")
        assert connection.execute("SELECT max(id) FROM ledger_rejects").fetchone() == (2,)
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute("TRUNCATE audit_events")


def test_a_database_that_is_not_empty_is_replaced_only_by_force(tenant, tmp_path, capsys):
    file = tmp_path / "contoso.aduana"
    run(capsys, "backup", str(file), "--database-url", tenant)
    before = contents(tenant)
    with psycopg.connect(tenant, autocommit=True) as connection:
        connection.execute("INSERT INTO clients (name) VALUES ('later')")
    code, refused = run(capsys, "restore", str(file), "--database-url", tenant)
    assert (code, refused["error"]["code"]) == (1, "not_empty")
    assert run(capsys, "restore", str(file), "--database-url", tenant, "--force")[0] == 0
    after = contents(tenant)
    assert before.pop("snapshot_version") != after.pop("snapshot_version")
    assert before == after


def damaged(file: Path, entry: str, content: bytes | None) -> Path:
    """The same archive with one entry replaced, or without it."""
    other = file.with_suffix(".damaged")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(other, "w") as target:
        for info in source.infolist():
            if info.filename != entry:
                target.writestr(info.filename, source.read(info))
        if content is not None:
            target.writestr(entry, content)
    return other


@pytest.mark.parametrize(
    ("entry", "content", "code"),
    [
        ("tables/clients.copy", b"\\N\n", "not_whole"),
        ("tables/clients.copy", None, "not_whole"),
        ("manifest.json", b"{}", "not_readable"),
        ("manifest.json", None, "not_whole"),
        ("manifest.json", b'{"kind": "aduana-backup", "format": 2}', "not_readable"),
    ],
)
def test_a_damaged_backup_changes_nothing(tenant, empty_database_url, tmp_path, capsys, entry, content, code):
    file = tmp_path / "contoso.aduana"
    run(capsys, "backup", str(file), "--database-url", tenant)
    bad = damaged(file, entry, content)
    for arguments in (["--check"], ["--database-url", empty_database_url]):
        assert run(capsys, "restore", str(bad), *arguments)[1]["error"]["code"] == code
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('clients')").fetchone() == (None,)
    file.write_bytes(file.read_bytes()[:-200])
    assert run(capsys, "restore", str(file), "--check")[1]["error"]["code"] == "not_whole"


def test_a_backup_that_fails_leaves_no_file(tenant, tmp_path, capsys):
    code, failed = run(capsys, "backup", str(tmp_path / "nowhere" / "x.aduana"), "--database-url", tenant)
    assert (code, failed["error"]["code"]) == (1, "backup_failed")
    assert list(tmp_path.iterdir()) == []


def test_an_export_has_every_row_in_both_forms_and_money_to_the_last_digit(tenant, tmp_path, capsys):
    directory = tmp_path / "export"
    code, exported = run(capsys, "export", str(directory), "--database-url", tenant)
    assert code == 0
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["audit_last"] == {"seq": 1, "hash": "ff"}
    for file in manifest["files"]:
        content = (directory / file["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    with (directory / "usage_events.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [json.loads(line) for line in (directory / "usage_events.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [line["id"] for line in lines]
    assert {Decimal(row["cost_usd"]) for row in rows} == {Decimal("0.000000123")}
    assert {line["cost_usd"] for line in lines} == {"0.000000123"}
    assert lines[0]["admitted_at"].endswith("Z") or lines[1]["admitted_at"].endswith("Z")
    assert {file["rows"] for file in exported["files"] if file["table"] == "usage_events"} == {2}

    code, recent = run(capsys, "export", str(tmp_path / "recent"), "--since", "30d", "--database-url", tenant)
    assert {file["rows"] for file in recent["files"] if file["table"] == "usage_events"} == {1}
    assert run(capsys, "export", str(directory), "--database-url", tenant)[1]["error"]["code"] == "exists"
