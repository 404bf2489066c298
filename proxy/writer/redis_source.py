"""Redis streams as a source: read from their start, trimmed to what Postgres has."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.ledger.keys import StreamKeys
from core.ledger.records import Unreadable, decode_array
from core.ledger.store import FOREIGN, Batch
from proxy.writer import Gate, Piece, SourceAway

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

    def __init__(self, url: str, clients: Callable[[], list[UUID]], timeout: float = 5.0) -> None:
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            client_name="aduana-writer",
        )
        self._redis.response_callbacks.pop("XRANGE", None)  # entries as they come: a list of fields
        self._clients = clients
        self._trim = self._redis.register_script(_TRIM)
        self._prime = self._redis.register_script(_PRIME)
        self._close = self._redis.register_script(_CLOSE)

    def read(self) -> Iterator[Piece]:
        """See `Source.read`."""
        clients = self._clients()
        for start in range(0, len(clients), _STREAMS_AT_ONCE):
            some = [(client, StreamKeys(client)) for client in clients[start : start + _STREAMS_AT_ONCE]]
            pipeline = self._redis.pipeline(transaction=False)
            for _, keys in some:
                pipeline.execute_command("XRANGE", keys.log, "-", "+", "COUNT", _ENTRIES)  # type: ignore[no-untyped-call]
                pipeline.hmget(keys.state, ["wanted", "version"])
            answers = self._ask(pipeline.execute)
            for (client, keys), entries, (wanted, version) in zip(some, answers[::2], answers[1::2], strict=True):
                gate = None if wanted is None else Gate(client, wanted, version or b"0")
                yield replace(self._piece(str(client), keys, entries), gate=gate)

    def forget(self, piece: Piece, watermarks: dict[UUID, int]) -> None:
        """See `Source.forget`."""
        read: _Read | None = piece.token
        if read is None:
            return
        published = [str(part) for mark in watermarks.items() for part in mark]
        self._ask(
            lambda: self._trim(
                keys=[read.keys.log, read.keys.watermarks],
                args=[read.last_id, _after(read.last_id), read.last_incarnation, read.last_seq, *published],
            )
        )

    def open_gate(self, gate: Gate, watermarks: dict[UUID, int], spent: dict[str, int]) -> bool:
        """See `Source.open_gate`."""
        keys = StreamKeys(gate.client)
        marks = [str(part) for mark in watermarks.items() for part in mark]
        amounts = [part for field, amount in spent.items() for part in (field, str(amount))]
        opened = self._ask(
            lambda: self._prime(
                keys=[keys.log, keys.sequences, keys.watermarks, keys.spent, keys.state],
                args=[gate.wanted, gate.version, len(watermarks), *marks, *amounts],
            )
        )
        return bool(opened)

    def close_gate(self, client: UUID) -> None:
        """See `Source.close_gate`."""
        self._ask(lambda: self._close(keys=[StreamKeys(client).state]))

    def disown(self, client: UUID, ids: Sequence[str]) -> None:
        """See `Source.disown`."""
        keys = StreamKeys(client)
        self._ask(lambda: self._redis.delete(*(keys.objects + id.encode() for id in ids)))

    def retire(self, stream: str) -> None:
        """See `Source.retire`. A client's stream is empty when it is read; the next proxy goes on with it."""

    def _piece(self, stream: str, keys: StreamKeys, entries: list[Any]) -> Piece:
        if not entries:
            return Piece(stream, (), True, 0, None)
        batches = [_batch(*entry) for entry in entries]
        first, last, full = entries[0], entries[-1], len(entries) == _ENTRIES
        while full and sum(len(batch.records) for batch in batches) < _RECORDS:
            question = ("XRANGE", keys.log, b"(" + last[0], "+", "COUNT", _ENTRIES)
            entries = self._ask(partial(self._redis.execute_command, *question))
            batches += [_batch(*entry) for entry in entries]
            last, full = entries[-1] if entries else last, len(entries) == _ENTRIES
        fields = _by_name(last[1])
        token = _Read(keys, last[0], fields.get(b"i", b""), fields.get(b"s", b""))
        return Piece(stream, batches, not full, int(first[0].split(b"-")[0]), token)

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as error:
            self._redis.connection_pool.disconnect()
            raise SourceAway(f"Redis: {error}") from error


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
