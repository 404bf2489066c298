"""Which Redis has a client: the one there is, or the node of a cluster whose slots hold its keys.

Whether it is a cluster, Redis itself says. The map is read from a node that is just connected, from one that says that it has
not a slot any more, and from any other when a node is lost. The configured address stays connected: its name leads into the
cluster when all nodes that were known are gone.
"""

import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import hiredis

from core.redis import RedisAddress
from core.redis.login import Login
from core.redis.slots import SlotMap, read_slots, slot_of
from proxy.ledger.connection import command
from proxy.ledger.node import Node

_log = logging.getLogger("aduana.ledger")

_ASK_FOR_SLOTS = command("CLUSTER", "SLOTS")


class Nodes:
    """`opened` and `lost` are told of a node's connections, `redrawn` that clients may have another node now."""

    def __init__(
        self,
        address: RedisAddress,
        *,
        tls: ssl.SSLContext | None,
        login: Login,
        timeout: float,
        script: bytes,
        opened: Callable[[Node], None],
        lost: Callable[[Node, BaseException | None], None],
        redrawn: Callable[[], None],
    ) -> None:
        self._opened = opened
        self._lost = lost
        self._redrawn = redrawn
        self._make = partial(
            Node,
            tls=tls,
            login=login,
            timeout=timeout,
            script=script,
            opened=self._node_opened,
            lost=self._node_lost,
            missed=self._node_missed,
        )
        self._map: SlotMap | None = None
        self._outdated = True  # the next node that connects is asked, too
        self._asked: Node | None = None  # for the map, and has not answered
        self._home = self._make(address)
        self._nodes: dict[RedisAddress, Node] = {address: self._home}

    async def tried(self) -> None:
        """Wait until the configured address was tried once."""
        await self._home.tried.wait()

    async def close(self) -> None:
        for node in list(self._nodes.values()):
            await node.close()

    @property
    def connected(self) -> bool:
        """Whether some clients' records reach their node now."""
        drawn = self._map
        return any(
            node.connection is not None
            for node in self._nodes.values()
            if drawn is None or node is not self._home or node.address in drawn.nodes
        )

    def of(self, client: bytes) -> Node:
        """The node of a client. What nobody has is asked for where we came from."""
        if self._map is None:
            return self._home
        owner = self._map.owner(slot_of(UUID(bytes=client)))
        return self._home if owner is None else self._nodes[owner]

    def check(self) -> None:
        """Now and then, see `Node.check`."""
        for node in self._nodes.values():
            node.check()

    def not_there(self, node: Node, error: str) -> None:
        """A node said that it has not a client's slot, or not all of it, or that its cluster is down."""
        if error.startswith("MOVED"):
            self._ask(node)  # it knows who has it
        elif error.startswith("CLUSTERDOWN"):
            self._ask(self._other_than(node) or node)

    # ── The map ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, node: Node | None) -> None:
        """One question at a time; where nobody can be asked, the next one that connects tells."""
        if self._asked is not None:
            return
        if node is None or node.connection is None:
            self._outdated = True
            return
        self._asked = node
        node.connection.expect(partial(self._told, node))
        node.connection.write(_ASK_FOR_SLOTS)

    def _told(self, node: Node, reply: Any) -> None:
        self._asked = None
        if isinstance(reply, hiredis.ReplyError):
            _log.error("Redis at %r is a cluster's and does not let us read its slots: %s", node.address, reply)
            return
        self._use(read_slots(reply, node.address))

    def _use(self, drawn: SlotMap | None) -> None:
        if drawn is None:
            return
        self._outdated = False
        if drawn == self._map:
            return
        late = self._map is not None
        self._map = drawn
        for address in drawn.nodes - self._nodes.keys():
            node = self._nodes[address] = self._make(address)
            if late:  # a replica that took over may lack what its primary had
                node.back_at = node.lost_at
        self._redrawn()
        for address in self._nodes.keys() - drawn.nodes - {self._home.address}:
            node = self._nodes.pop(address)
            node.abandon()
            if self._asked is node:
                self._asked = None

    def _other_than(self, node: Node) -> Node | None:
        return next((each for each in self._nodes.values() if each is not node and each.connection is not None), None)

    # ── What nodes tell ─────────────────────────────────────────────────────────────────────────────────────────────

    def _node_opened(self, node: Node, slots: Any) -> None:
        if self._outdated:  # not otherwise: one that comes back may not know yet what it has lost
            self._use(read_slots(slots, node.address))
        self._opened(node)

    def _node_lost(self, node: Node, reason: BaseException | None) -> None:
        if self._asked is node:
            self._asked = None
        self._lost(node, reason)
        self._node_missed(node)

    def _node_missed(self, node: Node) -> None:
        if self._map is not None:
            self._ask(self._other_than(node))
