"""From older master keys to the newest one: what `db://` names is opened and sealed again, in one transaction."""

from typing import Any

from psycopg import AsyncConnection

from core import audit
from core.secrets.database import MasterKeys, read_secrets
from core.seed.state import lock_configuration


async def outdated(connection: AsyncConnection[Any], newest: int) -> list[str]:
    """The names of secrets that are sealed under an older master key than the newest."""
    cursor = await connection.execute(
        "SELECT name FROM secrets WHERE master_key_version < %(newest)s ORDER BY name", {"newest": newest}
    )
    return [row[0] for row in await cursor.fetchall()]


async def reseal(connection: AsyncConnection[Any], master_keys: MasterKeys, *, actor: str) -> list[str]:
    """Seal them under the newest master key, all or none; their names. Raises `SecretError` where one does not open."""
    await lock_configuration(connection)
    await connection.execute("SELECT FROM secrets FOR UPDATE")
    sealed = await read_secrets(connection)
    names = await outdated(connection, master_keys.newest)
    for name in names:
        old = sealed[name]
        new = await master_keys.seal(name, await master_keys.open(old))
        await connection.execute(
            """
            UPDATE secrets SET master_key_version = %(version)s, nonce = %(nonce)s, ciphertext = %(ciphertext)s
             WHERE name = %(name)s
            """,
            {
                "name": name,
                "version": new.master_key_version,
                "nonce": new.nonce,
                "ciphertext": new.ciphertext,
            },
        )
        await audit.record(
            connection,
            actor=actor,
            action="reseal",
            entity="secret",
            entity_id=name,
            before={"master_key_version": old.master_key_version},
            after={"master_key_version": new.master_key_version},
        )
    return names
