"""The order of the bootstrap: each step looks first, and does only what it found to be missing.

One bootstrap of an installation runs at a time. Interrupted anywhere, it is run again and goes on where it stood.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from core.secrets import SecretError, SecretRef
from core.settings import Settings
from core.store import NEEDED_REVISION, Database, MigrationError, StoreUnavailable, migrate
from deployer.bootstrap import BootstrapError, Standing, Step, roles, secrets, seeding
from deployer.bootstrap.spec import BootstrapSpec
from deployer.bootstrap.vault import Vault, VaultError

_LOCK = 0x62_6F_6F_74  # "boot"; of the server, held while a bootstrap works
_WAIT = 300.0  # seconds for another one to end

_MAY_CREATE = "SELECT has_schema_privilege(current_schema(), 'CREATE')"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Everything that the steps work with. `administration` is the server's database `postgres`."""

    settings: Settings
    spec: BootstrapSpec
    database: Database
    administration: Database
    vault: Vault
    environment: Mapping[str, str] = field(repr=False)
    actor: str = "bootstrap"
    tags: Mapping[str, str] = field(default_factory=dict)
    expand_only: bool = False  # replicas of an older version still run: nothing is taken from anybody

    def plan(self, report: Callable[[Step], None] = lambda step: None) -> tuple[Step, ...]:
        """What `run` would do now; changes nothing. Raises `BootstrapError`."""
        return self._steps(report, act=False)

    def run(self, report: Callable[[Step], None] = lambda step: None) -> tuple[Step, ...]:
        """Do what is missing; each step is reported when it is done. Raises `BootstrapError`: what was done stays."""
        return self._steps(report, act=True)

    def _steps(self, report: Callable[[Step], None], *, act: bool) -> tuple[Step, ...]:
        done: list[Step] = []
        with self._opened() as (administration, database):
            if act:
                _lock(administration)
            for id, title, work in (
                ("roles", "Roles of the services' identities", lambda: self._roles(administration, database, act)),
                ("migrations", "Tables", lambda: self._migrations(database, act)),
                (
                    "privileges",
                    "Least privileges of each role",
                    lambda: self._privileges(administration, database, act),
                ),
                ("secrets", "Pepper and master key", lambda: self._secrets(database, act)),
                ("seed", "First configuration", lambda: self._seed(database, act)),
            ):
                standing, changes, facts = _explained(id, work)
                done.append(Step(id, title, standing, tuple(changes), facts))
                report(done[-1])
        return tuple(done)

    @contextmanager
    def _opened(self) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
        try:
            administration = self.administration.connector("aduana-bootstrap", lock_timeout=_WAIT).connect(
                autocommit=True
            )
            with administration, self.database.connector("aduana-bootstrap").connect(autocommit=True) as database:
                yield administration, database
        except psycopg.OperationalError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BootstrapError(
                "roles",
                f"Postgres cannot be reached: {reason}",
                "It is reached from inside the network alone, and a private name may take minutes to be known: run it again.",
                code="database_unreachable",
            ) from error

    # ── The steps: how it stands, what is to be done or was, and facts ──────────────────────────────────────────────

    def _roles(self, administration: Any, database: Any, act: bool) -> "_Found":
        found = roles.unmade(administration, self.spec.roles)
        for role, another in found if act else ():
            if another:
                roles.remove(administration, database, role.role)
            roles.make(administration, role)
        words = [
            f"{'make anew' if another else 'make'} role {role.role} of the {role.service}'s identity {role.object_id}"
            for role, another in found
        ]
        return _standing(words, act), words, {"roles": [role.role for role in self.spec.roles]}

    def _migrations(self, database: Any, act: bool) -> "_Found":
        before = _revision(database)
        if before is not None and before >= NEEDED_REVISION:
            return Standing.IN_PLACE, [], {"before": before, "after": before}
        if not _one(database, _MAY_CREATE):
            raise BootstrapError(
                "migrations",
                "this identity may not make tables in the database",
                "It has to be the server's Entra administrator, and the database made after it was: see docs/bootstrap.md.",
                code="forbidden",
            )
        words = [f"bring the tables from {before or 'nothing'} to {NEEDED_REVISION}"]
        after = migrate(self.database).after if act else NEEDED_REVISION
        return _standing(words, act), words, {"before": before, "after": after}

    def _privileges(self, administration: Any, database: Any, act: bool) -> "_Found":
        missing = {role.role for role, _ in roles.unmade(administration, self.spec.roles)}
        if missing or _revision(database) is None:
            return Standing.UNKNOWN, ["grant every role what its service needs"], {}
        words: list[str] = []
        with database.transaction():
            if roles.is_open_to_all(database):
                words.append("close the database to roles that are not named")
                if act:
                    roles.close_to_others(database)
            for role in self.spec.roles:
                found = roles.difference(database, role)
                if self.expand_only:
                    found = replace(found, beyond=())
                words += found.words(role.role)
                if act and not found.none:
                    roles.settle(database, role, found)
        return _standing(words, act), words, {}

    def _secrets(self, database: Any, act: bool) -> "_Found":
        found = secrets.outstanding(self.settings, self.vault, database if _revision(database) is not None else None)
        for material in found if act else ():
            secrets.provide(self.vault, material, self.tags)
        words = [material.words() for material in found]
        return _standing(words, act), words, {}

    def _seed(self, database: Any, act: bool) -> "_Found":
        text = self.spec.seed
        if _revision(database) is None:
            return Standing.UNKNOWN, [f"apply {self.spec.seed_name}"] if text else [], {}
        if self.spec.skip_seed or seeding.is_seeded(database):
            return Standing.IN_PLACE, [], {}
        if text is None or seeding.is_configured(database):
            words = ["note that it is configured already"] if text is not None else ["note that there is no seed"]
            if act:
                seeding.note_without_seed(database)
            return _standing(words, act), words, {}
        seed = seeding.parse(text, self.spec.seed_name, self.settings.egress_hosts)
        if not act:
            told = asyncio.run(seeding.preview(self.database, seed, self.settings, self.environment))
        else:
            done = asyncio.run(
                seeding.apply(
                    self.database, seed, text, self.settings, self.environment, self.vault, self._home(), self.actor
                )
            )
            if done is None:
                return Standing.IN_PLACE, [], {}
            told = done
        return _standing(["seed"], act), list(told.changes), {"counts": dict(told.counts), "keys": dict(told.keys)}

    def _home(self) -> str:
        """The vault of this installation: that of its newest pepper."""
        ref = SecretRef.parse(self.settings.peppers[max(self.settings.peppers)])
        if ref.scheme != "kv":
            raise BootstrapError(
                "seed",
                "there is no vault that new keys could be put into: ADUANA_PEPPERS names none",
                "Keep the pepper in a vault (kv://vault/pepper-1), or leave the seed out and run aduana seed.",
            )
        return ref.name.partition("/")[0]


_Found = tuple[Standing, list[str], dict[str, Any]]


def _standing(words: list[str], act: bool) -> Standing:
    if not words:
        return Standing.IN_PLACE
    return Standing.DONE if act else Standing.TO_DO


def _explained(step: str, work: Callable[[], _Found]) -> _Found:
    """What a step runs into, as a `BootstrapError` of it."""
    from core.seed.document import SeedError

    try:
        return work()
    except VaultError as error:
        raise BootstrapError(
            step, str(error), "Nothing was lost: run it again when that is mended.", code="vault"
        ) from None
    except SecretError as error:
        raise BootstrapError(step, str(error), code="secret_unavailable") from None
    except SeedError as error:
        findings = "; ".join(map(str, error.findings[:5]))
        raise BootstrapError(
            step,
            f"the seed file is wrong, and nothing of it was applied: {findings}",
            "Mend it, and run this again.",
            code="seed_invalid",
        ) from None
    except (MigrationError, StoreUnavailable) as error:
        raise BootstrapError(
            step, str(error), "Run it again; nothing was left half done.", code="migration_failed"
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise BootstrapError(
            step,
            f"the database refuses: {error.diag.message_primary}",
            "This has to run as the identity that is the server's Entra administrator.",
            code="forbidden",
        ) from None
    except psycopg.errors.UndefinedFunction as error:
        raise BootstrapError(
            step,
            f"the server knows no identities: {error.diag.message_primary}",
            "Is it an Azure Database for PostgreSQL flexible server with Entra authentication?",
            code="no_entra",
        ) from None


def _lock(administration: psycopg.Connection[Any]) -> None:
    try:
        administration.execute("SELECT pg_advisory_lock(%(lock)s)", {"lock": _LOCK})
    except psycopg.errors.LockNotAvailable:
        raise BootstrapError(
            "roles",
            f"another bootstrap has not ended within {_WAIT:.0f} seconds",
            "See what it does, and run this again.",
            code="busy",
        ) from None


def _revision(database: psycopg.Connection[Any]) -> str | None:
    if _one(database, "SELECT to_regclass('alembic_version')") is None:
        return None
    found = _one(database, "SELECT version_num FROM alembic_version")
    return str(found) if found is not None else None


def _one(database: psycopg.Connection[Any], query: Any) -> Any:
    row = database.execute(query).fetchone()
    return row[0] if row is not None else None
