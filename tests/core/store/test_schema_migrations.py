import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from core.store import NEEDED_REVISION, Database, MigrationError, SchemaState, StoreUnavailable, migrate, schema_state
from core.store.migrate import head

ROOT = Path(__file__).parents[3]


def test_the_revision_that_the_code_needs_is_the_last_one():
    assert head() == NEEDED_REVISION


def test_an_empty_database_is_brought_to_the_last_revision_and_a_second_time_changes_nothing(empty_database_url: str):
    assert migrate(Database(empty_database_url)).after == NEEDED_REVISION
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("INSERT INTO clients (name) VALUES ('contoso')")
    again = migrate(Database(empty_database_url))
    assert (again.before, again.after) == (NEEDED_REVISION, NEEDED_REVISION)
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT name FROM clients").fetchall() == [("contoso",)]


MIGRATE = "import sys; from core.store import Database, migrate; print(migrate(Database(sys.argv[1])).before)"


def test_four_processes_that_migrate_at_once_migrate_once(empty_database_url: str):
    def run(_: int) -> str:
        command = [sys.executable, "-c", MIGRATE, empty_database_url]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(4) as processes:
        assert sorted(processes.map(run, range(4))) == [NEEDED_REVISION] * 3 + ["None"]


def test_a_migration_that_another_one_keeps_out_says_so(empty_database_url: str):
    from core.store.migrate import _LOCK

    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        with pytest.raises(MigrationError, match="another migration has not ended within 0 seconds"):
            migrate(Database(empty_database_url), wait=0.2)


def test_a_migration_that_fails_changes_nothing_and_says_why(empty_database_url: str):
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE prices (in_the_way integer)")
    with pytest.raises(MigrationError, match='changed nothing: relation "prices" already exists'):
        migrate(Database(empty_database_url))
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('clients')").fetchone() == (None,)


def test_a_database_that_is_away_is_an_error_without_its_password(free_port: int):
    with pytest.raises(StoreUnavailable) as error:
        migrate(Database(f"postgresql://aduana:hunter2@127.0.0.1:{free_port}/aduana"))
    assert "hunter2" not in str(error.value)


def test_a_url_that_is_none_is_an_error_that_does_not_repeat_it():
    with pytest.raises(ValueError, match="the database URL is not one") as error:
        migrate(Database("postgresql://aduana:hunter2@[db/aduana"))
    assert "hunter2" not in str(error.value)


async def test_the_schema_says_where_it_is(empty_database_url: str):
    async with await AsyncConnection.connect(empty_database_url, autocommit=True) as connection:
        assert await schema_state(connection) == SchemaState(None)
        migrate(Database(empty_database_url))
        assert (await schema_state(connection)).ready
        await connection.execute("UPDATE alembic_version SET version_num = '0000'")
        state = await schema_state(connection)
        assert not state.ready
        assert "needed is" in str(state)
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
        assert (await schema_state(connection)).ready  # migrated by a newer version, which runs beside this one


def test_a_service_does_not_import_what_migrates():
    watched = "import core.store, core.snapshot.watch, core.audit, core.secrets.resolver, sys"
    code = f"{watched}; print(sorted({{'alembic', 'sqlalchemy', 'mako'}} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_wheel_carries_the_migrations(tmp_path: Path):
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = zipfile.ZipFile(tmp_path / out.stdout.split()[-1]).namelist()
    for name in ("env.py", "versions/0001_foundation.py", "versions/0001_foundation.sql"):
        assert f"core/store/migrations/{name}" in names
