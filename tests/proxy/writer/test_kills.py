"""SIGKILL of any one process, under load, at seeded moments: every admitted call still ends as exactly one row."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import redis as redis_py

from core.ledger.keys import StreamKeys
from core.settings import Settings
from core.store import Database
from core.store.migrate import migrate
from proxy.ledger import LedgerFull
from proxy.ledger.redis import RedisLog
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled
from tests.proxy.writer.desk import add_client, ask, assert_rollups_are_the_sums_of_rows, events

ROOT = Path(__file__).parents[3]
LEASE = 3.0


@dataclass
class Notes:
    """What callers wrote down."""

    tried: set[bytes] = field(default_factory=set)
    admitted: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)
    settled: dict[bytes, int] = field(default_factory=dict)

    def read(self, path: Path) -> None:
        for line in path.read_text().splitlines() if path.exists() else ():
            kind, name, *number = line.split()
            event_id = bytes.fromhex(name)
            if kind == "S":
                self.settled[event_id] = int(number[0])
            else:
                {"T": self.tried, "A": self.admitted, "R": self.refused}[kind].add(event_id)


class Tenant:
    """Two callers, a writer, and the servers between them; `kill` one, `restore` it."""

    def __init__(self, postgres, valkey, directory: Path, seed: int) -> None:
        self.postgres, self.valkey, self.directory = postgres, valkey, directory
        self.database_url = postgres.url()
        self.clients = [str(UUID(bytes=add_client(self.database_url, name))) for name in ("contoso", "fabrikam")]
        self.random = random.Random(seed)
        self.callers: list[tuple[subprocess.Popen, Path]] = []
        self.killed: list[Path] = []
        self.writers: list[subprocess.Popen] = []
        self.log = (directory / "log").open("ab")

    def wait_until_all_work(self) -> None:
        """Every caller has made a call and a writer has written one: a kill then meets load."""
        deadline = time.monotonic() + 60
        while not all(notes.exists() and notes.read_bytes() for _, notes in self.callers) or not events(
            self.database_url
        ):
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.05)

    def start_caller(self) -> None:
        notes = self.directory / f"notes-{time.monotonic_ns()}"
        where = self.valkey.url if self.valkey else str(self.directory / "spool")
        arguments = ["--rate", "150", "--seed", str(self.random.random()), "--lease", str(LEASE)]
        arguments[3] = str(self.random.randrange(1_000_000))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.proxy.ledger.caller", where, str(notes), *self.clients, *arguments],
            cwd=ROOT,
            stderr=self.log,
        )
        self.callers.append((process, notes))

    def start_writer(self) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "ADUANA_DATABASE_URL": self.database_url,
            "ADUANA_STATE_DIR": str(self.directory),
            "ADUANA_LEASE_SECONDS": str(LEASE),
        }
        if self.valkey:
            environment["ADUANA_REDIS_URL"] = self.valkey.url
        self.writers.append(
            subprocess.Popen([sys.executable, "-m", "proxy.writer"], cwd=ROOT, env=environment, stderr=self.log)
        )

    def kill(self, victim: str) -> Callable[[], None]:
        """Returns what brings it back."""
        if victim == "proxy":
            process, notes = self.callers.pop(self.random.randrange(len(self.callers)))
            self.killed.append(notes)
            process.kill()
            process.wait()
            return self.start_caller
        if victim == "writer":
            writer = self.writers.pop()
            writer.kill()
            writer.wait()
            return self.start_writer
        server = {"valkey": self.valkey, "postgres": self.postgres}[victim]
        server.kill()
        return server.start

    def stop(self) -> None:
        for process, _ in self.callers:
            process.send_signal(signal.SIGTERM)
        for process, _ in self.callers:
            assert process.wait(30) == 0, (self.directory / "log").read_text()

    def end(self) -> None:
        for process in [*self.writers, *(process for process, _ in self.callers)]:
            if process.poll() is None:
                process.kill()
                process.wait()


def _is_at_rest(tenant: Tenant, expected: set[bytes]) -> bool:
    try:
        if ask(tenant.database_url, "SELECT 1 FROM admitted_calls LIMIT 1"):
            return False
        if tenant.valkey:
            with redis_py.Redis.from_url(tenant.valkey.url) as valkey:
                if any(valkey.xlen(StreamKeys(UUID(client)).log) for client in tenant.clients):
                    return False
        return expected <= events(tenant.database_url).keys()
    except psycopg.OperationalError:
        return False


def _judge(tenant: Tenant) -> None:
    alive, dead = Notes(), Notes()
    for _, path in tenant.callers:
        alive.read(path)
    for path in tenant.killed:
        dead.read(path)
    expected = alive.admitted | dead.admitted
    deadline = time.monotonic() + 60
    while not _is_at_rest(tenant, expected) and time.monotonic() < deadline:
        time.sleep(0.1)

    rows = events(tenant.database_url)
    context = f"{len(alive.admitted)} + {len(dead.admitted)} admitted; log:\n" + (tenant.directory / "log").read_text()
    assert expected <= rows.keys(), f"{len(expected - rows.keys())} admitted calls have no row; {context}"
    # A call of which its killed proxy could not say whether it was admitted may have a row; no other may.
    assert rows.keys() - expected <= dead.tried, context
    assert alive.settled.keys() == alive.admitted
    wrong = [event_id for event_id, number in alive.settled.items() if not _is_exact(rows[event_id], number)]
    assert not wrong, f"{len(wrong)} settled calls without their figures, as {rows[wrong[0]]}; {context}"
    for event_id in dead.tried & rows.keys():
        row, number = rows[event_id], dead.settled.get(event_id)
        if row["usage_source"] == "estimated":
            assert (row["status"], row["error_code"]) == (None, "orphaned")
            assert row["output_tokens"] == admitted(a_call(row["client_id"].bytes)).output_tokens
        elif number is not None:
            assert _is_exact(row, number)
    assert ask(tenant.database_url, "SELECT * FROM admitted_calls") == []
    assert ask(tenant.database_url, "SELECT * FROM ledger_rejects") == []
    assert_rollups_are_the_sums_of_rows(tenant.database_url)
    attempts = ask(tenant.database_url, "SELECT event_id FROM usage_attempts")
    exact = {event_id for event_id, row in rows.items() if row["usage_source"] != "estimated"}
    assert sorted(each["event_id"].bytes for each in attempts) == sorted(exact)
    marks = {
        (each["stream"], str(each["incarnation"])): each["seq"]
        for each in ask(tenant.database_url, "SELECT * FROM ledger_watermarks")
    }
    if tenant.valkey:
        with redis_py.Redis.from_url(tenant.valkey.url, decode_responses=True) as valkey:
            for client in tenant.clients:
                for incarnation, seq in valkey.hgetall(StreamKeys(UUID(client)).sequences.decode()).items():
                    published = valkey.hget(StreamKeys(UUID(client)).watermarks.decode(), incarnation)
                    assert marks[client, incarnation] == int(seq) == int(published)


def _is_exact(row: dict, number: int) -> bool:
    meant = settled(a_call(row["client_id"].bytes, number), number)
    return (
        row["usage_source"] == "reported"
        and int(row["cost_usd"].scaleb(9)) == meant.cost_nano_usd
        and (row["input_tokens"], row["output_tokens"]) == (meant.input_tokens, meant.output_tokens)
        and row["request_id"] == meant.call.request_id
        and row["status"] == 200
    )


@pytest.fixture
def open_tenant(start_postgres, start_valkey, tmp_path):
    opened = []

    def start(seed: int, *, redis: bool, writers: int = 1, callers: int = 2) -> Tenant:
        # What a server has committed has to outlive its SIGKILL; fsync is for the machine's.
        postgres = start_postgres(settings={"synchronous_commit": "on"})
        migrate(Database(postgres.url()))
        tenant = Tenant(postgres, start_valkey() if redis else None, tmp_path, seed)
        opened.append(tenant)
        for _ in range(writers):
            tenant.start_writer()
        for _ in range(callers):
            tenant.start_caller()
        return tenant

    yield start
    for tenant in opened:
        tenant.end()


def _kill_in_turn(tenant: Tenant, victims: list[str]) -> None:
    tenant.random.shuffle(victims)
    tenant.wait_until_all_work()
    for victim in victims:
        time.sleep(tenant.random.uniform(0.5, 1.5))
        restore = tenant.kill(victim)
        time.sleep(tenant.random.uniform(0.05, 1.0))
        restore()
        tenant.wait_until_all_work()
        # A second failure may only follow when the first is over: what was re-sent has to have arrived.
        time.sleep(tenant.random.uniform(2.5, 3.5))
    tenant.stop()
    _judge(tenant)


@pytest.mark.timeout(240)
def test_any_one_process_may_be_killed(open_tenant):
    _kill_in_turn(open_tenant(seed=20261122, redis=True, writers=2), ["proxy", "writer", "valkey", "postgres"])


@pytest.mark.timeout(240)
def test_any_one_process_may_be_killed_without_redis(open_tenant):
    _kill_in_turn(open_tenant(seed=20261123, redis=False), ["proxy", "writer", "postgres"])


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("redis", [True, False], ids=["redis", "spool"])
def test_any_one_process_may_be_killed_again_and_again(open_tenant, seed, redis):
    victims = ["proxy", "writer", "postgres"] + (["valkey"] if redis else [])
    _kill_in_turn(open_tenant(seed=seed, redis=redis, writers=1 + seed % 2), victims * 2)


@pytest.mark.timeout(120)
def test_a_writer_ends_in_order_and_leaves_nothing_behind(open_tenant):
    tenant = open_tenant(seed=1, redis=True, writers=2)
    deadline = time.monotonic() + 60
    while (tenant.directory / "log").read_text().count("the writer drains") < 2 or len(
        events(tenant.database_url)
    ) < 100:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    tenant.stop()
    notes = Notes()
    for _, path in tenant.callers:
        notes.read(path)
    for writer in tenant.writers:
        writer.send_signal(signal.SIGTERM)
    for writer in tenant.writers:
        assert writer.wait(20) == 0
    assert len(notes.admitted) > 100
    assert events(tenant.database_url).keys() == notes.admitted
    assert_rollups_are_the_sums_of_rows(tenant.database_url)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("on_full", ["refuse", "allow"])
async def test_an_outage_of_postgres_that_outlasts_the_buffer_ends_as_the_installation_says(open_tenant, on_full):
    tenant = open_tenant(seed=2, redis=True, callers=0)
    log = RedisLog(tenant.valkey.url, Settings(database_url="", ledger_buffer_calls=50, on_ledger_full=on_full))
    await log.start()
    client = UUID(tenant.clients[0]).bytes
    recorded: set[bytes] = set()
    refused = 0
    await asyncio.to_thread(tenant.postgres.kill)
    for number in range(70):
        call = a_call(client, number)
        dropped = log.dropped
        try:
            await log.admit(admitted(call), a_claim(call), required=True)
        except LedgerFull:
            refused += 1
            continue
        log.settle(settled(call, number), a_claim(call))
        if log.dropped == dropped:
            recorded.add(call.id)
    assert (len(recorded), refused, log.dropped) == ((50, 20, 0) if on_full == "refuse" else (50, 0, 20))
    await asyncio.to_thread(tenant.postgres.start)
    deadline = time.monotonic() + 30
    while log.unacknowledged and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    late = a_call(client, 71)
    await log.admit(admitted(late), a_claim(late), required=True)
    log.settle(settled(late, 71), a_claim(late))
    while log.unacknowledged and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    await log.close()
    assert events(tenant.database_url).keys() == recorded | {late.id}
    assert_rollups_are_the_sums_of_rows(tenant.database_url)
