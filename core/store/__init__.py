"""Postgres: the one store of what the tenant is (configuration, secrets, audit) and of what it used (the ledger).

`pool` opens it for a service, `schema` and `migrate` bring its tables forward. SQL lives with the subject it serves,
not here; nothing on a request's way waits for this package.
"""

from core.store.connection import StoreUnavailable
from core.store.database import Database
from core.store.migrate import Migrated, MigrationError, migrate
from core.store.pool import Store, open_store
from core.store.schema import NEEDED_REVISION, SchemaState, schema_state

__all__ = [
    "NEEDED_REVISION",
    "Database",
    "Migrated",
    "MigrationError",
    "SchemaState",
    "Store",
    "StoreUnavailable",
    "migrate",
    "open_store",
    "schema_state",
]
