"""The pepper and the master key: made where there are none, brought back where they were deleted, and never made a second time
where something hangs on them.
"""

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from core.secrets import SecretRef
from core.settings import Settings
from deployer.bootstrap import BootstrapError
from deployer.bootstrap.vault import Kept, Vault

_KEYS = "SELECT count(*) FROM api_keys WHERE pepper_version = %(version)s AND removed_at IS NULL"
_SEALED = "SELECT count(*) FROM secrets WHERE master_key_version = %(version)s"


@dataclass(frozen=True, slots=True)
class Material:
    """A pepper or a master key: where it is kept, and how many rows hang on it."""

    what: str  # pepper | master key
    version: int
    ref: SecretRef
    kept: Kept
    hanging: int

    def words(self) -> str:
        verb = "bring back the deleted" if self.kept is Kept.DELETED else "make"
        return f"{verb} {self.what} {self.version} in {self.ref}"


def outstanding(settings: Settings, vault: Vault, database: psycopg.Connection[Any] | None) -> list[Material]:
    """Those that are not in their vault. `database`: None where it has no tables yet.

    Raises `VaultError`, and `BootstrapError` where one is gone that keys or sealed secrets hang on.
    """
    found = []
    for what, version, ref, query in _references(settings):
        kept = vault.look(ref)
        if kept is Kept.THERE:
            continue
        row = database.execute(query, {"version": version}).fetchone() if database is not None else None
        hanging = int(row[0]) if row is not None else 0
        if kept is Kept.ABSENT and hanging:
            hung = "keys" if what == "pepper" else "sealed secrets"
            raise BootstrapError(
                "secrets",
                f"{ref} is gone, and {hanging} {hung} were made under that {what}: with another one none of them would work",
                "Put the value back from where it was kept (aduana restore, or the vault's own backup). If it is lost for "
                f"good, remove those {hung} first and make them anew.",
                code="secret_lost",
            )
        found.append(Material(what, version, ref, kept, hanging))
    return found


def provide(vault: Vault, material: Material, tags: Mapping[str, str]) -> None:
    """Bring it back, or make it. The value is in this function alone. Raises `VaultError`."""
    if material.kept is Kept.DELETED:
        vault.recover(material.ref)
        return
    value = base64.b64encode(os.urandom(32)).decode()
    vault.write(material.ref, value, {**tags, "what": material.what, "version": str(material.version)})


def _references(settings: Settings) -> Iterator[tuple[str, int, SecretRef, str]]:
    for what, references, query in (
        ("pepper", settings.peppers, _KEYS),
        ("master key", settings.master_keys, _SEALED),
    ):
        for version, text in sorted(references.items()):
            ref = SecretRef.parse(text)
            if ref.scheme == "kv":  # any other is somebody else's to keep
                if ref.name.count("/") > 1:
                    raise BootstrapError(
                        "secrets",
                        f"{ref} names one version of a secret, which cannot be made under that name",
                        f"Name the secret alone in ADUANA_{'PEPPERS' if what == 'pepper' else 'MASTER_KEYS'}.",
                    )
                yield what, version, ref, query
