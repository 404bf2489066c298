import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from core import keys
from core.settings import Settings
from core.snapshot import Snapshot, disk, watch
from core.snapshot.watch import SnapshotWatcher
from core.store import Database, migrate
from tests.core.tenant import PEPPERS, add_key, execute, write_tenant


@asynccontextmanager
async def watching(
    database_url: str, state_dir: Path, on_replace: Callable[[Snapshot], object] | None = None, **settings
) -> AsyncIterator[SnapshotWatcher]:
    watcher = SnapshotWatcher(
        Database(database_url), Settings(database_url, state_dir=state_dir, **settings), PEPPERS, on_replace
    )
    await watcher.start()
    try:
        yield watcher
    finally:
        await watcher.close()


async def until(condition: Callable[[], object], within: float = 20.0) -> None:
    """Waits for a condition; the deadline is what the rule promises, or long."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


def lets_in(watcher: SnapshotWatcher, key: keys.NewKey) -> bool:
    assert watcher.current is not None
    return not isinstance(keys.authenticate(watcher.current.keys, PEPPERS, key.text, time.time()), keys.Refusal)


async def test_a_key_revoked_by_plain_sql_is_refused_by_two_watchers_within_two_seconds(database_url, tmp_path):
    key = write_tenant(database_url)
    async with watching(database_url, tmp_path / "a") as one, watching(database_url, tmp_path / "b") as two:
        assert lets_in(one, key)
        assert lets_in(two, key)
        await asyncio.to_thread(execute, database_url, "UPDATE api_keys SET disabled_at = now()")
        await until(lambda: not lets_in(one, key) and not lets_in(two, key), within=2.0)


async def test_a_change_is_seen_by_the_poll_alone(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "CHANNEL", "nobody_notifies_here")
    key = write_tenant(database_url)
    async with watching(database_url, tmp_path) as watcher:
        await asyncio.to_thread(execute, database_url, "DELETE FROM api_keys")
        await until(lambda: not lets_in(watcher, key), within=2.0)


async def test_a_notification_wakes_before_the_poll_and_what_it_says_is_not_read(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "_POLL", 3600.0)
    key = write_tenant(database_url)
    async with watching(database_url, tmp_path) as watcher:
        await asyncio.to_thread(execute, database_url, "SELECT pg_notify('aduana_snapshot', 'torn \u2713 {')")
        await asyncio.to_thread(execute, database_url, "DELETE FROM api_keys")
        await until(lambda: not lets_in(watcher, key))


@pytest.mark.parametrize(
    "table",
    [
        "policies",
        "clients",
        "teams",
        "apps",
        "api_keys",
        "upstreams",
        "routes",
        "targets",
        "budgets",
        "prices",
        "secrets",
    ],
)
def test_every_configuration_table_raises_the_version(database_url, table):
    with psycopg.connect(database_url, autocommit=True) as connection:
        before = connection.execute("SELECT version FROM snapshot_version").fetchone()
        connection.execute(f"DELETE FROM {table}")
        assert connection.execute("SELECT version FROM snapshot_version").fetchone() == (before[0] + 1,)


async def test_whoever_follows_the_snapshot_is_called_with_each_one_and_may_fail(database_url, tmp_path, caplog):
    write_tenant(database_url)
    seen: list[int] = []

    def follow(snapshot: Snapshot) -> None:
        seen.append(snapshot.version)
        raise RuntimeError("a fault of the one who follows")

    async with watching(database_url, tmp_path, follow) as watcher:
        await asyncio.to_thread(add_key, database_url, "second")
        await until(lambda: len(seen) == 2)
        assert watcher.current is not None
        assert seen == sorted(seen)
        assert watcher.current.version == seen[-1]
    assert "a fault of the one who follows" in caplog.text


async def test_postgres_may_go_and_come_back_and_the_old_snapshot_serves_meanwhile(start_postgres, tmp_path):
    server = start_postgres(settings={"synchronous_commit": "on"})  # what was committed outlives a kill
    migrate(Database(server.url()))
    key = write_tenant(server.url())
    async with watching(server.url(), tmp_path) as watcher:
        await asyncio.to_thread(server.kill)
        await until(lambda: watcher.problem is not None)
        assert lets_in(watcher, key)
        await until(lambda: watcher.age > 1.5)
        await asyncio.to_thread(server.start)
        await until(lambda: watcher.problem is None)
        assert watcher.age < 5
        await asyncio.to_thread(execute, server.url(), "DELETE FROM api_keys")
        await until(lambda: not lets_in(watcher, key), within=2.0)


async def test_a_proxy_starts_from_its_disk_copy_with_postgres_down(start_postgres, tmp_path):
    server = start_postgres(settings={"synchronous_commit": "on"})  # what was committed outlives a kill
    migrate(Database(server.url()))
    key = write_tenant(server.url())
    async with watching(server.url(), tmp_path) as watcher:
        await until((tmp_path / "snapshot").exists)
        version = watcher.current.version
    assert key.secret.encode() not in (tmp_path / "snapshot").read_bytes()
    await asyncio.to_thread(server.kill)
    async with watching(server.url(), tmp_path) as watcher:
        assert lets_in(watcher, key)
        assert watcher.current.version == version
        assert 0 < watcher.age < 120
        assert "not available" in watcher.problem
        # What was revoked while it was down counts as soon as Postgres is back.
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(execute, server.url(), "DELETE FROM api_keys")
        await until(lambda: not lets_in(watcher, key))


async def test_the_copy_of_a_snapshot_that_does_not_change_is_renewed_so_that_it_is_not_older_than_it_is(
    database_url, tmp_path
):
    write_tenant(database_url)
    async with watching(database_url, tmp_path, max_snapshot_age=24.0) as watcher:
        await until((tmp_path / "snapshot").exists)
        first = disk.read(tmp_path, PEPPERS)
        await until(lambda: disk.read(tmp_path, PEPPERS).confirmed_at > first.confirmed_at)
        assert disk.read(tmp_path, PEPPERS).rows == first.rows
        assert watcher.current.version == first.rows.version


async def test_keys_under_a_pepper_that_is_not_held_are_named(database_url, tmp_path, caplog):
    write_tenant(database_url)
    execute(database_url, "UPDATE api_keys SET pepper_version = 9")
    async with watching(database_url, tmp_path):
        assert "keys made under pepper version 9 let nobody in" in caplog.text


async def test_a_watcher_ends_though_postgres_hangs(database_url, tmp_path):
    async with watching(database_url, tmp_path) as watcher:
        with psycopg.connect(database_url) as connection:
            hung = connection.execute(
                """
                SELECT pid FROM pg_stat_activity
                 WHERE application_name LIKE 'aduana-snapshot%' AND datname = current_database()
                """
            ).fetchall()
        for (pid,) in hung:
            os.kill(pid, signal.SIGSTOP)
        try:
            await until(lambda: watcher.age > 1.5)  # it waits for an answer
            await asyncio.wait_for(watcher.close(), 20)
        finally:
            for (pid,) in hung:
                os.kill(pid, signal.SIGCONT)


async def test_a_copy_that_was_tampered_with_is_not_served(start_postgres, tmp_path, caplog):
    server = start_postgres(settings={"synchronous_commit": "on"})  # what was committed outlives a kill
    migrate(Database(server.url()))
    write_tenant(server.url())
    async with watching(server.url(), tmp_path):
        await until((tmp_path / "snapshot").exists)
    await asyncio.to_thread(server.kill)
    content = bytearray((tmp_path / "snapshot").read_bytes())
    content[-1] ^= 1
    (tmp_path / "snapshot").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        async with watching(server.url(), tmp_path) as watcher:
            assert watcher.current is None
            assert watcher.age == float("inf")
    assert "its authentication code is wrong" in caplog.text


async def test_a_snapshot_that_is_too_old_is_stale_where_the_installation_says_refuse(start_postgres, tmp_path):
    server = start_postgres(settings={"synchronous_commit": "on"})  # what was committed outlives a kill
    migrate(Database(server.url()))
    async with watching(server.url(), tmp_path, max_snapshot_age=1.5) as watcher:
        assert not watcher.stale()
        await asyncio.to_thread(server.kill)
        await until(watcher.stale)
        assert not watcher.stale(Settings("", max_snapshot_age=1.5, on_stale_snapshot="allow"))
        await asyncio.to_thread(server.start)
        await until(lambda: not watcher.stale())


async def test_a_database_that_was_not_migrated_is_waited_for_and_said(empty_database_url, tmp_path):
    async with watching(empty_database_url, tmp_path) as watcher:
        assert watcher.current is None
        assert "no schema yet" in watcher.problem
        await asyncio.to_thread(migrate, Database(empty_database_url))
        await until(lambda: watcher.current is not None)
        assert watcher.problem is None


async def test_a_read_that_fails_keeps_the_old_snapshot_and_is_tried_again(database_url, tmp_path):
    key = write_tenant(database_url)
    async with watching(database_url, tmp_path) as watcher:
        statement = "ALTER TABLE prices RENAME TO gone; UPDATE api_keys SET disabled_at = now()"
        await asyncio.to_thread(execute, database_url, statement)
        await until(lambda: watcher.problem is not None)
        assert lets_in(watcher, key)
        await asyncio.to_thread(execute, database_url, "ALTER TABLE gone RENAME TO prices")
        await until(lambda: not lets_in(watcher, key))
        assert watcher.problem is None


async def test_a_disk_that_cannot_be_written_keeps_nothing_else_back(database_url, tmp_path, caplog):
    write_tenant(database_url)
    (tmp_path / "file").write_text("")
    async with watching(database_url, tmp_path / "file" / "state") as watcher:
        await until(lambda: "could not be kept on disk" in caplog.text)
        assert watcher.current is not None
        assert watcher.problem is None
