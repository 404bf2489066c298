"""The Postgres launcher: killed and started again, as root and not, and where the data are not what they should be."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deployer.local.errors import LocalTenantError
from deployer.local.postgres import PostgresServer, binary

ROOT = os.name == "posix" and os.geteuid() == 0
_REPOSITORY = Path(__file__).parents[3]
_SOMEBODY = pwd.getpwnam("daemon").pw_uid  # initdb wants its user to have a name

AS_SOMEBODY = (
    "setpriv",
    f"--reuid={_SOMEBODY}",
    f"--regid={_SOMEBODY}",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
)
_WORK = """
import sys
from pathlib import Path
import psycopg
from deployer.local.postgres import PostgresServer
from deployer.local.valkey import ValkeyServer
directory = Path(sys.argv[1])
for server in (PostgresServer(directory / "postgres"), ValkeyServer(directory / "valkey")):
    server.start()
    server.kill()
    server.start()
    if isinstance(server, PostgresServer):
        with psycopg.connect(server.url()) as connection:
            print(connection.execute("SELECT current_user").fetchone()[0])
    server.stop()
"""


def test_a_killed_server_starts_again_with_what_was_committed(start_postgres: Callable[..., PostgresServer]) -> None:
    server = start_postgres()
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE calls (id integer)")
        connection.execute("INSERT INTO calls VALUES (1)")
    busy = psycopg.connect(server.url())  # its backend is an orphan for a moment
    for _ in range(3):
        server.kill()
        server.start()
    busy.close()
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT count(*) FROM calls").fetchone() == (1,)


def test_a_stale_lock_file_that_names_a_strangers_pid_does_not_stop_a_start(
    start_postgres: Callable[..., PostgresServer],
) -> None:
    server = start_postgres()
    server.kill()
    lock = server.data / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    server.start()
    assert server.is_ready()


def test_a_server_that_outlived_its_launcher_is_ended_before_the_next_one_starts(
    start_postgres: Callable[..., PostgresServer],
) -> None:
    first = start_postgres()
    second = PostgresServer(first.directory, port=first.port, password=first.password)
    try:
        second.start()
        assert not first.running
        assert second.running
    finally:
        second.kill()


def test_it_listens_on_the_loopback_alone_without_a_socket_file_and_asks_for_the_password(
    start_postgres: Callable[..., PostgresServer],
) -> None:
    server = start_postgres()
    with psycopg.connect(server.url()) as connection:
        shown = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        ).fetchone()
    assert shown == ("127.0.0.1", "")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url().replace(server.password, "wrong"))


def test_its_password_is_in_no_process_list_and_no_log(start_postgres: Callable[..., PostgresServer]) -> None:
    server = start_postgres()
    assert server.password not in " ".join(server.command)
    assert server.password not in server.log.read_text()


@pytest.mark.skipif(not ROOT, reason="only root can lend the server another user")
def test_as_root_only_the_data_change_hands_and_no_parent_is_opened(
    start_postgres: Callable[..., PostgresServer],
) -> None:
    closed = Path(tempfile.mkdtemp())  # 0700, root's
    try:
        directory = closed / "deeper" / "postgres"
        directory.mkdir(parents=True)
        for folder in (closed, closed / "deeper", directory):
            folder.chmod(0o700)
        server = start_postgres(directory)
        assert server.is_ready()
        for folder in (closed, closed / "deeper", directory):
            found = folder.stat()
            assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o700)
        assert server.data.stat().st_uid != 0
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
        server.stop()
    finally:
        shutil.rmtree(closed)


@pytest.mark.skipif(not ROOT, reason="only root can lend the server another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv(1) to become another user with")
def test_as_root_it_starts_from_a_checkout_that_only_root_may_enter(
    start_postgres: Callable[..., PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Path(tempfile.mkdtemp())  # as /root is: 0700
    try:
        (closed / "bin").symlink_to(binary("postgres").parent)
        monkeypatch.setattr("deployer.local.postgres.binary", lambda name: closed / "bin" / name)
        server = start_postgres()
        assert server.is_ready()
        server.stop()
    finally:
        shutil.rmtree(closed)


@pytest.fixture
def somebodys_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp())
    os.chown(directory, _SOMEBODY, _SOMEBODY)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.skipif(not ROOT, reason="the other tests run it as a user who is not root")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv(1) to become another user with")
def test_it_works_for_a_user_who_is_not_root(somebodys_directory: Path) -> None:
    done = subprocess.run(
        # The interpreter and the checkout may lie where root alone can read: that much is lent.
        [*AS_SOMEBODY, sys.executable, "-c", _WORK, str(somebodys_directory)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_REPOSITORY), "HOME": str(somebodys_directory)},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["aduana"]
    assert (somebodys_directory / "postgres" / "data").stat().st_uid == _SOMEBODY


def test_data_of_another_major_version_are_refused_and_left_alone(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path)
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(LocalTenantError) as refused:
        server.initialise()
    assert refused.value.code == "postgres_version"
    assert "'12'" in str(refused.value)
    assert [path.name for path in server.data.iterdir()] == ["PG_VERSION"]


def test_a_directory_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path)
    server.data.mkdir()
    (server.data / "something").write_text("precious")
    with pytest.raises(LocalTenantError) as refused:
        server.initialise()
    assert refused.value.code == "corrupt_data_dir"
    assert (server.data / "something").read_text() == "precious"


def test_a_creation_that_was_interrupted_is_begun_anew(
    start_postgres: Callable[..., PostgresServer], tmp_path: Path
) -> None:
    unfinished = tmp_path / "data.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    assert start_postgres(tmp_path).is_ready()
    assert not unfinished.exists()


def test_a_password_that_does_not_fit_the_data_is_told(start_postgres: Callable[..., PostgresServer]) -> None:
    server = start_postgres()
    other = PostgresServer(server.directory, port=server.port, password="another")
    with pytest.raises(LocalTenantError) as refused:
        other.is_ready()
    assert refused.value.code == "wrong_password"
    assert server.password not in str(refused.value)
