"""The ledger writer: drains what proxies hand on, from Redis streams or spool files, into Postgres, exactly once.

Any number may run (`python -m proxy.writer`); each stream belongs to one of them for one transaction. It never answers
a caller, and nothing on a request's way waits for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from core.ledger.store import Batch


@dataclass(frozen=True, slots=True)
class Gate:
    """What a client's closed gate asks for."""

    client: UUID
    wanted: bytes  # the families to be summed, as the proxies write them
    version: bytes  # of the snapshot that wants them


@dataclass(frozen=True, slots=True)
class Piece:
    """The oldest part of one stream."""

    stream: str  # as Postgres names it
    batches: Sequence[Batch]
    ended: bool  # nothing was behind it when it was read
    written_ms: int  # Unix time when the oldest record was handed on
    token: Any  # the source's own: what to forget when it is committed
    gate: Gate | None = None  # closed: the client's calls wait for its sums


class Source(Protocol):
    """Where records wait."""

    counted: bool  # whether their proxies count in Redis what the records say

    def read(self) -> Iterator[Piece]:
        """Each stream's oldest part, also where it is empty. Raises `SourceAway`."""
        ...

    def forget(self, piece: Piece, watermarks: dict[UUID, int]) -> None:
        """The piece is in Postgres: tell the proxies and remove it. Raises `SourceAway`."""
        ...

    def open_gate(self, gate: Gate, watermarks: dict[UUID, int], spent: dict[str, int]) -> bool:
        """What a client has spent, of the moment of the watermarks: calls are counted again from here on. False where
        the gate asks for something else by now, or something waits in the stream. Raises `SourceAway`."""
        ...

    def close_gate(self, client: UUID) -> None:
        """Sums are to be made anew: rows change that no proxy counts. Raises `SourceAway`."""
        ...

    def disown(self, client: UUID, ids: Sequence[str]) -> None:
        """These objects are somebody else's, as Postgres knows: forget that a proxy took them for the client's. Raises
        `SourceAway`."""
        ...

    def retire(self, stream: str) -> None:
        """Nothing of the stream is left, in Postgres neither: remove what only a dead proxy needed."""
        ...


class SourceAway(Exception):
    """Redis or the disk cannot be read now. Nothing is lost: it is read again."""
