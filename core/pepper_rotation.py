"""From an older pepper to the newest one, without the keys' secrets being known here.

Whoever brings a key shows its secret: a proxy that holds both peppers hashes it anew and this writes it down, in the
background. It begins when the tenant says that every proxy holds the newest pepper (`aduana secrets rotate`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from core import audit
from core.seed.state import lock_configuration


@dataclass(frozen=True, slots=True)
class Rehashed:
    """A key's digest under the newest pepper, in place of the one that it was verified with."""

    id: str
    old: bytes = field(repr=False)
    new: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HangingKey:
    """A key that works and is kept under an older pepper."""

    id: str
    path: str
    pepper_version: int
    last_used_at: datetime | None  # to the hour; None: never
    secret_ref: str | None  # where its value is kept, if it was chosen
    digest: bytes = field(repr=False)


async def begin(connection: AsyncConnection[Any], version: int, *, actor: str) -> bool:
    """From now on proxies bring keys under this pepper; False: they do already."""
    cursor = await connection.execute(
        """
        INSERT INTO pepper_rotation (version) VALUES (%(version)s)
        ON CONFLICT (singleton) DO UPDATE SET version = excluded.version, since = now()
         WHERE pepper_rotation.version < excluded.version
        RETURNING since
        """,
        {"version": version},
    )
    if await cursor.fetchone() is None:
        return False
    await audit.record(
        connection,
        actor=actor,
        action="rotate",
        entity="pepper",
        entity_id=str(version),
        before=None,
        after={"version": version},
    )
    return True


async def begun(connection: AsyncConnection[Any], version: int) -> bool:
    """Whether keys are to be brought under this pepper."""
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM pepper_rotation WHERE version >= %(version)s)", {"version": version}
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def rehash(connection: AsyncConnection[Any], version: int, keys: Sequence[Rehashed], *, actor: str) -> int:
    """Keep keys under the newest pepper, in the caller's transaction; how many. One that was changed meanwhile stays."""
    await lock_configuration(connection)
    parameters = {"version": version, "ids": [key.id for key in keys], "old": [key.old for key in keys]}
    cursor = await connection.execute(
        """
        SELECT k.id, k.pepper_version, concat_ws('/', c.name, t.name, a.name, k.name)
          FROM unnest(%(ids)s::text[], %(old)s::bytea[]) AS seen (id, digest)
          JOIN api_keys k ON k.id = seen.id AND k.digest = seen.digest
          JOIN apps a ON a.id = k.app_id JOIN teams t ON t.id = a.team_id JOIN clients c ON c.id = t.client_id
         WHERE k.pepper_version < %(version)s AND k.removed_at IS NULL
         ORDER BY k.id
           FOR UPDATE OF k
        """,
        parameters,
    )
    found = await cursor.fetchall()
    if not found:
        return 0  # an update, even of nothing, would wake every proxy
    new = {key.id: key.new for key in keys}
    await connection.execute(
        """
        UPDATE api_keys k SET pepper_version = %(version)s, digest = rehashed.digest
          FROM unnest(%(ids)s::text[], %(new)s::bytea[]) AS rehashed (id, digest)
         WHERE k.id = rehashed.id
        """,
        {"version": version, "ids": [row[0] for row in found], "new": [new[row[0]] for row in found]},
    )
    for id, before, path in found:
        await audit.record(
            connection,
            actor=actor,
            action="rehash",
            entity="api_key",
            entity_id=path,
            before={"id": id, "pepper_version": before},
            after={"id": id, "pepper_version": version},
        )
    return len(found)


async def hanging(connection: AsyncConnection[Any], version: int) -> list[HangingKey]:
    """Keys that work and are kept under an older pepper than this, those used last first."""
    cursor = await connection.execute(
        """
        SELECT k.id, concat_ws('/', c.name, t.name, a.name, k.name) AS path, k.pepper_version, used.at, k.secret_ref, k.digest
          FROM api_keys k JOIN apps a ON a.id = k.app_id JOIN teams t ON t.id = a.team_id
               JOIN clients c ON c.id = t.client_id
               LEFT JOIN (SELECT key_id, max(hour) AS at FROM usage_rollups GROUP BY key_id) AS used ON used.key_id = k.id
         WHERE k.pepper_version < %(version)s AND k.disabled_at IS NULL
           AND (k.expires_at IS NULL OR k.expires_at > now())
           AND k.removed_at IS NULL AND a.removed_at IS NULL AND t.removed_at IS NULL AND c.removed_at IS NULL
         ORDER BY used.at DESC NULLS LAST, path
        """,
        {"version": version},
    )
    return [HangingKey(*row) for row in await cursor.fetchall()]
