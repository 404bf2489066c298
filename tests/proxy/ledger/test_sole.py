"""Without Redis one proxy process serves from a database."""

import asyncio

import psycopg
import pytest

from core.store import Database
from core.store.sole import AnotherProxyServes, SoleProxy


async def until(condition, seconds: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def test_a_second_proxy_is_told_who_serves_and_what_to_do(database_url):
    first, second = SoleProxy(Database(database_url)), SoleProxy(Database(database_url))
    await first.acquire()
    with pytest.raises(AnotherProxyServes, match=r"process \d+.*ADUANA_REDIS_URL.*ADUANA_MEMORY_MODE_PER_REPLICA"):
        await second.acquire()
    assert (first.held, second.held) == (True, False)
    await first.release()
    await second.acquire()
    assert second.held
    await second.release()


async def test_who_serves_outlives_postgres_and_takes_the_lock_again(start_postgres):
    from core.store.migrate import migrate

    postgres = start_postgres()
    await asyncio.to_thread(migrate, Database(postgres.url()))
    first = SoleProxy(Database(postgres.url()), check_seconds=0.1)
    await first.acquire()
    await asyncio.to_thread(postgres.kill)
    await until(lambda: not first.held)
    await asyncio.to_thread(postgres.start)
    await until(lambda: first.held)
    with pytest.raises(AnotherProxyServes):
        await SoleProxy(Database(postgres.url())).acquire()
    await first.release()


async def test_a_proxy_that_starts_while_postgres_is_away_takes_the_lock_later(start_postgres):
    from core.store.migrate import migrate

    postgres = start_postgres()
    await asyncio.to_thread(migrate, Database(postgres.url()))
    await asyncio.to_thread(postgres.kill)
    proxy = SoleProxy(Database(postgres.url()), check_seconds=0.1)
    await proxy.acquire()
    assert not proxy.held
    await asyncio.to_thread(postgres.start)
    await until(lambda: proxy.held)
    await proxy.release()


async def test_a_killed_connection_is_noticed_and_the_lock_is_taken_again(database_url):
    proxy = SoleProxy(Database(database_url), check_seconds=0.05)
    await proxy.acquire()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'aduana-sole-proxy' AND datname = current_database()"
        )
        await until(lambda: not proxy.held)
    await until(lambda: proxy.held)
    await proxy.release()
