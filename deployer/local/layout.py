"""A tenant's data directory: what lies where, and whether it is in order.

lock, state.json      who runs it, and with which processes (state.json may be removed while nobody does)
tenant.json           that this is a tenant's directory, and what to start it with again
secrets/              generated once, 0600: pepper, master-key, postgres, redis; and the URLs of the last start
postgres/data         the database
valkey/               Valkey's configuration; it keeps nothing on disk
state/                the proxies' copy of the snapshot, and the ledger's spool
seed.yaml             the built-in seed as it was applied last
logs/NAME.log         what each process wrote
"""

import base64
import errno
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.local.errors import LocalTenantError
from deployer.whole_files import write_private

DEFAULT_DATA_DIR = Path(".aduana")
FORMAT = 1

_SECRETS: Mapping[str, Callable[[], str]] = {
    "pepper": lambda: secrets.token_urlsafe(48),
    "master-key": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "postgres": lambda: secrets.token_urlsafe(24),
    "redis": lambda: secrets.token_urlsafe(24),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one data directory."""

    root: Path  # absolute

    @classmethod
    def at(cls, data_dir: Path) -> "Layout":
        return cls(data_dir.expanduser().resolve())

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def state_file(self) -> Path:
        return self.root / "state.json"

    @property
    def marker(self) -> Path:
        return self.root / "tenant.json"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def seed(self) -> Path:
        return self.root / "seed.yaml"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    # ── Opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def create(self) -> None:
        """Make the directory, or see that what is there is a tenant's. Raises `LocalTenantError`; changes nothing then."""
        if self.root.exists() and not self.root.is_dir():
            raise LocalTenantError(
                "not_a_data_dir", f"{self.root} is not a directory", "Choose another --data-dir; nothing was changed"
            )
        try:
            strangers = self.root.exists() and not self.marker.exists() and _holds_something(self.root)
            if strangers:
                raise LocalTenantError(
                    "not_a_data_dir",
                    f"{self.root} holds other things and no tenant.json, so it is not a tenant's data directory",
                    "Choose another --data-dir, or put tenant.json back from a backup; nothing was changed",
                )
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise unusable(self.root, error) from None

    def prepare(self) -> None:
        """Make what is missing. For the holder of the lock. Raises `LocalTenantError`."""
        for directory in (self.secrets, self.postgres, self.valkey, self.state, self.logs):
            directory.mkdir(mode=0o700, exist_ok=True)
        if not self.marker.exists():
            write_private(self.marker, json.dumps({"format": FORMAT}) + "\n")
        self._make_secrets()

    def _make_secrets(self) -> None:
        # Where there are data, a secret that is gone must not be replaced by one that does not fit them.
        created = (self.postgres / "data").exists()
        for name, generate in _SECRETS.items():
            path = self.secrets / name
            if path.exists() and path.stat().st_size:
                continue
            if created:
                raise LocalTenantError(
                    "corrupt_data_dir",
                    f"the secret {path} is missing, and the data in {self.root} need it",
                    "Put the file back from a backup, or start with another --data-dir; nothing was changed",
                )
            write_private(path, generate() + "\n")

    # ── Reading and writing ─────────────────────────────────────────────────────────────────────────────────────────

    def secret(self, name: str) -> str:
        """A secret's value. Raises `LocalTenantError`."""
        try:
            return (self.secrets / name).read_text().strip()
        except OSError as error:
            raise unusable(self.secrets / name, error) from None

    def read_marker(self) -> dict[str, Any]:
        """What tenant.json says; empty where there is none. Raises `LocalTenantError`."""
        document = _read_json(self.marker, "Put it back from a backup, or start with another --data-dir")
        if document and document.get("format") != FORMAT:
            raise LocalTenantError(
                "data_dir_version",
                f"{self.marker} has format {document.get('format')!r}, and this Aduana knows {FORMAT}",
                "Use the Aduana that made it, or start with another --data-dir; nothing was changed",
            )
        return document

    def write_marker(self, document: Mapping[str, Any]) -> None:
        write_private(self.marker, json.dumps({"format": FORMAT, **document}, indent=2) + "\n")

    def read_state(self) -> dict[str, Any]:
        """What state.json says; empty where there is none. Raises `LocalTenantError`."""
        document = _read_json(
            self.state_file,
            f"Remove it while no tenant runs here (rm {self.state_file}): it holds pids and ports alone, no data",
        )
        if document and not (isinstance(document.get("processes"), list) and isinstance(document.get("ports"), dict)):
            raise LocalTenantError(
                "corrupt_data_dir",
                f"{self.state_file} is not one that Aduana wrote",
                "Remove it while no tenant runs here: it holds pids and ports alone, no data",
            )
        return document

    def write_state(self, document: Mapping[str, Any]) -> None:
        write_private(self.state_file, json.dumps(document, indent=2) + "\n")


def unusable(path: Path, error: OSError) -> LocalTenantError:
    """What the operating system said about the data directory, with what to do."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return LocalTenantError(
        "disk_full" if full else "data_dir_unusable",
        f"{error.filename or path} cannot be used: {error.strerror}",
        f"{'Free some space' if full else 'Make it accessible'} or choose another --data-dir; nothing was deleted",
    )


def _holds_something(directory: Path) -> bool:
    # What a start leaves that failed before it wrote tenant.json.
    return any(entry.name not in ("lock", "logs") for entry in directory.iterdir())


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unusable(path, error) from None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise LocalTenantError("corrupt_data_dir", f"{path} is damaged: it is not the JSON that Aduana wrote", remedy)
    return document
