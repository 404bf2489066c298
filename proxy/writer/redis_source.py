"""Redis streams as a source: read from their start, trimmed to what Postgres has. Where a node of a cluster is away, the
streams of the others are read on.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import redis

from core.ledger.keys import StreamKeys
from core.ledger.records import Unreadable, decode_array
from core.ledger.store import FOREIGN, Batch
from core.redis.clients import NOT_HERE, Clients, Node, RedisAway
from proxy.writer import Gate, Piece, SourceAway

_log = logging.getLogger("aduana.writer")

_TRIM, _PRIME, _CLOSE = ((Path(__file__).parent / name).read_text() for name in ("trim.lua", "prime.lua", "close.lua"))
_ENTRIES = 100  # read at once: one entry is what one turn of a proxy's loop handed on
_RECORDS = 4000  # enough for one transaction
_STREAMS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class _Read:
    """What a piece was made of: enough to recognise its last entry."""

    keys: StreamKeys
    last_id: bytes
    last_incarnation: bytes
    last_seq: bytes


class RedisSource:
    """The streams of all clients, whom `clients` names anew for each reading."""

    counted = True

    def __init__(self, nodes: Clients, clients: Callable[[], list[UUID]]) -> None:
        self._nodes = nodes
        self._clients = clients
        self._away: set[Node | UUID] = set()  # nodes and clients whose streams wait, as it was logged

    def read(self) -> Iterator[Piece]:
        """See `Source.read`. Raises `SourceAway` where no node can be read."""
        by_node = self._by_node(self._clients())
        away: SourceAway | None = None
        read = 0
        for node, clients in by_node.items():
            try:
                for start in range(0, len(clients), _STREAMS_AT_ONCE):
                    yield from self._read(node, clients[start : start + _STREAMS_AT_ONCE])
            except SourceAway as error:
                away = error
                if len(by_node) > 1:
                    self._waits(node, error)
                continue
            read += 1
            self._goes_on(node)
        if away is not None and not read:
            raise away

    def _read(self, node: Node, clients: list[UUID]) -> Iterator[Piece]:
        some = [(client, StreamKeys(client)) for client in clients]

        def question(valkey: redis.Redis) -> list[Any]:
            pipeline = valkey.pipeline(transaction=False)
            for _, keys in some:
                pipeline.execute_command(*_entries(keys, "-"))  # type: ignore[no-untyped-call]
                pipeline.execute_command("HMGET", keys.state, "wanted", "version")  # type: ignore[no-untyped-call]
            answers: list[Any] = pipeline.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, Exception) and not isinstance(answer, NOT_HERE):
                    raise answer
            return answers

        answers = self._ask_node(node, question)
        for (client, keys), entries, state in zip(some, answers[::2], answers[1::2], strict=True):
            refused = next((each for each in (entries, state) if isinstance(each, Exception)), None)
            if refused is not None:
                self._nodes.redraw()
                self._waits(client, refused)
                continue
            self._goes_on(client)
            wanted, version = state
            gate = None if wanted is None else Gate(client, wanted, version or b"0")
            yield replace(self._piece(node, str(client), keys, entries), gate=gate)

    def _waits(self, what: Node | UUID, error: Exception) -> None:
        """Only some streams cannot be read now."""
        if what not in self._away:
            self._away.add(what)
            _log.warning("the streams of %s wait: %s", what, error)

    def _goes_on(self, what: Node | UUID) -> None:
        if what in self._away:
            self._away.discard(what)
            _log.info("the streams of %s are read again", what)

    def forget(self, piece: Piece, watermarks: dict[UUID, int]) -> None:
        """See `Source.forget`."""
        read: _Read | None = piece.token
        if read is None:
            return
        published = [str(part) for mark in watermarks.items() for part in mark]
        self._ask(
            read.keys.client,
            _TRIM,
            keys=[read.keys.log, read.keys.watermarks],
            args=[read.last_id, _after(read.last_id), read.last_incarnation, read.last_seq, *published],
        )

    def open_gate(self, gate: Gate, watermarks: dict[UUID, int], spent: dict[str, int]) -> bool:
        """See `Source.open_gate`."""
        keys = StreamKeys(gate.client)
        marks = [str(part) for mark in watermarks.items() for part in mark]
        amounts = [part for field, amount in spent.items() for part in (field, str(amount))]
        opened = self._ask(
            gate.client,
            _PRIME,
            keys=[keys.log, keys.sequences, keys.watermarks, keys.spent, keys.state],
            args=[gate.wanted, gate.version, len(watermarks), *marks, *amounts],
        )
        return bool(opened)

    def close_gate(self, client: UUID) -> None:
        """See `Source.close_gate`."""
        self._ask(client, _CLOSE, keys=[StreamKeys(client).state], args=[])

    def disown(self, client: UUID, ids: Sequence[str]) -> None:
        """See `Source.disown`."""
        keys = StreamKeys(client)
        (node,) = self._by_node([client])
        self._ask_node(node, lambda valkey: valkey.delete(*(keys.objects + id.encode() for id in ids)))

    def retire(self, stream: str) -> None:
        """See `Source.retire`. A client's stream is empty when it is read; the next proxy goes on with it."""

    def _piece(self, node: Node, stream: str, keys: StreamKeys, entries: list[Any]) -> Piece:
        if not entries:
            return Piece(stream, (), True, 0, None)
        batches = [_batch(*entry) for entry in entries]
        first, last, full = entries[0], entries[-1], len(entries) == _ENTRIES
        while full and sum(len(batch.records) for batch in batches) < _RECORDS:
            entries = self._ask_node(node, _more(keys, last[0]))
            batches += [_batch(*entry) for entry in entries]
            last, full = entries[-1] if entries else last, len(entries) == _ENTRIES
        fields = _by_name(last[1])
        token = _Read(keys, last[0], fields.get(b"i", b""), fields.get(b"s", b""))
        return Piece(stream, batches, not full, int(first[0].split(b"-")[0]), token)

    def _by_node(self, clients: list[UUID]) -> dict[Node, list[UUID]]:
        try:
            return self._nodes.by_node(clients)
        except RedisAway as error:
            raise SourceAway(f"Redis: {error}") from error

    def _ask(self, client: UUID, script: str, *, keys: list[bytes], args: list[Any]) -> Any:
        (node,) = self._by_node([client])
        return self._ask_node(node, lambda valkey: valkey.register_script(script)(keys=keys, args=args))

    def _ask_node(self, node: Node, question: Callable[[redis.Redis], Any]) -> Any:
        try:
            return self._nodes.ask_node(node, question)
        except RedisAway as error:
            raise SourceAway(f"Redis: {error}") from error


def _entries(keys: StreamKeys, start: str | bytes) -> tuple[Any, ...]:
    return ("XRANGE", keys.log, start, "+", "COUNT", _ENTRIES)


def _more(keys: StreamKeys, after: bytes) -> Callable[[redis.Redis], Any]:
    return lambda valkey: valkey.execute_command(*_entries(keys, b"(" + after))  # type: ignore[no-untyped-call]


def _by_name(fields: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=False))


def _batch(entry_id: bytes, fields: list[bytes]) -> Batch:
    """An entry's records; what is no entry of ours comes as unreadable, numbered by its id."""
    named = _by_name(fields)
    try:
        incarnation = UUID(named[b"i"].decode())
        first, count = int(named[b"s"]), int(named[b"n"])
        data = named[b"b"]
    except (KeyError, ValueError) as error:
        milliseconds, number = entry_id.split(b"-")
        reason = f"not an entry of the ledger: {error!r}"
        return Batch(
            FOREIGN, (int(milliseconds) << 16) + int(number) % 65536, (Unreadable(repr(fields).encode(), reason),)
        )
    return Batch(incarnation, first, decode_array(data, count))


def _after(entry_id: bytes) -> bytes:
    milliseconds, number = entry_id.split(b"-")
    return b"%b-%d" % (milliseconds, int(number) + 1)
