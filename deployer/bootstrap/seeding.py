"""The first configuration: applied once in an installation's life, in one transaction with the note that it was.

Keys that it makes go to the vault before the transaction is committed; nobody sees them here.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from core.egress import AllowedHosts
from core.identity.threads import in_thread
from core.keys import Peppers
from core.secrets import SecretRef
from core.secrets.resolver import CachingResolver, resolver_of
from core.settings import Settings
from core.store import Database
from deployer.bootstrap.vault import Vault

if TYPE_CHECKING:
    from core.seed.apply import IssuedKey
    from core.seed.file import SeedFile

_SEEDED = "SELECT seeded_at IS NOT NULL FROM installation"
_CONFIGURED = "SELECT EXISTS (SELECT FROM clients) OR EXISTS (SELECT FROM upstreams) OR EXISTS (SELECT FROM policies)"
_NOTE = """
UPDATE installation SET seeded_at = now(), seed_hash = %(hash)s WHERE seeded_at IS NULL RETURNING seeded_at
"""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the seed did, or would do."""

    changes: tuple[str, ...]
    counts: Mapping[str, int]
    keys: Mapping[str, str]  # path → reference to where it is kept


def parse(text: str, name: str, hosts: AllowedHosts) -> "SeedFile":
    """Read it; its mistakes are in it, and raised by whoever applies it."""
    from core.seed.file import parse_seed

    return parse_seed(text.encode(), name, hosts)


def is_seeded(database: psycopg.Connection[Any]) -> bool:
    row = database.execute(_SEEDED).fetchone()
    return bool(row and row[0])


def is_configured(database: psycopg.Connection[Any]) -> bool:
    """Whether somebody configured it already, by hand or from a backup: then a seed would mix with it."""
    row = database.execute(_CONFIGURED).fetchone()
    return bool(row and row[0])


def note_without_seed(database: psycopg.Connection[Any]) -> None:
    """It counts as seeded from here on."""
    database.execute(_NOTE, {"hash": None})


async def preview(database: Database, seed: "SeedFile", settings: Settings, environment: Mapping[str, str]) -> Seeded:
    """What applying it would do. Raises `SeedError`. Keys are not read: the vault may not have them yet."""
    from core.seed.apply import plan_seed

    async with await database.connector("aduana-bootstrap").connect_async() as connection:
        plan = await plan_seed(connection, seed, resolver_of(settings, environment), Peppers({1: bytes(32)}))
    return _told(plan, {})


async def apply(
    database: Database,
    seed: "SeedFile",
    text: str,
    settings: Settings,
    environment: Mapping[str, str],
    vault: Vault,
    home: str,
    actor: str,
) -> Seeded | None:
    """Apply it; None where another one was quicker. `home`: the vault that new keys go to.

    Raises `SeedError`, `SecretError`, `VaultError`: nothing was applied then.
    """
    from core.seed.apply import apply_seed

    async with await database.connector("aduana-bootstrap").connect_async() as connection:
        resolver: CachingResolver = resolver_of(settings, environment)
        peppers = await Peppers.load(settings.peppers, resolver)
        noted = await connection.execute(_NOTE, {"hash": hashlib.sha256(text.encode()).digest()})
        if await noted.fetchone() is None:
            return None
        applied = await apply_seed(connection, seed, resolver, peppers, actor=actor)
        kept: dict[str, str] = {}
        for key in applied.issued:
            ref = key_ref(home, key.path)
            await in_thread(lambda ref=ref, key=key: _keep(vault, ref, key))  # type: ignore[misc]
            kept[key.path] = str(ref)
    return _told(applied.plan, kept)


def key_ref(vault: str, path: str) -> SecretRef:
    """Where the key of a path is kept: readable, and of each path another."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-")[:90]
    return SecretRef.parse(f"kv://{vault}/key-{slug}-{hashlib.sha256(path.encode()).hexdigest()[:8]}")


def _keep(vault: Vault, ref: SecretRef, key: "IssuedKey") -> None:
    vault.write(ref, key.text, {"what": "key", "path": key.path[:256], "key-id": key.id})


def _told(plan: Any, keys: Mapping[str, str]) -> Seeded:
    words = {"create": "create", "update": "change", "remove": "remove"}
    changes = tuple(
        f"{words[change.action]} {change.kind.replace('api_', '')} {change.path}" for change in plan.changes
    )
    counts: dict[str, int] = {}
    for change in plan.changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
    return Seeded(changes, counts, keys)
