"""Giving out, replacing and switching off proxy keys: each change with its audit event, in the caller's transaction.

A key is shown once, by whoever called; only its HMAC is stored. A key whose value the tenant chose (`secret_ref`) is
replaced where it is chosen, never here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from core import audit, keys
from core.keys import NewKey, Peppers
from core.seed.plan import MASK
from core.seed.reading import NAME_RULE, is_name
from core.seed.state import RETIRED, lock_configuration


class KeyRefused(Exception):
    """A key (or an identity) cannot be made or changed as asked; `code` is the stable word, `remedy` what to do."""

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as it may be shown at any time."""

    id: str
    path: str  # client/team/app/name
    created_at: datetime
    expires_at: datetime | None
    disabled_at: datetime | None
    secret_ref: str | None
    app_id: Any
    name: str
    policy_id: Any

    def state(self, now: datetime) -> str:
        """active | expired | disabled."""
        if self.disabled_at is not None:
            return "disabled"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key and the one that it replaced."""

    new: NewKey
    expires_at: datetime | None
    old: ListedKey  # as it was before
    old_expires_at: datetime


_SELECT = """
    SELECT k.id, concat_ws('/', c.name, t.name, a.name, k.name) AS path, k.created_at, k.expires_at, k.disabled_at,
           k.secret_ref, k.app_id, k.name, k.policy_id
      FROM api_keys k JOIN apps a ON a.id = k.app_id JOIN teams t ON t.id = a.team_id JOIN clients c ON c.id = t.client_id
     WHERE k.removed_at IS NULL AND a.removed_at IS NULL AND t.removed_at IS NULL AND c.removed_at IS NULL
"""


async def list_keys(connection: AsyncConnection[Any], app: str | None = None) -> list[ListedKey]:
    """Every key, or an app's (`client/team/app`), by path. Raises `KeyRefused` for an app that is not there."""
    if app is not None:
        app_id = await app_id_of(connection, app)
        cursor = await connection.execute(f"{_SELECT} AND k.app_id = %(app)s ORDER BY path", {"app": app_id})
    else:
        cursor = await connection.execute(f"{_SELECT} ORDER BY path")
    return [ListedKey(*row) for row in await cursor.fetchall()]


async def create_key(
    connection: AsyncConnection[Any],
    app: str,
    name: str,
    peppers: Peppers,
    *,
    actor: str,
    expires_at: datetime | None = None,
    request_id: str | None = None,
) -> NewKey:
    """A new key for an app (`client/team/app`). Raises `KeyRefused`."""
    if not is_name(name):
        raise KeyRefused("bad_name", f"a key's name must be {NAME_RULE}")
    await lock_configuration(connection)
    app_id = await app_id_of(connection, app)
    path = f"{app}/{name}"
    if await _find(connection, "path = %(which)s", path) is not None:
        raise KeyRefused("name_taken", f"the key {path} exists", "Choose another name, or rotate it.")
    if await _is_identity(connection, app_id, name):
        raise KeyRefused("name_taken", f"{path} is an identity of Entra ID", "Choose another name.")
    new = keys.generate()
    await _insert(connection, new, app_id, name, None, peppers, expires_at)
    after = {"id": new.id, "expires_at": _iso(expires_at), "value": MASK}
    await _record(connection, actor, "create", path, None, after, request_id)
    return new


async def rotate_key(
    connection: AsyncConnection[Any],
    which: str,
    peppers: Peppers,
    *,
    actor: str,
    grace: timedelta,
    now: datetime | None = None,
    request_id: str | None = None,
) -> Rotated:
    """Replace a key, by id or path. Raises `KeyRefused`.

    The old key keeps its id under another name until its grace is over. A key that was made for a time gets the same
    time again.
    """
    moment = now or datetime.now(UTC)
    await lock_configuration(connection)
    old = await get_key(connection, which)
    if old.secret_ref is not None:
        raise KeyRefused(
            "chosen_key",
            f"the value of {old.path} comes from {old.secret_ref}",
            "Change it there and run `aduana seed` again.",
        )
    if RETIRED in old.name:
        raise KeyRefused("rotated_already", f"{old.path} was replaced already", "Rotate its successor.")
    if old.disabled_at is not None:
        raise KeyRefused("disabled", f"{old.path} is disabled", "Create a key under another name.")
    ends = moment + grace if old.expires_at is None else min(old.expires_at, moment + grace)
    await connection.execute(
        "UPDATE api_keys SET name = %(name)s, expires_at = %(ends)s WHERE id = %(id)s",
        {"name": f"{old.name}{RETIRED}{old.id}", "ends": ends, "id": old.id},
    )
    expires_at = moment + (old.expires_at - old.created_at) if old.expires_at is not None else None
    new = keys.generate()
    await _insert(connection, new, old.app_id, old.name, old.policy_id, peppers, expires_at)
    before = {"id": old.id, "expires_at": _iso(old.expires_at), "value": MASK}
    after = {"id": new.id, "expires_at": _iso(expires_at), "value": f"{MASK} (another)", "old_expires_at": _iso(ends)}
    await _record(connection, actor, "rotate", old.path, before, after, request_id)
    return Rotated(new, expires_at, old, ends)


async def disable_key(
    connection: AsyncConnection[Any], which: str, *, actor: str, request_id: str | None = None
) -> tuple[ListedKey, bool]:
    """Switch a key off, by id or path; False: it was off already. Raises `KeyRefused`."""
    await lock_configuration(connection)
    key = await get_key(connection, which)
    if key.disabled_at is not None:
        return key, False
    cursor = await connection.execute(
        "UPDATE api_keys SET disabled_at = now() WHERE id = %(id)s RETURNING disabled_at", {"id": key.id}
    )
    row = await cursor.fetchone()
    assert row is not None
    before, after = {"id": key.id, "disabled_at": None}, {"id": key.id, "disabled_at": _iso(row[0])}
    await _record(connection, actor, "disable", key.path, before, after, request_id)
    return await get_key(connection, key.id), True


async def get_key(connection: AsyncConnection[Any], which: str) -> ListedKey:
    """A key by its id or its path. Raises `KeyRefused`."""
    parsed = keys.parse(which)
    if parsed is not None:
        raise KeyRefused(
            "secret_given",
            "that is a key itself, not its name",
            f"Its id is {parsed[0]}. The key now stands in your shell's history: think of rotating it.",
        )
    found = await _find(connection, "path = %(which)s" if "/" in which else "id = %(which)s", which)
    if found is None:
        raise KeyRefused("no_such_key", f"there is no key {which[:300]!r}", "`aduana keys list` shows ids and paths.")
    return found


async def _find(connection: AsyncConnection[Any], condition: str, which: str) -> ListedKey | None:
    statement = f"SELECT * FROM ({_SELECT}) AS k WHERE {condition}"  # noqa: S608 - both conditions are written above
    row = await (await connection.execute(statement, {"which": which})).fetchone()
    return ListedKey(*row) if row is not None else None


async def app_id_of(connection: AsyncConnection[Any], path: str) -> Any:
    """The id of an app by its path `client/team/app`. Raises `KeyRefused`."""
    cursor = await connection.execute(
        """
        SELECT a.id FROM apps a JOIN teams t ON t.id = a.team_id JOIN clients c ON c.id = t.client_id
         WHERE concat_ws('/', c.name, t.name, a.name) = %(path)s
           AND a.removed_at IS NULL AND t.removed_at IS NULL AND c.removed_at IS NULL
        """,
        {"path": path},
    )
    row = await cursor.fetchone()
    if row is None:
        raise KeyRefused(
            "no_such_app", f"there is no app {path[:300]!r}", "Name it CLIENT/TEAM/APP; `aduana seed` makes apps."
        )
    return row[0]


async def _is_identity(connection: AsyncConnection[Any], app_id: Any, name: str) -> bool:
    """Keys and identities of an app share its names: budgets know both by `key:`."""
    cursor = await connection.execute(
        "SELECT FROM identities WHERE app_id = %(app)s AND name = %(name)s AND removed_at IS NULL",
        {"app": app_id, "name": name},
    )
    return await cursor.fetchone() is not None


async def _insert(
    connection: AsyncConnection[Any],
    new: NewKey,
    app_id: Any,
    name: str,
    policy_id: Any,
    peppers: Peppers,
    expires_at: datetime | None,
) -> None:
    version, digest = peppers.digest(new.secret)
    await connection.execute(
        """
        INSERT INTO api_keys (id, app_id, name, policy_id, pepper_version, digest, expires_at)
        VALUES (%(id)s, %(app)s, %(name)s, %(policy)s, %(version)s, %(digest)s, %(expires)s)
        """,
        {
            "id": new.id,
            "app": app_id,
            "name": name,
            "policy": policy_id,
            "version": version,
            "digest": digest,
            "expires": expires_at,
        },
    )


async def _record(
    connection: AsyncConnection[Any],
    actor: str,
    action: str,
    path: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    request_id: str | None,
) -> None:
    await audit.record(
        connection,
        actor=actor,
        action=action,
        entity="api_key",
        entity_id=path,
        before=before,
        after=after,
        request_id=request_id,
    )


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at is not None else None
