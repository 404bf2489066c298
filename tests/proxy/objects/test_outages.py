"""What becomes of owners while a server is away: nothing is lost, nothing seems gone that is not, nobody waits for long."""

import asyncio
import os
import resource
import signal
from time import monotonic

import pytest
import redis as redis_py

from core.store import Database
from core.store.migrate import migrate
from proxy.ledger.redis import RedisLog
from proxy.objects import OwnersUnavailable
from tests.proxy.objects.installation import TIMEOUT, Installation, eventually, installation
from tests.proxy.writer.desk import add_client, ask


async def found_or_unavailable(house: Installation, id: str, objects=None) -> bool:
    """Whether it is found; that it is unknown is an error."""
    try:
        found = await (objects or house.objects).find(house.client, [id])
    except OwnersUnavailable:
        return False
    assert id in found, f"{id} seems gone"
    return True


# ── Redis ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_redis_that_forgot_what_postgres_has_not_yet_is_told_again(with_redis, valkey):
    await with_redis.claim("file-1")
    _, other = await with_redis.start_process()
    valkey.kill()
    valkey.start()
    for objects in (other, with_redis.objects):
        await eventually(lambda objects=objects: found_or_unavailable(with_redis, "file-1", objects))
    await with_redis.drain()
    assert with_redis.rows().keys() == {"file-1"}


async def test_what_redis_forgot_is_found_in_postgres_and_kept_in_redis_again(with_redis, valkey):
    await with_redis.claim("file-1")
    await with_redis.drain()
    valkey.kill()
    assert await with_redis.knows("file-1")
    valkey.start()
    await eventually(lambda: connected(with_redis))
    _, other = await with_redis.start_process()
    assert await with_redis.knows("file-1", other)
    with redis_py.Redis.from_url(valkey.url) as there:
        (key,) = there.keys("aduana:*:object:file-1")
        assert 0 < there.ttl(key) <= 6 * 3600


async def connected(house: Installation) -> bool:
    return house.log.connected


async def test_nothing_is_unknown_while_redis_is_away_or_may_lack_something(with_redis, valkey):
    assert not await with_redis.knows("file-9")
    valkey.kill()
    with pytest.raises(OwnersUnavailable) as away:
        await with_redis.objects.find(with_redis.client, ["file-9"])
    assert away.value.retry_after > 0
    valkey.start()
    await eventually(lambda: connected(with_redis))
    with pytest.raises(OwnersUnavailable):
        await with_redis.objects.find(with_redis.client, ["file-9"])

    async def unknown_again() -> bool:
        try:
            return not await with_redis.knows("file-9")
        except OwnersUnavailable:
            return False

    await eventually(unknown_again)


@pytest.mark.parametrize("how", ["killed", "hanging", "out of memory"])
async def test_a_claim_that_redis_does_not_confirm_is_told_in_time_and_delivered_later(with_redis, valkey, how):
    await with_redis.claim("file-0")
    with redis_py.Redis.from_url(valkey.url) as there:
        if how == "killed":
            valkey.kill()
        elif how == "hanging":
            os.kill(valkey.pid, signal.SIGSTOP)
        else:
            there.config_set("maxmemory", "1")
        for id in ("file-1", "file-2"):
            started = monotonic()
            with pytest.raises(OwnersUnavailable):
                await with_redis.claim(id)
            assert monotonic() - started < 4 * TIMEOUT
        if how == "killed":
            valkey.start()
        elif how == "hanging":
            os.kill(valkey.pid, signal.SIGCONT)
        else:
            there.config_set("maxmemory", "0")
    for id in ("file-0", "file-1", "file-2"):
        await eventually(lambda id=id: found_or_raises(with_redis, id))
    await with_redis.drain()
    rows = with_redis.rows()
    assert rows.keys() == {"file-0", "file-1", "file-2"}
    assert {row["client_id"].bytes for row in rows.values()} == {with_redis.client}


async def found_or_raises(house: Installation, id: str) -> bool:
    try:
        return await house.knows(id)
    except OwnersUnavailable:
        return False


async def test_a_caller_that_hangs_up_while_its_object_is_claimed_owns_it_all_the_same(with_redis):
    claim = asyncio.create_task(with_redis.claim("file-1"))
    await asyncio.sleep(0)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    await eventually(lambda: with_redis.knows("file-1"))


async def test_a_broken_connection_confirms_no_claim_twice_and_loses_none(with_redis, valkey):
    with redis_py.Redis.from_url(valkey.url) as there:
        for number in range(5):
            claims = [asyncio.create_task(with_redis.claim(f"file-{number}-{each}")) for each in range(20)]
            await asyncio.sleep(0)
            there.client_kill_filter(_type="normal", skipme=True)
            await asyncio.gather(*claims)
    await with_redis.drain()
    assert with_redis.rows().keys() == {f"file-{number}-{each}" for number in range(5) for each in range(20)}


async def test_claims_are_taken_beyond_the_buffer_but_not_for_ever(with_redis):
    log: RedisLog = with_redis.log
    log._limit = 5
    await with_redis.claim(*(f"file-{number}" for number in range(10)))
    with pytest.raises(OwnersUnavailable):
        await with_redis.claim("file-10")
    await with_redis.objects.release(with_redis.call(), "file-1")  # is told nobody, and fails nobody
    await with_redis.drain()

    async def has_room() -> bool:
        return log.unacknowledged == 0

    await eventually(has_room)
    await with_redis.claim("file-11")


# ── Postgres, and the writer ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["redis", "spool"])
async def with_own_postgres(request, start_postgres, tmp_path):
    """An installation whose Postgres may be killed: `house.postgres`."""
    postgres = start_postgres(settings={"synchronous_commit": "on"})
    migrate(Database(postgres.url()))
    redis_url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    client = add_client(postgres.url())
    async with installation(postgres.url(), redis_url, tmp_path, client) as opened:
        opened.postgres = postgres
        yield opened


async def test_objects_are_claimed_and_found_while_postgres_is_away_and_committed_when_it_is_back(with_own_postgres):
    house = with_own_postgres
    await house.claim("file-0")
    await house.drain()
    await asyncio.to_thread(house.postgres.kill)
    await house.claim("file-1", "file-2")
    await house.objects.release(house.call(), "file-2")
    found = await house.objects.find(house.client, ["file-1", "file-2"])
    assert {id: owner.removed for id, owner in found.items()} == {"file-1": False, "file-2": True}
    started = monotonic()
    for _ in range(20):
        with pytest.raises(OwnersUnavailable):
            await house.objects.find(house.client, ["file-1", "file-9"])
    assert monotonic() - started < 10  # one of them has waited, not each
    with pytest.raises(OwnersUnavailable):
        await house.objects.page(house.client, house.call().app_id, "file", limit=5)
    await asyncio.to_thread(house.postgres.start)
    await house.drain()
    assert {id: row["removed_at"] is None for id, row in house.rows().items()} == {
        "file-0": True,
        "file-1": True,
        "file-2": False,
    }

    async def asked_again() -> bool:
        return await found_or_raises(house, "file-0")

    await eventually(asked_again)
    await eventually(lambda: unknown(house, "file-9"))


async def test_a_postgres_that_hangs_costs_one_wait(with_own_postgres):
    house = with_own_postgres
    assert not await house.knows("file-8")  # a connection is there
    [row] = ask(house.database_url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'aduana-proxy-objects'")
    os.kill(row["pid"], signal.SIGSTOP)
    try:
        started = monotonic()
        with pytest.raises(OwnersUnavailable):
            await house.knows("file-9")
        assert monotonic() - started < 5
    finally:
        os.kill(row["pid"], signal.SIGCONT)
    await eventually(lambda: unknown(house, "file-9"))


async def unknown(house: Installation, id: str) -> bool:
    try:
        return not await house.knows(id)
    except OwnersUnavailable:
        return False


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_process_wrote_before_it_ended_is_found_by_the_next_one(database_url, client, tmp_path):
    async with installation(database_url, None, tmp_path, client) as first:
        await first.claim("file-1")
    async with installation(database_url, None, tmp_path, client) as second:
        await second.drain()
        assert await second.knows("file-1")


async def test_a_full_disk_claims_nothing(database_url, client, tmp_path):
    async with installation(database_url, None, tmp_path, client) as house:
        await house.claim("file-1")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (house.log._size + 50, before[1]))
        try:
            with pytest.raises(OwnersUnavailable):
                await house.claim("file-2", "file-3")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not await house.knows("file-2")
        await house.claim("file-4")
        await house.drain()
        assert house.rows().keys() == {"file-1", "file-4"}
        assert ask(database_url, "SELECT * FROM ledger_rejects") == []
