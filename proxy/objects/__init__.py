"""Whose an object is: asked before a call that names one is forwarded, written down before the id of a new one leaves.

Redis has what is young (one round trip), Postgres everything (asked where Redis does not know, and never on the way of a
call that names nothing). Claims ride on the ledger's numbered records (docs/decisions/0005-objects.md). Whether a caller
may use what it names is not judged here: callers compare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.ledger.records import Call
from core.objects import NewObject, Owner

MOST_IDS = 10_000
"""Of one question: a long conversation passes a thousand items back."""


class TooManyObjects(ValueError):
    """More ids than one question may have."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} objects are asked for at once, and {MOST_IDS} are the most")


class OwnersUnavailable(Exception):
    """Whose an object is cannot be told, or could not be written down, now. It says nothing of the object."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the owners of objects cannot be asked or written down now")
        self.retry_after = retry_after  # seconds


class CursorUnknown(LookupError):
    """A list is to go on from an object that is not in it."""

    def __init__(self, id: str) -> None:
        super().__init__("the list is to go on from an object that is not in it")
        self.id = id


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, in the order that was asked for."""

    owners: Sequence[Owner]
    has_more: bool  # behind it (or in front of it, where the part before a cursor was asked for)


class Objects(Protocol):
    """The owners of objects; one adapter for a ledger on Redis, one for a ledger in files."""

    async def start(self) -> None:
        """Waits for nobody."""
        ...

    async def close(self) -> None: ...

    async def find(self, client_id: bytes, ids: Sequence[str]) -> Mapping[str, Owner]:
        """The known ones among `ids` (`MOST_IDS` at most), whoever owns them, removed ones flagged.

        `client_id` is the caller's: its own objects cost one round trip to Redis (one a thousand). What is no possible id
        is unknown. Raises `TooManyObjects`; and `OwnersUnavailable` where one is not known and not all who might know it
        could be asked: an object must not seem gone because a server is.
        """
        ...

    async def claim(self, call: Call, made: Sequence[NewObject]) -> None:
        """Write down that a call made these; returns when no loss of one process can lose it.

        Raises `OwnersUnavailable` where that is not certain within `redis_timeout`: the ids must then not reach the caller.
        The claim is delivered all the same when it can be, for the objects are there, and are the caller's. Raises
        `ObjectIdInvalid` for what cannot be an id, and `ValueError` for details beyond their bound; nothing is claimed then.
        An object that has an owner keeps it.
        """
        ...

    async def release(self, call: Call, id: str) -> None:
        """An object of the call's client is gone at the provider. Never waits, never fails; claims nothing."""
        ...

    async def page(
        self,
        client_id: bytes,
        app_id: bytes,
        kind: str,
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int,
        ascending: bool = False,
    ) -> Page:
        """An app's own objects of a kind that are not removed, by the time of their making.

        `after` and `before` are ids, in the order of the list; with `before` alone, the part that ends there. What was
        claimed or released by the client before the question is in it, unless the writer is a second behind. Raises
        `CursorUnknown`, and `OwnersUnavailable` where Postgres cannot be asked.
        """
        ...
