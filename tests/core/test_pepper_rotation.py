from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from core import audit, keys
from core.keys import Peppers, authenticate
from core.pepper_rotation import Rehashed, begin, begun, hanging, rehash
from core.snapshot.picture import build
from core.snapshot.rows import read_rows
from tests.core.tenant import PEPPERS, add_key, execute, write_tenant

BOTH = Peppers({1: PEPPERS[1], 2: b"q" * 32})


def entries(database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True) as connection:
        return build(read_rows(connection), 1.0).keys


def rehashed(entry: Any, secret: str) -> Rehashed:
    return Rehashed(entry.id, entry.digest, keys.digest(secret, BOTH[2]))


def test_who_shows_a_key_under_an_older_pepper_is_let_in_and_told_of(database_url: str):
    new = write_tenant(database_url)
    told = []
    peppers = Peppers({1: PEPPERS[1], 2: b"q" * 32})
    known = entries(database_url)
    assert authenticate(known, peppers, new.text, 0.0) is known[new.id], "also where nobody listens"
    peppers.outdated = lambda entry, secret: told.append((entry.id, secret))
    assert authenticate(known, peppers, new.text, 0.0) is known[new.id]
    authenticate(known, peppers, f"adu_{new.id}_{'A' * 43}", 0.0)
    assert told == [(new.id, new.secret)]


async def test_a_key_is_kept_under_the_newest_pepper_once_and_opens_as_before(database_url: str):
    new = write_tenant(database_url)
    entry = entries(database_url)[new.id]
    async with await AsyncConnection.connect(database_url) as connection:
        counts = [await rehash(connection, 2, [rehashed(entry, new.secret)], actor="proxy:test") for _ in range(2)]
        assert counts == [1, 0]
        event = (await audit.events(connection, limit=1))[0]
        assert (await audit.verify(connection)).whole
    assert (event.action, event.entity, event.actor) == ("rehash", "api_key", "proxy:test")
    assert (event.before, event.after) == (
        {"id": new.id, "pepper_version": 1},
        {"id": new.id, "pepper_version": 2},
    )
    known = entries(database_url)
    assert known[new.id].pepper_version == 2
    for peppers in (BOTH, Peppers({2: b"q" * 32})):
        assert authenticate(known, peppers, new.text, 0.0) is known[new.id]


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE api_keys SET digest = sha256('another')",
        "UPDATE api_keys SET removed_at = now()",
        "UPDATE api_keys SET pepper_version = 2",
    ],
)
async def test_a_key_that_was_changed_meanwhile_stays_and_no_proxy_is_woken(database_url: str, meanwhile: str):
    new = write_tenant(database_url)
    entry = entries(database_url)[new.id]
    execute(database_url, meanwhile)
    async with await AsyncConnection.connect(database_url) as connection:
        before = await (await connection.execute("SELECT version FROM snapshot_version")).fetchone()
        assert await rehash(connection, 2, [rehashed(entry, new.secret)], actor="proxy:test") == 0
        assert await (await connection.execute("SELECT version FROM snapshot_version")).fetchone() == before


async def test_a_rotation_begins_once_for_each_version(database_url: str):
    async with await AsyncConnection.connect(database_url) as connection:
        assert not await begun(connection, 2)
        assert [await begin(connection, 2, actor="cli:test") for _ in range(2)] == [True, False]
        assert (await begun(connection, 2), await begun(connection, 3)) == (True, False)
        assert await begin(connection, 3, actor="cli:test")
        assert not await begin(connection, 2, actor="cli:test"), "never back"
        events = await audit.events(connection, limit=10, entity="pepper")
    assert [(event.action, event.entity_id) for event in events] == [("rotate", "3"), ("rotate", "2")]


async def test_keys_that_hang_on_an_older_pepper_are_those_that_work(database_url: str):
    new = write_tenant(database_url)
    for name, change in [
        ("off", "disabled_at = now()"),
        ("over", "expires_at = now() - interval '1 hour'"),
        ("gone", "removed_at = now()"),
        ("newer", "pepper_version = 2"),
        ("later", "expires_at = now() + interval '1 hour'"),
    ]:
        made = add_key(database_url, name)
        execute(database_url, f"UPDATE api_keys SET {change} WHERE id = %(id)s", id=made.id)
    execute(
        database_url,
        """
        INSERT INTO usage_rollups (hour, client_id, team_id, app_id, key_id, model, upstream, calls, errors, estimated,
                                   input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd)
        SELECT hour, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), %(id)s, 'm', '', 1, 0, 0, 0, 0, 0, 0, 0
          FROM (VALUES ('2026-11-01T10:00Z'::timestamptz), ('2026-11-02T10:00Z')) AS hours (hour)
        """,
        id=new.id,
    )
    async with await AsyncConnection.connect(database_url) as connection:
        found = await hanging(connection, 2)
    assert [(key.id == new.id, key.last_used_at is not None) for key in found] == [(True, True), (False, False)]
    assert found[0].last_used_at is not None and found[0].last_used_at.day == 2
    assert found[1].path.endswith("/later")
