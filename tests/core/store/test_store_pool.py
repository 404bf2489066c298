import asyncio

import psycopg
import pytest

from core.store import Database, StoreUnavailable, open_store


@pytest.fixture
async def store(database_url: str):
    store = await open_store(Database(database_url), max_connections=2)
    yield store
    await store.close()


async def names(store) -> list[str]:
    async with store.transaction() as connection:
        return [row[0] for row in await (await connection.execute("SELECT name FROM clients")).fetchall()]


async def test_a_transaction_is_committed_at_its_end_and_rolled_back_when_it_raises(store):
    async with store.transaction() as connection:
        await connection.execute("INSERT INTO clients (name) VALUES ('contoso')")
    with pytest.raises(ZeroDivisionError):
        async with store.transaction() as connection:
            await connection.execute("INSERT INTO clients (name) VALUES ('fabrikam')")
            raise ZeroDivisionError
    assert await names(store) == ["contoso"]


async def test_an_error_of_the_statement_is_postgres_own_and_the_connection_goes_on(store):
    with pytest.raises(psycopg.errors.UndefinedTable):
        async with store.transaction() as connection:
            await connection.execute("SELECT * FROM not_there")
    assert await names(store) == []


async def test_a_statement_that_runs_too_long_is_ended(database_url: str):
    store = await open_store(Database(database_url), statement_timeout=0.2)
    with pytest.raises(psycopg.errors.QueryCanceled):
        async with store.transaction() as connection:
            await connection.execute("SELECT pg_sleep(30)")
    await store.close()


async def test_a_postgres_that_goes_and_comes_back_is_an_error_meanwhile_and_none_afterwards(start_postgres):
    server = start_postgres()
    store = await open_store(Database(server.url()))
    async with store.transaction() as connection:
        await connection.execute("SELECT 1")
    with pytest.raises(StoreUnavailable, match="went away"):
        async with store.transaction() as connection:
            server.kill()
            await connection.execute("SELECT 1")
    with pytest.raises(StoreUnavailable, match="not available"):
        async with store.transaction(wait=0.3):
            pass
    await asyncio.to_thread(server.start)
    async with store.transaction(wait=20) as connection:
        await connection.execute("SELECT 1")
    await store.close()


async def test_when_every_connection_is_lent_the_next_one_waits_so_long_and_then_is_told(store):
    async with store.transaction(), store.transaction():
        with pytest.raises(StoreUnavailable):
            async with store.transaction(wait=0.1):
                pass
    assert await names(store) == []
