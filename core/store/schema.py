"""Which revision of the schema a database has, and which this version of the code needs. Knows nothing of Alembic."""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

NEEDED_REVISION = "0005"
"""The last migration's; a test holds it to Alembic's head. Revisions are numbered, so that they can be compared."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """`current` is None in a database that was never migrated."""

    current: str | None
    needed: str = NEEDED_REVISION

    @property
    def ready(self) -> bool:
        """Whether this code may serve. A newer schema will do: no migration removes what a running version reads."""
        return self.current is not None and self.current >= self.needed

    def __str__(self) -> str:
        if self.current is None:
            return f"the database has no schema yet (needed: {self.needed}); run the migration"
        if not self.ready:
            return f"the database's schema is at {self.current}, needed is {self.needed}; run the migration"
        return f"the database's schema is at {self.current}"


async def schema_state(connection: AsyncConnection[Any]) -> SchemaState:
    """What the database says of itself."""
    cursor = await connection.execute("SELECT to_regclass('alembic_version')")
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return SchemaState(None)
    row = await (await connection.execute("SELECT version_num FROM alembic_version")).fetchone()
    return SchemaState(row[0] if row else None)
