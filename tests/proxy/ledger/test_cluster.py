"""The ledger log and the writer on a real cluster: three nodes, each client on one of them, and what happens to slots."""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from core.ledger.keys import StreamKeys
from core.redis import parse_redis_url
from core.redis.login import PasswordLogin
from core.settings import Settings
from core.targets import Change, Notice
from proxy.ledger import LedgerError
from proxy.ledger.redis import RedisLog
from proxy.targets.board import Board
from proxy.targets.opening import opener
from proxy.targets.sharing import Sharing
from proxy.writer import SourceAway
from proxy.writer.drain import Writer
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled
from tests.proxy.writer.desk import a_writer, add_client, ask, assert_rollups_are_the_sums_of_rows, events
from tests.valkey_cluster import ClusterNode, ValkeyCluster


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@pytest.fixture
def cluster(start_cluster) -> ValkeyCluster:
    return start_cluster()


def clients_on(cluster: ValkeyCluster, database_url: str) -> dict[ClusterNode, bytes]:
    """A client on each node."""
    found: dict[ClusterNode, bytes] = {}
    for number in range(200):
        client = add_client(database_url, f"client-{number}")
        if found.setdefault(cluster.owner(client), client) != client:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("DELETE FROM clients WHERE name = %s", (f"client-{number}",))
        if len(found) == len(cluster.primaries):
            return found
    raise AssertionError("all on one node")


async def open_log(cluster: ValkeyCluster, **given) -> RedisLog:
    log = RedisLog(cluster.url, Settings(database_url="", **{"redis_timeout": 0.4, **given}))
    await log.start()
    await until(lambda: log._nodes._map is not None)
    return log


class Load:
    """Calls of some clients at a steady rate; what was admitted."""

    def __init__(self, log: RedisLog, clients: list[bytes], *, required: bool = True) -> None:
        self.log, self.clients, self.required = log, clients, required
        self.made: dict[bytes, list] = {client: [] for client in clients}
        self.refused: dict[bytes, int] = dict.fromkeys(clients, 0)
        self._tasks: set[asyncio.Task] = set()
        self._stop = asyncio.Event()

    async def one(self, client: bytes, number: int) -> None:
        call = a_call(client, number)
        try:
            await self.log.admit(admitted(call), a_claim(call), required=self.required)
        except LedgerError:
            self.refused[client] += 1
            return
        await asyncio.sleep(0.02)
        record = settled(call, number)
        self.log.settle(record, a_claim(call))
        self.made[client].append(record.call.id)

    async def run(self) -> None:
        number = 0
        while not self._stop.is_set():
            for client in self.clients:
                number += 1
                task = asyncio.create_task(self.one(client, number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0.005)
        await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> "Load":
        self._running = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._running

    @property
    def all_made(self) -> set[bytes]:
        return {each for made in self.made.values() for each in made}


async def drained(log: RedisLog, writer: Writer) -> None:
    await until(lambda: all(s.acked >= s.next_seq - 1 for s in log._streams.values()))
    deadline = asyncio.get_running_loop().time() + 30
    while log.unacknowledged:
        assert asyncio.get_running_loop().time() < deadline, "Postgres has not got all"
        try:
            await asyncio.to_thread(writer.drain)
        except SourceAway:
            await asyncio.sleep(0.1)
    assert writer.totals.missing == 0


async def test_each_client_is_on_the_node_of_its_slot_and_the_writer_finds_them_all(cluster, database_url):
    clients = clients_on(cluster, database_url)
    log = await open_log(cluster)
    async with Load(log, list(clients.values())) as load:
        await until(lambda: all(len(made) > 20 for made in load.made.values()))
    for node, client in clients.items():
        keys = node.ask("KEYS", "*")
        assert StreamKeys(UUID(bytes=client)).log in keys
    with a_writer(database_url, redis_url=cluster.url) as writer:
        await drained(log, writer)
    await log.close()
    assert events(database_url).keys() == load.all_made
    assert_rollups_are_the_sums_of_rows(database_url)


@pytest.mark.parametrize("way", ["at_once", "key_by_key"])
async def test_a_slot_that_moves_under_load_loses_and_doubles_nothing(cluster, database_url, way):
    clients = clients_on(cluster, database_url)
    log = await open_log(cluster)
    source, client = next(iter(clients.items()))
    others = [node for node in cluster.primaries if node is not source]
    migrate = cluster.migrate_at_once if way == "at_once" else cluster.migrate_key_by_key
    async with Load(log, list(clients.values())) as load:
        for target in (*others, source):
            before = len(load.made[client])
            await asyncio.to_thread(migrate, client, target)
            await until(lambda before=before: len(load.made[client]) > before + 50)
            assert log._streams[client].node.address.port == target.port
    with a_writer(database_url, redis_url=cluster.url) as writer:
        await drained(log, writer)
    await log.close()
    assert events(database_url).keys() == load.all_made
    assert ask(database_url, "SELECT * FROM admitted_calls") == []
    if way == "at_once":
        assert load.refused == dict.fromkeys(load.clients, 0)


async def test_a_node_that_is_killed_keeps_only_its_own_clients_waiting_and_comes_back_empty(cluster, database_url):
    clients = clients_on(cluster, database_url)
    log = await open_log(cluster)
    node = cluster.primaries[1]
    lost = clients[node]
    kept = [client for client in clients.values() if client != lost]
    async with Load(log, list(clients.values())) as load:
        await until(lambda: all(len(made) > 20 for made in load.made.values()))
        await asyncio.to_thread(node.kill)
        await until(lambda: load.refused[lost] > 20)
        before = {client: len(load.made[client]) for client in kept}
        with a_writer(database_url, redis_url=cluster.url) as writer:  # the others' streams are drained meanwhile
            await asyncio.to_thread(writer.drain)
            await until(lambda: all(len(load.made[client]) > before[client] + 50 for client in kept))
            await asyncio.to_thread(writer.drain)
            assert writer.totals.calls > 0
        await asyncio.to_thread(node.start)
        before = {client: len(load.made[client]) for client in clients.values()}
        await until(lambda: all(len(load.made[client]) > before[client] + 20 for client in clients.values()))
    assert [load.refused[client] for client in kept] == [0, 0]
    with a_writer(database_url, redis_url=cluster.url) as writer:
        await drained(log, writer)
    await log.close()
    assert events(database_url).keys() == load.all_made
    assert_rollups_are_the_sums_of_rows(database_url)


async def test_a_replica_that_takes_over_is_found(start_cluster, database_url):
    cluster = start_cluster(replica=True)
    clients = clients_on(cluster, database_url)
    log = await open_log(cluster)
    client = clients[cluster.primaries[0]]
    with a_writer(database_url, redis_url=cluster.url) as writer:
        async with Load(log, list(clients.values())) as load:
            await until(lambda: all(len(made) > 20 for made in load.made.values()))
            await asyncio.to_thread(writer.drain)
            await asyncio.to_thread(cluster.primaries[0].kill)  # the configured address, too
            before = len(load.made[client])
            await until(lambda: len(load.made[client]) > before + 50)
            assert log._streams[client].node.address.port == cluster.replica.port
        await drained(log, writer)
    await log.close()
    assert events(database_url).keys() == load.all_made


async def test_replicas_hear_of_targets_whichever_node_they_were_led_to(cluster):
    boards, running = [Board(replica) for replica in "abc"], []
    for board, node in zip(boards, cluster.primaries, strict=True):
        address = parse_redis_url(node.url)
        login = PasswordLogin(address)
        running.append(asyncio.create_task(Sharing(board, opener(address, login, 2.0), login, 2.0).run()))
    try:
        await until(lambda: all(board.share is not None for board in boards))
        boards[0].share(Notice("a", "aoai", "gpt-4o", Change.OPEN, 30.0))
        for board in boards[1:]:
            health = board.health("aoai", "gpt-4o")
            await until(lambda health=health: not health.admits(time.monotonic()))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
