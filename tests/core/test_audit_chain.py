import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from core import audit


async def connect(database_url: str) -> AsyncConnection:
    return await AsyncConnection.connect(database_url, autocommit=True)


async def write(connection: AsyncConnection, count: int, actor: str = "cli:root@host") -> None:
    for number in range(count):
        async with connection.transaction():
            await audit.record(
                connection,
                actor=actor,
                action="update",
                entity="budget",
                entity_id=f"team:contoso/research/{number}",
                before={"amount_usd": Decimal("1.50"), "nested": {"digest": b"x" * 32}},
                after={
                    "amount_usd": Decimal("500.000000001"),
                    "alerts": [Decimal("0.8"), 1, 0.5],
                    "name": "Zoë \x00 ✓",
                },
                request_id="r-1",
            )


async def tamper(connection: AsyncConnection, statement: str) -> None:
    """As the owner of the database can."""
    await connection.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
    await connection.execute(statement)
    await connection.execute("ALTER TABLE audit_events ENABLE TRIGGER append_only")


async def test_a_log_that_nobody_touched_is_whole(database_url: str):
    async with await connect(database_url) as connection:
        assert await audit.verify(connection) == audit.Verdict(0)
        await write(connection, 5)
        assert await audit.verify(connection) == audit.Verdict(5)


async def test_the_log_refuses_updates_deletes_and_truncation(database_url: str):
    async with await connect(database_url) as connection:
        await write(connection, 1)
        for statement in ("UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                await connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "broken_at", "said"),
    [
        ("UPDATE audit_events SET actor = 'somebody' WHERE seq = 3", 3, "event 3 was changed"),
        ("""UPDATE audit_events SET after = '{"amount_usd": "1"}' WHERE seq = 2""", 2, "event 2 was changed"),
        ("UPDATE audit_events SET before = NULL WHERE seq = 2", 2, "event 2 was changed"),
        ("UPDATE audit_events SET at = at + interval '1 microsecond' WHERE seq = 4", 4, "event 4 was changed"),
        ("UPDATE audit_events SET request_id = NULL WHERE seq = 1", 1, "event 1 was changed"),
        ("UPDATE audit_events SET hash = prev_hash WHERE seq = 3", 3, "event 3 was changed"),
        ("UPDATE audit_events SET prev_hash = hash WHERE seq = 3", 3, "event 3 does not follow"),
        ("DELETE FROM audit_events WHERE seq = 3", 3, "event 3 is missing"),
        ("DELETE FROM audit_events WHERE seq = 1", 1, "event 1 is missing"),
        ("UPDATE audit_events SET seq = 6 WHERE seq = 5", 5, "event 5 is missing"),
    ],
)
async def test_what_was_changed_or_removed_is_named(database_url: str, statement: str, broken_at: int, said: str):
    async with await connect(database_url) as connection:
        await write(connection, 5)
        await tamper(connection, statement)
        verdict = await audit.verify(connection)
        assert not verdict.whole
        assert verdict.broken_at == broken_at
        assert said in (verdict.reason or "")


async def test_an_end_that_was_cut_off_is_found_by_an_event_that_was_noted(database_url: str):
    async with await connect(database_url) as connection:
        await write(connection, 5)
        noted = (await audit.events(connection, limit=1))[0]
        assert (await audit.verify(connection, expected=(noted.seq, noted.hash))).whole
        await tamper(connection, "DELETE FROM audit_events WHERE seq > 3")
        assert (await audit.verify(connection)).whole  # nothing in the chain itself tells
        verdict = await audit.verify(connection, expected=(noted.seq, noted.hash))
        assert (verdict.broken_at, verdict.events) == (4, 3)
        await write(connection, 2)  # rewritten to the same length
        assert (await audit.verify(connection, expected=(noted.seq, noted.hash))).broken_at == 5


async def test_events_written_at_the_same_time_are_one_chain(database_url: str):
    async def writer(name: str) -> None:
        async with await connect(database_url) as connection:
            await write(connection, 10, actor=name)

    await asyncio.gather(*(writer(f"cli:{number}") for number in range(4)))
    async with await connect(database_url) as connection:
        assert await audit.verify(connection) == audit.Verdict(40)


async def test_an_event_goes_with_its_transaction(database_url: str):
    async with await connect(database_url) as connection:
        await write(connection, 1)
        with pytest.raises(ZeroDivisionError):
            async with connection.transaction():
                await audit.record(
                    connection, actor="a", action="create", entity="team", entity_id="t", before=None, after={}
                )
                raise ZeroDivisionError
        await write(connection, 1)
        assert await audit.verify(connection) == audit.Verdict(2)


async def test_the_log_is_read_in_pages_newest_first_and_by_what_it_is_about(database_url: str):
    async with await connect(database_url) as connection:
        await write(connection, 3)
        await write(connection, 2, actor="seed:ci@host")
        page = await audit.events(connection, limit=2)
        assert [event.seq for event in page] == [5, 4]
        assert [event.seq for event in await audit.events(connection, before_seq=4, limit=2)] == [3, 2]
        assert [event.seq for event in await audit.events(connection, actor="seed:ci@host")] == [5, 4]
        assert [event.seq for event in await audit.events(connection, entity_id="team:contoso/research/2")] == [3]
        assert await audit.events(connection, entity="client") == []
        assert await audit.events(connection, since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_secrets_are_masked_and_references_are_not():
    assert audit.masked(
        {
            "digest": b"x",
            "ciphertext": b"x",
            "nonce": b"x",
            "secret_ref": "kv://vault/key",
            "auth": {"secret_ref": "env:KEY", "api_key": "hunter2"},
            "targets": [{"password": "hunter2", "weight": 1}],
            "some_bytes": b"x",
            "secret": None,
            "id": UUID(int=1),
            "expires_at": datetime(2026, 1, 2, tzinfo=UTC),
            "amount_usd": Decimal("1E+2"),
        }
    ) == {
        "digest": "***",
        "ciphertext": "***",
        "nonce": "***",
        "secret_ref": "kv://vault/key",
        "auth": {"secret_ref": "env:KEY", "api_key": "***"},
        "targets": [{"password": "***", "weight": 1}],
        "some_bytes": "***",
        "secret": None,
        "id": "00000000-0000-0000-0000-000000000001",
        "expires_at": "2026-01-02T00:00:00+00:00",
        "amount_usd": "100",
    }
