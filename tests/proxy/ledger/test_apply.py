"""The function in Redis that takes a batch: densely, once, in order."""

from pathlib import Path
from uuid import UUID

import pytest
import redis as redis_py

import proxy.ledger
from core.ledger.keys import StreamKeys
from proxy.ledger.stream import SUPERSEDED
from proxy.limits import operations

KEYS = StreamKeys(UUID(int=1))
SCRIPT = (Path(proxy.ledger.__file__).parent / "apply.lua").read_text()


@pytest.fixture
def append(redis_url):
    with redis_py.Redis.from_url(redis_url) as valkey:
        script = valkey.register_script(SCRIPT)

        def call(first: int, count: int, *, reset: bool = False) -> list[int]:
            return script(
                keys=[
                    *(KEYS.log, KEYS.sequences, KEYS.watermarks),
                    *(KEYS.buckets, KEYS.spent, KEYS.reserved, KEYS.leases, KEYS.state),
                ],
                args=["me", first, count, int(reset), "", 1, 60_000_000, *[operations.NONE, SUPERSEDED] * count],
            )[:2]

        call.entries = lambda: [(int(entry[b"s"]), int(entry[b"n"])) for _, entry in valkey.xrange(KEYS.log)]
        call.valkey = valkey
        yield call


def test_batches_that_follow_each_other_are_taken(append):
    assert [append(1, 3), append(4, 1)] == [[3, 0], [4, 0]]
    assert append.entries() == [(1, 3), (4, 1)]


def test_a_batch_that_is_there_is_not_taken_again_and_moves_nothing_back(append):
    append(1, 3), append(4, 2)
    assert append(1, 3) == [5, 0]
    assert append.entries() == [(1, 3), (4, 2)]


def test_of_a_batch_of_which_a_part_is_there_the_rest_is_taken(append):
    append(1, 3)
    assert append(2, 4) == [5, 0]
    assert append.entries() == [(1, 3), (4, 2)]


def test_a_batch_that_would_leave_a_gap_is_not_taken(append):
    append(1, 3)
    assert append(5, 1) == [3, 0]
    assert append.entries() == [(1, 3)]


def test_where_redis_forgot_the_stream_goes_on_from_the_watermark(append):
    assert append(7, 2, reset=True) == [8, 0]
    assert append(9, 1) == [9, 0]
    assert append.entries() == [(7, 2), (9, 1)]


def test_a_question_changes_nothing_and_brings_the_watermark(append):
    append(1, 3)
    append.valkey.hset(KEYS.watermarks, "me", 2)
    assert append(0, 0) == [3, 2]
    assert append.entries() == [(1, 3)]
