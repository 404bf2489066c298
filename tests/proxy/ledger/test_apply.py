"""The function in Redis that takes a batch: densely, once, in order."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
import redis as redis_py

import proxy.ledger
from core.ledger.keys import StreamKeys
from core.ledger.records import Gone, Made
from proxy.ledger.ownership import KEPT, disown, is_gone, own, owner_of, read_value
from proxy.ledger.stream import SUPERSEDED
from proxy.limits import operations
from tests.proxy.ledger.calls import a_call

KEYS = StreamKeys(UUID(int=1))
SCRIPT = (Path(proxy.ledger.__file__).parent / "apply.lua").read_text()


@pytest.fixture
def append(redis_url):
    with redis_py.Redis.from_url(redis_url) as valkey:
        script = valkey.register_script(SCRIPT)

        def call(first: int, count: int, *, reset: bool = False, given: Sequence[bytes] = (), **gate) -> list[int]:
            done = given or [operations.NONE] * count
            return script(
                keys=[
                    *(KEYS.log, KEYS.sequences, KEYS.watermarks),
                    *(KEYS.buckets, KEYS.spent, KEYS.reserved, KEYS.leases, KEYS.state),
                ],
                args=[
                    *("me", first, count, int(reset), gate.get("families", ""), gate.get("version", 1), 60_000_000),
                    *(part for operation in done for part in (operation, SUPERSEDED)),
                ],
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


# ── Whose objects are ───────────────────────────────────────────────────────────────────────────────────────────────────

CLIENT = UUID(int=1).bytes


def made(id: str = "file-1", upstream: str = "aoai-uksouth") -> Made:
    return Made(a_call(CLIENT), id, "file", upstream, "gpt-4o", None, b'{"a":1}', None, 1_795_000_000_000_001)


def gone(id: str = "file-1") -> bytes:
    return disown(Gone(CLIENT, id, 1))


def kept(append, id: str = "file-1") -> bytes | None:
    return append.valkey.get(KEYS.objects + id.encode())


def test_an_owner_is_written_beside_its_record_and_kept_for_some_hours(append):
    assert append(1, 1, given=[own(made())]) == [1, 0]
    assert read_value(CLIENT, "file-1", kept(append)) == owner_of(made())
    assert KEPT - 60 < append.valkey.ttl(KEYS.objects + b"file-1") <= KEPT


def test_an_owner_whose_record_is_not_taken_is_not_written(append):
    append(1, 3)
    append(5, 1, given=[own(made())])  # leaves a gap
    assert kept(append) is None
    append(3, 1, given=[own(made())])  # is there already
    assert kept(append) is None


def test_behind_a_closed_gate_no_owner_is_written(append):
    append(1, 1, given=[own(made())], families="c:t:m:UTC:", version=2)
    assert kept(append) is None


def test_of_two_owners_the_first_one_stays(append):
    append(1, 2, given=[own(made()), own(made(upstream="another"))])
    append(3, 1, given=[own(made(upstream="another"))])
    assert read_value(CLIENT, "file-1", kept(append)) == owner_of(made())


def test_where_redis_forgot_an_owner_that_is_sent_again_is_written_again(append):
    append(7, 1, reset=True, given=[own(made())])
    assert read_value(CLIENT, "file-1", kept(append)) == owner_of(made())


def test_what_is_gone_says_so_and_whose_it_was(append):
    append(1, 2, given=[own(made()), gone()])
    append(3, 1, given=[gone()])
    append(4, 1, given=[own(made())])  # a claim does not bring it back
    owner = read_value(CLIENT, "file-1", kept(append))
    assert (owner.removed, owner.app_id) == (True, made().call.app_id)
    assert 0 < append.valkey.ttl(KEYS.objects + b"file-1") <= KEPT


def test_what_is_gone_and_was_never_known_says_no_more_than_that(append):
    append(1, 1, given=[gone()])
    assert is_gone(kept(append))
    assert read_value(CLIENT, "file-1", kept(append)) is None


def test_a_value_that_is_none_of_ours_is_no_owner():
    for value in (b"", b"-", b"x", b"\x93\x01\x02\x03", b"-\xc1"):
        assert read_value(CLIENT, "file-1", value) is None
