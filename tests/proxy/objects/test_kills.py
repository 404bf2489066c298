"""SIGKILL of any one process under claims: whatever claim returned, its owner is known, then and for ever."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from core.store import Database
from core.store.migrate import migrate
from proxy.objects import OwnersUnavailable
from tests.proxy.ledger.calls import APP
from tests.proxy.objects.installation import Installation, installation
from tests.proxy.writer.desk import add_client, ask

ROOT = Path(__file__).parents[3]


class Tenant:
    """Two claimers and a writer as processes; the test's own process asks."""

    def __init__(self, house: Installation, postgres, valkey, directory: Path, seed: int) -> None:
        self.house, self.postgres, self.valkey, self.directory = house, postgres, valkey, directory
        self.random = random.Random(seed)
        self.claimers: list[subprocess.Popen] = []
        self.notes: list[Path] = []
        self.writer: subprocess.Popen
        self.log = (directory / "log").open("ab")
        self.start_writer()
        for _ in range(2):
            self.start_claimer()

    def start_claimer(self) -> None:
        notes = self.directory / f"notes-{len(self.notes)}"
        where = self.valkey.url if self.valkey else str(self.house.spool)
        arguments = [where, self.house.database_url, str(notes), str(UUID(bytes=self.house.client))]
        arguments += ["--seed", str(len(self.notes))]
        self.notes.append(notes)
        command = [sys.executable, "-m", "tests.proxy.objects.claimer", *arguments]
        self.claimers.append(subprocess.Popen(command, cwd=ROOT, stderr=self.log))

    def start_writer(self) -> None:
        environment = {
            **os.environ,
            "ADUANA_DATABASE_URL": self.house.database_url,
            "ADUANA_STATE_DIR": str(self.directory),
            "ADUANA_LEASE_SECONDS": "3",
            **({"ADUANA_REDIS_URL": self.valkey.url} if self.valkey else {}),
        }
        self.writer = subprocess.Popen(
            [sys.executable, "-m", "proxy.writer"], cwd=ROOT, env=environment, stderr=self.log
        )

    def kill(self, victim: str):
        """Returns what brings it back."""
        if victim == "proxy":
            claimer = self.claimers.pop(0)
            claimer.kill()
            claimer.wait()
            return self.start_claimer
        if victim == "writer":
            self.writer.kill()
            self.writer.wait()
            return self.start_writer
        server = {"valkey": self.valkey, "postgres": self.postgres}[victim]
        server.kill()
        return server.start

    def claimed(self) -> dict[str, tuple[str, bool]]:
        """Upstreams of the objects whose claim returned, and whether they were released."""
        found: dict[str, tuple[str, bool]] = {}
        for index, path in enumerate(self.notes):
            for line in path.read_text().splitlines() if path.exists() else ():
                found[line.removeprefix("-")] = (f"upstream-{index}", line.startswith("-"))
        return found

    def wait_for_more(self, count: int = 20) -> None:
        """Every claimer goes on: a kill then meets load."""
        before = [path.stat().st_size if path.exists() else 0 for path in self.notes[-2:]]
        deadline = time.monotonic() + 60
        while not all(
            path.exists() and path.stat().st_size > size + 10 * count
            for path, size in zip(self.notes[-2:], before, strict=True)
        ):
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        for claimer in self.claimers:
            claimer.send_signal(signal.SIGTERM)
        for claimer in self.claimers:
            assert claimer.wait(30) == 0, (self.directory / "log").read_text()

    def end(self) -> None:
        for process in [self.writer, *self.claimers]:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.log.close()


async def _ask_again_and_again(tenant: Tenant, stop: asyncio.Event) -> int:
    """What another process claimed may be unanswerable for a while, but never seems gone. Returns how many were found."""
    count = 0
    while not stop.is_set():
        claimed = tenant.claimed()
        some = tenant.random.sample(sorted(claimed), min(5, len(claimed)))
        try:
            found = await tenant.house.objects.find(tenant.house.client, some)
            assert found.keys() == set(some), f"{set(some) - found.keys()} seem gone"
            assert all(owner.upstream == claimed[id][0] for id, owner in found.items())
            count += len(found)
        except OwnersUnavailable:
            pass
        await asyncio.sleep(0.01)
    return count


def _rows(tenant: Tenant) -> dict[str, dict]:
    try:
        return {row["id"]: row for row in ask(tenant.house.database_url, "SELECT * FROM objects")}
    except psycopg.OperationalError:
        return {}


def _judge(tenant: Tenant) -> None:
    claimed = tenant.claimed()
    released = {id for id, (_, gone) in claimed.items() if gone}
    deadline = time.monotonic() + 60

    def at_rest() -> bool:
        rows = _rows(tenant)
        return claimed.keys() <= rows.keys() and {id for id in rows if rows[id]["removed_at"]} >= released

    last = [line for path in tenant.notes for line in path.read_text().splitlines()[-1:]]
    while not at_rest() and time.monotonic() < deadline:
        time.sleep(0.1)
    rows = _rows(tenant)
    log = (tenant.directory / "log").read_text()
    assert claimed.keys() <= rows.keys(), (
        f"{sorted(claimed.keys() - rows.keys())[:5]} of {len(claimed)} are lost; {log}"
    )
    for id, row in rows.items():
        assert (row["client_id"].bytes, row["app_id"].bytes) == (tenant.house.client, APP)
        assert row["upstream"] == f"upstream-{id.split('-')[1]}"
    # That an object is gone is told without waiting: what a killed proxy told last may be lost with it.
    alive = {id for id, row in rows.items() if row["removed_at"] is None}
    assert len(released & alive) <= 2, (released & alive, last)
    assert ask(tenant.house.database_url, "SELECT * FROM ledger_rejects") == []


async def _kill_in_turn(tenant: Tenant, victims: list[str], *, asking: bool) -> None:
    tenant.random.shuffle(victims)
    stop = asyncio.Event()
    asker = asyncio.create_task(_ask_again_and_again(tenant, stop) if asking else asyncio.sleep(0, 1))
    await asyncio.to_thread(tenant.wait_for_more)
    for victim in victims:
        restore = await asyncio.to_thread(tenant.kill, victim)
        await asyncio.sleep(tenant.random.uniform(0.05, 1.0))
        await asyncio.to_thread(restore)
        await asyncio.to_thread(tenant.wait_for_more)
        # A second failure may only follow when the first is over: what was re-sent has to have arrived.
        await asyncio.sleep(tenant.random.uniform(2.5, 3.5))
    await asyncio.to_thread(tenant.stop)
    stop.set()
    assert await asker > 0
    await asyncio.to_thread(_judge, tenant)


@pytest.fixture
async def open_tenant(start_postgres, start_valkey, tmp_path):
    opened = []

    async def start(seed: int, *, redis: bool) -> Tenant:
        postgres = await asyncio.to_thread(start_postgres, settings={"synchronous_commit": "on"})
        await asyncio.to_thread(migrate, Database(postgres.url()))
        valkey = start_valkey() if redis else None
        client = add_client(postgres.url())
        house = installation(postgres.url(), valkey.url if valkey else None, tmp_path, client)
        tenant = Tenant(await house.__aenter__(), postgres, valkey, tmp_path, seed)
        opened.append((tenant, house))
        return tenant

    yield start
    for tenant, house in opened:
        tenant.end()
        await house.__aexit__(None, None, None)


@pytest.mark.timeout(240)
async def test_any_one_process_may_be_killed_under_claims(open_tenant):
    tenant = await open_tenant(20261124, redis=True)
    await _kill_in_turn(tenant, ["valkey", "proxy", "postgres", "writer"], asking=True)


@pytest.mark.timeout(240)
async def test_any_one_process_may_be_killed_under_claims_without_redis(open_tenant):
    tenant = await open_tenant(20261125, redis=False)
    await _kill_in_turn(tenant, ["proxy", "postgres", "writer"], asking=False)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(8))
async def test_redis_may_be_killed_under_claims_again_and_again(open_tenant, seed):
    await _kill_in_turn(await open_tenant(seed, redis=True), ["valkey"] * 4 + ["postgres"], asking=True)
