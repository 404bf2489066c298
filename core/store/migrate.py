"""Bringing the schema forward: once, however many processes ask at the same time.

Only what migrates imports Alembic (and SQLAlchemy with it); a service that finds its schema in place never does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from core.store.connection import StoreUnavailable
from core.store.database import Database
from core.store.schema import NEEDED_REVISION

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x41_44_55_41_4E_41  # "ADUANA"; of whoever migrates


class MigrationError(Exception):
    """The schema could not be brought forward; it is where it was."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """From which revision to which; the same where nothing was to be done."""

    before: str | None
    after: str


def migrate(database: Database, *, wait: float = 120.0) -> Migrated:
    """Bring the database's schema to what this version needs; `wait` is seconds for another one's migration to end.

    Raises `StoreUnavailable`, or `MigrationError` with nothing changed.
    """
    patient = database.connector("aduana-migrate", statement_timeout=0, lock_timeout=wait)
    try:
        with patient.connect(autocommit=True) as connection:
            before = _revision(connection)
            if before is not None and before >= NEEDED_REVISION:
                return Migrated(before, before)
            try:
                connection.execute("SELECT pg_advisory_lock(%(lock)s)", {"lock": _LOCK})
            except psycopg.errors.LockNotAvailable:
                raise MigrationError(f"another migration has not ended within {wait:.0f} seconds") from None
            # Read again: whoever held the lock may have done it all. The lock ends with the connection.
            before = _revision(connection)
            if before is not None and before >= NEEDED_REVISION:
                return Migrated(before, before)
            _upgrade(database)
            return Migrated(before, _revision(connection) or "")
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"Postgres is not available: {error}") from error


def head() -> str:
    """The last migration there is."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _upgrade(database: Database) -> None:
    from alembic import command
    from sqlalchemy import create_engine, pool
    from sqlalchemy.exc import SQLAlchemyError

    # A DDL statement that waits for a lock makes every query queue behind it: give up soon, change nothing, say so.
    impatient = database.connector("aduana-migrate", statement_timeout=0, lock_timeout=10.0)
    engine = create_engine("postgresql+psycopg://", poolclass=pool.NullPool, creator=impatient.connect)
    try:
        with engine.connect() as connection:
            command.upgrade(_config(connection), "head")
    except (SQLAlchemyError, psycopg.Error) as error:
        reason = getattr(error, "orig", None) or error  # SQLAlchemy's own text repeats the whole statement
        raise MigrationError(f"the migration failed and changed nothing: {reason}") from error
    finally:
        engine.dispose()


def _config(connection: Any = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    row = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if row is None or row[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None
