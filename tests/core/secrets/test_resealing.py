import base64

import pytest
from psycopg import AsyncConnection

from core import audit
from core.secrets import SecretError
from core.secrets.database import MasterKeys, read_secrets, store_secret
from core.secrets.resealing import outdated, reseal
from core.secrets.resolver import open_resolver

MASTER = {f"MASTER_{version}": base64.b64encode(bytes([version]) * 32).decode() for version in (1, 2, 3)}


def master_keys(*versions: int) -> MasterKeys:
    return MasterKeys({version: f"env:MASTER_{version}" for version in versions}, open_resolver(MASTER, ttl=60))


async def store(connection: AsyncConnection, version: int, **secrets: str) -> None:
    for name, value in secrets.items():
        await store_secret(connection, await master_keys(version).seal(name, value))


async def test_what_older_master_keys_seal_is_sealed_under_the_newest_and_says_the_same(database_url: str):
    async with await AsyncConnection.connect(database_url) as connection:
        await store(connection, 1, a="first", b="second")
        await store(connection, 2, c="third")
        await store(connection, 3, d="fourth")
        before = await read_secrets(connection)
        assert await outdated(connection, 3) == ["a", "b", "c"]
        assert await reseal(connection, master_keys(1, 2, 3), actor="cli:test") == ["a", "b", "c"]
        assert await reseal(connection, master_keys(1, 2, 3), actor="cli:test") == [], "again changes nothing"
        after = await read_secrets(connection)
        events = await audit.events(connection, limit=10, entity="secret")
    assert {sealed.master_key_version for sealed in after.values()} == {3}
    assert [await master_keys(3).open(after[name]) for name in "abcd"] == ["first", "second", "third", "fourth"]
    assert after["d"] == before["d"]
    assert [(event.action, event.entity_id, event.after) for event in reversed(events)] == [
        ("reseal", name, {"master_key_version": 3}) for name in "abc"
    ]


async def test_one_that_does_not_open_leaves_all_as_they_are(database_url: str):
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        await store(connection, 1, a="first")
        await store(connection, 2, b="second")
        before = await read_secrets(connection)
        with pytest.raises(SecretError, match="db://b: sealed under master key version 2, which is not configured"):
            async with connection.transaction():
                await reseal(connection, master_keys(1, 3), actor="cli:test")
        assert await read_secrets(connection) == before
