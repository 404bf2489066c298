"""What is read and committed is removed from Redis, and nothing else is."""

from uuid import UUID

import pytest
import redis as redis_py

from core.ledger.keys import StreamKeys
from core.ledger.records import Heartbeat, encode
from core.redis import parse_redis_url
from core.redis.clients import Clients
from proxy.writer import SourceAway
from proxy.writer.redis_source import RedisSource
from tests.proxy.ledger.calls import array

CLIENT, PROXY = UUID(int=1), UUID(int=7)
KEYS = StreamKeys(CLIENT)


@pytest.fixture
def valkey_client(redis_url):
    with redis_py.Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
def source(redis_url):
    return RedisSource(Clients(parse_redis_url(redis_url), timeout=5.0, name="test"), lambda: [CLIENT])


def add(valkey: redis_py.Redis, first: int, entry_id: str = "*", incarnation: UUID = PROXY) -> bytes:
    data = array([encode(Heartbeat(1)), encode(Heartbeat(2))])
    return valkey.xadd(KEYS.log, {"i": str(incarnation), "s": first, "n": 2, "b": data}, id=entry_id)


def test_what_came_after_the_reading_stays(valkey_client, source):
    add(valkey_client, 1), add(valkey_client, 3)
    [piece] = source.read()
    late = add(valkey_client, 5)
    source.forget(piece, {PROXY: 4})
    assert [entry_id for entry_id, _ in valkey_client.xrange(KEYS.log)] == [late]
    assert valkey_client.hget(KEYS.watermarks, str(PROXY)) == b"4"


def test_a_redis_that_forgot_and_whose_clock_went_back_loses_nothing_new(valkey_client, source):
    add(valkey_client, 1, "1000-0"), add(valkey_client, 3, "2000-0")
    [piece] = source.read()
    valkey_client.flushall()
    add(valkey_client, 5, "1500-0")
    add(valkey_client, 7, "2000-0")
    source.forget(piece, {PROXY: 4})
    assert valkey_client.xlen(KEYS.log) == 2


def test_a_watermark_never_goes_back(valkey_client, source):
    add(valkey_client, 1)
    [piece] = source.read()
    source.forget(piece, {PROXY: 9})
    source.forget(piece, {PROXY: 2})
    assert valkey_client.hget(KEYS.watermarks, str(PROXY)) == b"9"


def test_a_long_stream_is_read_in_pieces(valkey_client, source):
    for number in range(3000):
        add(valkey_client, 2 * number + 1)
    [piece] = source.read()
    assert not piece.ended
    assert 4000 <= sum(len(batch.records) for batch in piece.batches) < 6000
    source.forget(piece, {PROXY: 1})
    [rest] = source.read()
    assert rest.ended
    assert len(piece.batches) + len(rest.batches) == 3000


def test_an_entry_that_no_proxy_wrote_is_unreadable_and_is_not_in_the_way(valkey_client, source):
    valkey_client.xadd(KEYS.log, {"hello": "world"})
    add(valkey_client, 1)
    [piece] = source.read()
    assert [batch.incarnation for batch in piece.batches] == [UUID(int=0), PROXY]
    source.forget(piece, {PROXY: 2})
    assert valkey_client.xlen(KEYS.log) == 0


def test_a_redis_that_is_away_says_so(valkey, source):
    valkey.kill()
    with pytest.raises(SourceAway, match="Redis"):
        list(source.read())
    valkey.start()
    assert [piece.batches for piece in source.read()] == [()]
