"""The one Postgres of a test run, shared by all its processes.

A keeper process (`python -m tests.shared_postgres FILE DIRECTORY`) runs the server. Whoever uses it holds a shared lock
on FILE, which holds its URL; the keeper waits for the exclusive one, gets it when the last user has ended, however it
ended, and then stops the server and removes its data.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg

from core.store import Database
from deployer.local.postgres import FAST_AND_UNSAFE, PostgresServer

TEMPLATE = "aduana_template"


def _keep(file: Path, directory: Path) -> None:
    server = PostgresServer(directory, settings=FAST_AND_UNSAFE)
    try:
        server.start()
        _make_template(server)
        fresh = file.with_suffix(".url")
        fresh.touch(mode=0o600)
        fresh.write_text(server.url())
        with file.open("r+") as shared:
            shared.write(fresh.read_text())
            shared.flush()
            fcntl.flock(shared, fcntl.LOCK_EX)  # until the last user is gone
    finally:
        file.unlink(missing_ok=True)
        server.stop(signal.SIGQUIT)
        shutil.rmtree(directory, ignore_errors=True)


def _make_template(server: PostgresServer) -> None:
    from core.store.migrate import migrate

    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    migrate(Database(server.url(TEMPLATE)))


@contextmanager
def shared_postgres(directory: Path):
    """The URL of the run's server, started if this is its first user; `directory` is the run's."""
    with (directory / "postgres.lock").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        shared = _join(directory / "postgres")
        if shared is None:
            shared = _begin(directory)
        os.lseek(shared.fileno(), 0, os.SEEK_SET)
        url = shared.read()
    try:
        yield url
    finally:
        shared.close()  # and with it the lock


def _join(file: Path):
    try:
        shared = file.open("r")
        fcntl.flock(shared, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):  # never started, or its keeper is about to end
        return None
    if not shared.read():
        shared.close()
        return None
    return shared


def _begin(directory: Path):
    file = directory / "postgres"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    shared = file.open("r")
    fcntl.flock(shared, fcntl.LOCK_SH)
    log = directory / "postgres-keeper.log"
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.shared_postgres", str(file), str(directory / f"postgres-{time.time_ns()}")],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + 60
    while time.monotonic() < until and keeper.poll() is None:
        if file.stat().st_size:
            return shared
        time.sleep(0.02)
    raise RuntimeError(f"the tests' Postgres did not start: {log.read_text()}")


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), Path(sys.argv[2]))
