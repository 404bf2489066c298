"""A tenant seen from outside: what runs, what it wrote, and how to stop it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployer.directory_lock import DirectoryLock
from deployer.local.errors import LocalTenantError
from deployer.local.layout import Layout

_STOPS_WITHIN = 120.0  # seconds: the drains and graces of all stages


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process of a tenant."""

    name: str
    pid: int | None
    state: str  # core.supervisor.State
    port: int | None
    restarts: int


def processes(data_dir: Path) -> list[ProcessRow]:
    """What runs, or ran last (then all is stopped). Raises `LocalTenantError` where no tenant was ever started."""
    layout = Layout.at(data_dir)
    state = layout.read_state()
    if not state:
        raise LocalTenantError(
            "no_tenant",
            f"there is no local tenant on {layout.root}",
            "Start one with `aduana up`, or name its --data-dir",
        )
    alive = DirectoryLock(layout.lock).holder is not None
    return [
        ProcessRow(
            row["name"],
            row["pid"] if alive else None,
            row["state"] if alive else "stopped",
            row["port"],
            row["restarts"],
        )
        for row in state["processes"]
    ]


def stop(data_dir: Path) -> bool:
    """Stop a tenant in order and wait for the end; whether one ran. Raises `LocalTenantError`."""
    layout = Layout.at(data_dir)
    lock = DirectoryLock(layout.lock)
    supervisor = lock.holder
    if supervisor is None:
        return False
    if not supervisor:
        raise LocalTenantError("busy", f"the tenant on {layout.root} is just starting", "Try again in a moment")
    try:
        os.kill(supervisor, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise LocalTenantError(
            "forbidden",
            f"the tenant on {layout.root} runs as another user (process {supervisor})",
            "Run `aduana down` as that user",
        ) from None
    until = time.monotonic() + _STOPS_WITHIN
    while lock.holder is not None:
        if time.monotonic() > until:
            raise LocalTenantError(
                "still_stopping",
                f"the tenant on {layout.root} has not stopped within {_STOPS_WITHIN:.0f} seconds",
                f"Run `aduana down` once more to end it at once, or kill process {supervisor}",
            )
        time.sleep(0.05)
    _wait_for_the_end(supervisor)
    return True


def _wait_for_the_end(pid: int) -> None:
    # It has let go of the directory and has only itself left to end; a zombie that nobody reaps would never.
    until = time.monotonic() + 5.0
    with suppress(OSError):
        while time.monotonic() < until:
            os.kill(pid, 0)
            time.sleep(0.02)


def log_files(data_dir: Path, name: str | None) -> list[Path]:
    """The logs there are, or the one of a process. Raises `LocalTenantError`."""
    layout = Layout.at(data_dir)
    found = sorted(layout.logs.glob("*.log"))
    if name is not None:
        chosen = [path for path in found if path.stem == name]
        if not chosen:
            names = ", ".join(path.stem for path in found)
            raise LocalTenantError(
                "no_log",
                f"{layout.logs} has no log of {name}",
                f"There are: {names}" if names else "Start a tenant with `aduana up`, or name its --data-dir",
            )
        return chosen
    if not found:
        raise LocalTenantError(
            "no_log", f"there are no logs in {layout.logs}", "Start a tenant with `aduana up`, or name its --data-dir"
        )
    return found


def read_logs(files: list[Path], *, last: int, follow: bool) -> Iterator[tuple[str, str]]:
    """Name and line: the `last` ones of each file, then, with `follow`, each that is added."""
    ends: dict[Path, int] = {}
    for path in files:
        content = path.read_bytes()
        ends[path] = content.rfind(b"\n") + 1
        for line in content[: ends[path]].decode(errors="replace").splitlines()[-last:]:
            yield path.stem, line
    while follow:
        time.sleep(0.2)
        for path in files:
            size = path.stat().st_size
            if size < ends[path]:
                ends[path] = 0  # it was rotated
            if size == ends[path]:
                continue
            with path.open("rb") as file:
                file.seek(ends[path])
                whole = file.read()
            added = whole[: whole.rfind(b"\n") + 1]
            ends[path] += len(added)
            for line in added.decode(errors="replace").splitlines():
                yield path.stem, line
