"""A real cluster for tests: Valkeys on loopback ports that have met, each with a third of the slots; no tool but the server."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import redis as redis_py

from core.redis.slots import SLOTS, slot_of
from deployer.local.ports import free_port
from deployer.local.valkey import ValkeyServer

NODE_TIMEOUT = 1.0  # seconds until a node that is silent counts as failed
_DEADLINE = 60.0


class ClusterNode(ValkeyServer):
    """One of them. Killed, it comes back with its slots and without its data."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        self.bus_port = free_port()
        self.settings = (
            "cluster-enabled yes",
            f"cluster-port {self.bus_port}",
            f"cluster-node-timeout {round(NODE_TIMEOUT * 1000)}",
            "cluster-require-full-coverage no",
            "cluster-replica-validity-factor 0",
            f"masterauth {self.password}",
        )

    def client(self) -> redis_py.Redis:
        return redis_py.Redis.from_url(self.url, socket_timeout=10)

    def ask(self, *command: object) -> object:
        with self.client() as valkey:
            valkey.response_callbacks.clear()
            return valkey.execute_command(*command)

    @property
    def id(self) -> str:
        return self.ask("CLUSTER", "MYID").decode()


class ValkeyCluster:
    """Three primaries, and a replica of the first where one is asked for. All have one password."""

    def __init__(self, directory: Path, *, replica: bool = False) -> None:
        first = ClusterNode(directory / "0")
        self.primaries = [first] + [ClusterNode(directory / str(n), password=first.password) for n in (1, 2)]
        self.replica = ClusterNode(directory / "3", password=first.password) if replica else None

    @property
    def nodes(self) -> list[ClusterNode]:
        return [*self.primaries, *([self.replica] if self.replica is not None else [])]

    @property
    def url(self) -> str:
        return self.primaries[0].url

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        share = -(-SLOTS // 3)
        for number, node in enumerate(self.primaries):
            first, last = number * share, min(SLOTS, (number + 1) * share) - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            self.primaries[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        self.until("all have met", lambda: all(self._knows(node, len(self.nodes)) for node in self.nodes))
        if self.replica is not None:
            self.replica.ask("CLUSTER", "REPLICATE", self.primaries[0].id)
            self.until("it replicates", lambda: b"master_link_status:up" in self.replica.ask("INFO", "replication"))
            self.until("that is known", lambda: b"slave" in self.primaries[1].ask("CLUSTER", "NODES"))
        self.until("all are well", lambda: all(self.is_well(node) for node in self.primaries))

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def is_well(self, node: ClusterNode) -> bool:
        return b"cluster_state:ok" in node.ask("CLUSTER", "INFO")

    def owner(self, client: bytes) -> ClusterNode:
        """Who has a client's keys, as the first node that is alive knows it."""
        slot = slot_of(UUID(bytes=client))
        alive = next(node for node in self.nodes if node.running)
        for first, last, (_, port, *_), *_ in alive.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def migrate_at_once(self, client: bytes, to: ClusterNode) -> None:
        """Valkey moves the slot by itself and hands it over in one moment."""
        slot, source = slot_of(UUID(bytes=client)), self.owner(client)
        source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to.id)
        self.until("the slot is there", lambda: self._has(to, slot))

    def migrate_key_by_key(self, client: bytes, to: ClusterNode, pause: float = 0.05) -> None:
        """As every cluster can: between the steps its keys are on both nodes, and commands on many of them are refused."""
        slot, source = slot_of(UUID(bytes=client)), self.owner(client)
        source_id, target_id = source.id, to.id
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "AUTH", to.password, "KEYS", *keys)
            time.sleep(pause)  # the calls meet every stage
        for node in (to, source, *self.primaries):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + _DEADLINE
        while True:
            try:
                if condition():
                    return
            except redis_py.RedisError:
                pass
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(0.02)

    def _knows(self, node: ClusterNode, count: int) -> bool:
        lines = node.ask("CLUSTER", "NODES").decode().strip().splitlines()
        return len(lines) == count and all("handshake" not in line and " connected" in line for line in lines)

    def _has(self, node: ClusterNode, slot: int) -> bool:
        return any(first <= slot <= last and address[1] == node.port for first, last, address, *_ in self._slots(node))

    def _slots(self, node: ClusterNode) -> Sequence:
        return node.ask("CLUSTER", "SLOTS")
