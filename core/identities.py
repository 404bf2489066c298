"""Identities: who calls with an access token of Entra ID. Listed, switched off and on, each change with its audit event.

A seed file makes and removes them. To the ledger, the limits and the objects an identity is what a key is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from core import audit
from core.issuance import KeyRefused, app_id_of, get_key
from core.seed.state import lock_configuration


@dataclass(frozen=True, slots=True)
class ListedIdentity:
    """An identity as it may be shown at any time."""

    id: str  # ~ and 8 characters
    path: str  # client/team/app/name
    claim: str  # application | object | role
    value: str
    created_at: datetime
    disabled_at: datetime | None

    @property
    def state(self) -> str:
        """active | disabled."""
        return "active" if self.disabled_at is None else "disabled"


_SELECT = """
    SELECT i.id, concat_ws('/', c.name, t.name, a.name, i.name) AS path, i.claim, i.value, i.created_at, i.disabled_at
      FROM identities i JOIN apps a ON a.id = i.app_id JOIN teams t ON t.id = a.team_id
           JOIN clients c ON c.id = t.client_id
     WHERE i.removed_at IS NULL AND a.removed_at IS NULL AND t.removed_at IS NULL AND c.removed_at IS NULL
"""


async def list_identities(connection: AsyncConnection[Any], app: str | None = None) -> list[ListedIdentity]:
    """Every identity, or an app's (`client/team/app`), by path. Raises `KeyRefused` for an app that is not there."""
    if app is not None:
        app_id = await app_id_of(connection, app)
        cursor = await connection.execute(f"{_SELECT} AND i.app_id = %(app)s ORDER BY path", {"app": app_id})
    else:
        cursor = await connection.execute(f"{_SELECT} ORDER BY path")
    return [ListedIdentity(*row) for row in await cursor.fetchall()]


async def get_identity(connection: AsyncConnection[Any], which: str) -> ListedIdentity:
    """An identity by its id or its path. Raises `KeyRefused`."""
    found = await find_identity(connection, which)
    if found is None:
        raise KeyRefused(
            "no_such_identity",
            f"there is no identity {which[:300]!r}",
            "`aduana identities list` shows ids and paths; `aduana seed` makes identities.",
        )
    return found


async def find_identity(connection: AsyncConnection[Any], which: str) -> ListedIdentity | None:
    """The same; None where there is none."""
    column = "path" if "/" in which else "id"
    statement = f"SELECT * FROM ({_SELECT}) AS i WHERE {column} = %(which)s"  # noqa: S608 - both columns are written above
    row = await (await connection.execute(statement, {"which": which})).fetchone()
    return ListedIdentity(*row) if row is not None else None


async def switch_identity(
    connection: AsyncConnection[Any], which: str, *, on: bool, actor: str, request_id: str | None = None
) -> tuple[ListedIdentity, bool]:
    """Switch an identity on or off, by id or path; False: it was so already. Raises `KeyRefused`."""
    await lock_configuration(connection)
    before = await get_identity(connection, which)
    if (before.disabled_at is None) is on:
        return before, False
    await connection.execute(
        "UPDATE identities SET disabled_at = CASE WHEN %(on)s THEN NULL ELSE now() END WHERE id = %(id)s",
        {"on": on, "id": before.id},
    )
    after = await get_identity(connection, before.id)
    await audit.record(
        connection,
        actor=actor,
        action="enable" if on else "disable",
        entity="identity",
        entity_id=before.path,
        before={"id": before.id, "disabled_at": _iso(before.disabled_at)},
        after={"id": after.id, "disabled_at": _iso(after.disabled_at)},
        request_id=request_id,
    )
    return after, True


async def get_caller(connection: AsyncConnection[Any], which: str) -> tuple[str, str]:
    """The id and the path of a key or an identity, by id or path. Raises `KeyRefused`."""
    identity = await find_identity(connection, which)
    if identity is not None:
        return identity.id, identity.path
    key = await get_key(connection, which)
    return key.id, key.path


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at is not None else None
