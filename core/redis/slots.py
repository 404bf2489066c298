"""A cluster's slots: which of them a client's keys are in, which node has it, and what a node says that has not.

Known from `CLUSTER SLOTS`, which Azure Managed Redis answers with the OSS clustering policy; with the Enterprise policy it
refuses, and is one node to us. `ASKING` is no help: a function that touches keys which do not exist is refused by both
nodes of a slot on its way (TRYAGAIN), and Redis Enterprise does not know it.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.redis import RedisAddress

SLOTS = 16384

NOT_HERE = ("MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN")
"""How the errors of a cluster begin that pass when the map is read again: nothing was done."""


def slot_of(client: UUID) -> int:
    """The slot of a client's keys."""
    return _slot(str(client).encode())


def key_slot(key: bytes) -> int:
    """The slot of a key that has a hash tag."""
    return _slot(key[key.index(b"{") + 1 : key.index(b"}")])


def _slot(tag: bytes) -> int:
    return binascii.crc_hqx(tag, 0) % SLOTS  # CRC-16/XMODEM


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Neighbouring slots of one node."""

    first: int
    last: int
    node: RedisAddress


@dataclass(frozen=True, slots=True)
class SlotMap:
    """Who has which slots."""

    ranges: Sequence[SlotRange]

    def owner(self, slot: int) -> RedisAddress | None:
        """None: nobody has it now."""
        for each in self.ranges:
            if each.first <= slot <= each.last:
                return each.node
        return None

    @property
    def nodes(self) -> set[RedisAddress]:
        return {each.node for each in self.ranges}


def read_slots(reply: Any, told_by: RedisAddress) -> SlotMap | None:
    """The map in a reply to `CLUSTER SLOTS`; None where it is an error or empty: then `told_by` is no cluster's node.

    A node that does not know its own address leaves it out: it is where we reached it.
    """
    if not isinstance(reply, list) or not reply:
        return None
    ranges = []
    for first, last, primary, *_ in reply:
        host, port = primary[0], primary[1]
        name = host.decode() if isinstance(host, bytes) else host
        if name == "?":  # it has an announced name, and we cannot know it
            continue
        ranges.append(SlotRange(int(first), int(last), told_by.node(name or told_by.host, int(port))))
    return SlotMap(tuple(ranges)) if ranges else None
