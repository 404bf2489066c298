"""How a command gets at a tenant: its database, and the references to its pepper and master key.

By `--database-url` (the references come from `ADUANA_*` in the environment) or by `--data-dir` (a local tenant knows its
own). A value read here is never printed.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from deployer.errors import USAGE, CommandError

if TYPE_CHECKING:
    import psycopg

    from core.keys import Peppers
    from core.secrets.database import MasterKeys
    from core.secrets.resolver import CachingResolver
    from core.settings import Settings
    from core.store import Database, Migrated
    from core.store.pool import Connection, Store

DatabaseUrlOption = typer.Option(
    None,
    "--database-url",
    metavar="URL",
    help="The tenant's Postgres, or a reference to its URL (env:NAME, file:/path, kv://vault/name). "
    "ADUANA_DATABASE_URL says it too.",
    show_default=False,
)
DataDirOption = typer.Option(
    None, "--data-dir", metavar="DIR", help="A local tenant, as `aduana up --data-dir` made it.", show_default=False
)

# What commands read of the services' settings; the rest of the environment is none of their business.
_READ = (
    "ADUANA_DATABASE_URL",
    "ADUANA_DATABASE_AUTH",
    "ADUANA_REDIS_URL",
    "ADUANA_REDIS_AUTH",
    "ADUANA_CA_BUNDLE",
    "ADUANA_PEPPERS",
    "ADUANA_MASTER_KEYS",
    "ADUANA_SECRET_TTL",
    "ADUANA_AZURE_CREDENTIAL",
    "ADUANA_AZURE_CLIENT_ID",
    "ADUANA_KEY_VAULT_URL",
    "ADUANA_EGRESS_HOSTS",
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Tenant:
    """An open tenant. `environment` is what `env:` references are read from."""

    settings: "Settings" = field(repr=False)
    database: "Database"
    store: "Store" = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    async def resolver(self, connection: "Connection") -> "CachingResolver":
        """Reads every scheme; of `db://` what is stored now."""
        from core.secrets.database import read_secrets
        from core.secrets.resolver import resolver_of

        sealed = await read_secrets(connection)
        return resolver_of(self.settings, self.environment, sealed=lambda: sealed)

    async def redis_url(self) -> str | None:
        """Where the counters are; None: in a proxy's memory. Raises `ValueError` where it cannot be read."""
        from core.secrets.resolver import resolve_setting, resolver_of

        given = self.settings.redis_url
        if given is None:
            return None
        return await resolve_setting(given, resolver_of(self.settings, self.environment))

    async def peppers(self, resolver: "CachingResolver") -> "Peppers":
        """Raises `CommandError` where none is configured or one cannot be read."""
        from core.keys import Peppers
        from core.secrets import SecretError

        try:
            return await Peppers.load(self.settings.peppers, resolver)
        except (SecretError, ValueError) as error:
            raise CommandError(
                "keys cannot be made or compared without the tenant's pepper",
                str(error),
                "Set ADUANA_PEPPERS as the proxies have it, such as 1=file:/run/secrets/pepper, or use --data-dir.",
                "no_pepper",
            ) from None

    async def master_keys(self, resolver: "CachingResolver") -> "MasterKeys":
        from core.secrets.database import MasterKeys

        return MasterKeys(self.settings.master_keys, resolver)


def with_tenant(database_url: str | None, data_dir: Path | None, work: Callable[[Tenant], Awaitable[Result]]) -> Result:
    """Open the tenant, do the work, close it. Raises `CommandError` for what a user can do something about."""
    return _run(_with_tenant(database_url, data_dir, work))


def with_connection(
    database_url: str | None, data_dir: Path | None, work: "Callable[[psycopg.Connection[Any]], Result]"
) -> Result:
    """Do blocking work on one connection to the tenant's database, whose tables are there. Raises `CommandError`."""

    async def opened(tenant: Tenant) -> Result:
        def blocking() -> Result:
            with tenant.database.connector("aduana-cli").connect(autocommit=True) as connection:
                return work(connection)

        return await asyncio.to_thread(blocking)

    return with_tenant(database_url, data_dir, opened)


def migrate_tenant(database_url: str | None, data_dir: Path | None) -> "Migrated":
    """Bring the tenant's schema forward. Raises `CommandError`."""
    from core.store import MigrationError, migrate

    async def work() -> "Migrated":
        _, database, _ = await _settings(database_url, data_dir)
        try:
            return await asyncio.to_thread(migrate, database)
        except MigrationError as error:
            raise CommandError(
                "the schema was not brought forward", str(error), "Nothing was changed; try again.", "migration_failed"
            ) from error

    return _run(_explained(work))


def actor(door: str = "cli") -> str:
    """Who writes, for the audit log: the door, the user and the machine."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return f"{door}:{user}@{socket.gethostname()}"


async def _with_tenant(
    database_url: str | None, data_dir: Path | None, work: Callable[[Tenant], Awaitable[Result]]
) -> Result:
    async def opened() -> Result:
        async with _open(database_url, data_dir) as tenant:
            return await work(tenant)

    return await _explained(opened)


async def _explained(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do the work; what Postgres and the secrets' keepers refuse becomes a `CommandError`."""
    import psycopg

    from core.secrets import SecretError
    from core.store import StoreUnavailable

    try:
        return await work()
    except StoreUnavailable as error:
        raise CommandError(
            "the database cannot be reached",
            str(error),
            "See that Postgres runs and the URL is right; a local tenant is started with `aduana up`.",
            "database_unreachable",
        ) from error
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
        raise CommandError(
            "the database was busy for too long",
            "another seed or key command may be running",
            "Try again in a moment; nothing was changed.",
            "busy",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise CommandError(
            "the database's user may not do this",
            str(error.diag.message_primary or ""),
            "Use the role that owns the tenant's tables.",
            "forbidden",
        ) from error
    except psycopg.errors.UniqueViolation as error:
        raise CommandError(
            "something of that name was made at the same moment",
            str(error.diag.constraint_name or ""),
            "Run the command again; nothing was changed.",
            "conflict",
        ) from error
    except SecretError as error:
        raise CommandError("a secret cannot be read", str(error), "", "secret_unavailable") from error


@asynccontextmanager
async def _open(database_url: str | None, data_dir: Path | None) -> AsyncIterator[Tenant]:
    from core.store import open_store

    settings, database, environment = await _settings(database_url, data_dir)
    store = await open_store(database, application_name="aduana-cli", max_connections=1)
    try:
        await _reach(database)
        await _check_schema(store)
        yield Tenant(settings, database, store, environment)
    finally:
        await store.close()


def read_settings(environment: Mapping[str, str]) -> "Settings":
    """What commands read of the services' settings. Raises `CommandError`."""
    from core.settings import Settings, SettingsError

    try:
        return Settings.from_environment({name: environment[name] for name in _READ if name in environment})
    except SettingsError as error:
        raise CommandError("a setting is wrong", str(error), "", "settings", exit_code=USAGE) from None


def open_database(settings: "Settings", environment: Mapping[str, str]) -> "Database":
    """The settings' database, for those outside an event loop. Raises `CommandError`."""

    async def work() -> "Database":
        return await _database(settings, environment)

    return _run(_explained(work))


async def _settings(database_url: str | None, data_dir: Path | None) -> "tuple[Settings, Database, Mapping[str, str]]":
    """The settings, the database, and what `env:` references are read from."""
    environment = _environment(database_url, data_dir)
    settings = read_settings(environment)
    return settings, await _database(settings, environment), environment


async def _database(settings: "Settings", environment: Mapping[str, str]) -> "Database":
    from core.secrets.resolver import resolve_setting, resolver_of
    from core.store import Database

    try:
        return Database.of(settings, await resolve_setting(settings.database_url, resolver_of(settings, environment)))
    except ValueError as error:
        raise _unusable(error) from None


def _unusable(error: ValueError) -> CommandError:
    return CommandError("the database URL cannot be used", str(error), "", "settings", exit_code=USAGE)


async def _reach(database: "Database") -> None:
    """Connect once, plainly: a pool tries for seconds, and says to the log alone why it fails."""
    import psycopg

    from core.store import StoreUnavailable

    try:
        connection = await database.connector("aduana-cli").connect_async()
    except psycopg.OperationalError as error:
        raise StoreUnavailable(str(error).partition("\n")[0]) from error
    await connection.close()


async def _check_schema(store: "Store") -> None:
    from core.store import schema_state

    async with store.transaction() as connection:
        state = await schema_state(connection)
    if not state.ready:
        raise CommandError(
            "the database does not have the tables that this version needs",
            str(state),
            "Is it the right database? `aduana migrate` brings it forward.",
            "schema",
        )


def _environment(database_url: str | None, data_dir: Path | None) -> dict[str, str]:
    if database_url is not None and data_dir is not None:
        raise CommandError(
            "--database-url and --data-dir are two ways to name one tenant",
            remedy="Give one of them.",
            code="usage",
            exit_code=USAGE,
        )
    environment = dict(os.environ)
    if database_url is not None:
        return {**environment, "ADUANA_DATABASE_URL": database_url}
    if data_dir is None and environment.get("ADUANA_DATABASE_URL", "").strip():
        return environment
    from deployer.local.tenant import local_tenant

    tenant = local_tenant() if data_dir is None else local_tenant(data_dir)
    return {**environment, **tenant.environment}


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    if os.name == "nt":  # psycopg cannot use Windows' default loop
        return asyncio.run(work, loop_factory=asyncio.SelectorEventLoop)  # type: ignore[call-arg]
    return asyncio.run(work)
