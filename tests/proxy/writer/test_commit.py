"""What the writer does with records, however often and in whatever company they come."""

import threading
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from core.ids import new_event_id
from core.ledger import orphans, partitions
from core.ledger.records import (
    Call,
    Gone,
    Heartbeat,
    Made,
    Superseded,
    Unreadable,
    Voided,
    decode,
    decode_array,
    encode,
)
from core.ledger.store import Batch, commit
from tests.proxy.ledger.calls import a_call, admitted, array, settled
from tests.proxy.writer.desk import a_writer, ask, assert_rollups_are_the_sums_of_rows, events

CLIENT = UUID("00000000-0000-7000-8000-0000000000cc").bytes
STREAM = str(UUID(bytes=CLIENT))


@pytest.fixture
def connection(database_url):
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


PROXY = UUID(int=7)


def batch(first: int, *records, incarnation: UUID = PROXY) -> Batch:
    return Batch(incarnation, first, records)


def test_a_batch_that_comes_twice_counts_once(connection, database_url):
    call = a_call(CLIENT)
    once = batch(1, admitted(call), settled(call))
    first, again = commit(connection, STREAM, [once]), commit(connection, STREAM, [once, once])
    assert (first.calls, again.calls, again.records) == (1, 0, 0)
    assert again.watermarks == {PROXY: 2}
    assert len(events(database_url)) == 1
    assert_rollups_are_the_sums_of_rows(database_url)


def test_batches_that_overlap_are_taken_where_they_are_new(connection, database_url):
    calls = [a_call(CLIENT, number) for number in range(4)]
    records = [each for call in calls for each in (admitted(call), settled(call))]
    commit(connection, STREAM, [batch(1, *records[:5]), batch(3, *records[2:])])
    assert events(database_url).keys() == {call.id for call in calls}
    assert ask(database_url, "SELECT * FROM admitted_calls") == []
    assert_rollups_are_the_sums_of_rows(database_url)


def test_an_open_call_waits_apart_until_it_settles(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, admitted(call))])
    assert [row["id"].bytes for row in ask(database_url, "SELECT id FROM admitted_calls")] == [call.id]
    assert events(database_url) == {}
    commit(connection, STREAM, [batch(2, settled(call))])
    assert ask(database_url, "SELECT id FROM admitted_calls") == []
    assert events(database_url).keys() == {call.id}


@pytest.mark.parametrize("together", [True, False])
def test_a_voided_admission_leaves_nothing(connection, database_url, together):
    call = a_call(CLIENT)
    if together:
        commit(connection, STREAM, [batch(1, admitted(call), Voided(call.id))])
    else:
        commit(connection, STREAM, [batch(1, admitted(call))])
        commit(connection, STREAM, [batch(2, Voided(call.id))])
    assert ask(database_url, "SELECT id FROM admitted_calls") == []
    assert events(database_url) == {}


def test_a_settlement_needs_no_admission(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, Superseded(), settled(call))])
    assert events(database_url)[call.id]["usage_source"] == "reported"


def test_a_second_settlement_is_ignored(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, admitted(call), settled(call, 1))])
    commit(connection, STREAM, [batch(1, settled(call, 2), incarnation=UUID(int=8))])
    assert events(database_url)[call.id]["output_tokens"] == settled(call, 1).output_tokens
    assert_rollups_are_the_sums_of_rows(database_url)


@pytest.mark.parametrize("together", [True, False])
def test_a_second_settlement_is_told_before_it_is_committed_for_redis_counted_it_too(
    connection, database_url, together
):
    call, told = a_call(CLIENT), []
    first = batch(1, admitted(call), settled(call, 1))
    second = batch(1, settled(call, 2), incarnation=UUID(int=8))
    batches = [[first, second]] if together else [[first], [second]]
    done = [commit(connection, STREAM, each, before_correction=lambda: told.append(call.id)) for each in batches]
    assert [each.ignored for each in done] == ([1] if together else [0, 1])
    assert told == [call.id]
    assert events(database_url)[call.id]["output_tokens"] == settled(call, 1).output_tokens
    assert_rollups_are_the_sums_of_rows(database_url)


def test_a_second_settlement_that_cannot_be_told_waits(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, admitted(call), settled(call, 1))])
    second = batch(1, settled(call, 2), incarnation=UUID(int=8))

    def redis_is_away():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        commit(connection, STREAM, [second], before_correction=redis_is_away)
    assert commit(connection, STREAM, [second]).records == 1


def test_units_kind_and_parent_are_columns_of_the_row(connection, database_url):
    parent, share, plain = a_call(CLIENT, 1), a_call(CLIENT, 2), a_call(CLIENT, 3)
    units = (("audio_input_token", 40), ("image:1024x1024/hd", 2), ("image:1024x1024/hd", 1))
    row = msgspec.structs.replace(settled(share), units=units, kind="batch", parent_id=parent.id)
    commit(connection, STREAM, [batch(1, decode(encode(row)), settled(plain))])
    written = events(database_url)
    assert written[share.id]["units"] == {"audio_input_token": 40, "image:1024x1024/hd": 3}
    assert (written[share.id]["kind"], written[share.id]["parent_id"].bytes) == ("batch", parent.id)
    assert [written[plain.id][name] for name in ("units", "kind", "parent_id")] == [{}, "call", None]


def test_units_that_postgres_refuses_are_mended(connection, database_url):
    call = a_call(CLIENT)
    row = msgspec.structs.replace(settled(call), units=(("image:\0", 2**80),))
    assert commit(connection, STREAM, [batch(1, row)]).calls == 1
    assert list(events(database_url)[call.id]["units"]) == ["image:\ufffd"]


def test_a_settlement_of_an_older_proxy_has_none_of_what_came_later(connection):
    old = msgspec.msgpack.decode(encode(settled(a_call(CLIENT))))[:-3]
    row = decode(msgspec.msgpack.encode(old))
    assert (row.units, row.kind, row.parent_id) == ((), "call", None)


# ── Orphans ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _age(connection, *, heard: float = 0, drained_since: float = 0, drained: float = 0) -> None:
    """Move the clock back for what the database remembers (seconds)."""
    connection.execute("UPDATE ledger_watermarks SET heard_at = heard_at - %s * interval '1 second'", (heard,))
    connection.execute(
        "UPDATE ledger_streams SET drained_since = drained_since - %s * interval '1 second', "
        "drained_at = drained_at - %s * interval '1 second'",
        (drained_since, drained),
    )


def _orphan(connection, number: int = 0):
    call = a_call(CLIENT, number)
    commit(connection, STREAM, [batch(1, admitted(call))])
    orphans.estimate(connection, STREAM, 60)
    _age(connection, heard=61, drained_since=61)
    assert orphans.estimate(connection, STREAM, 60) == 1
    return call


def test_a_call_whose_proxy_is_gone_becomes_an_estimate(connection, database_url):
    call = _orphan(connection)
    row = events(database_url)[call.id]
    assert (row["status"], row["error_code"], row["usage_source"]) == (None, "orphaned", "estimated")
    assert (row["input_tokens"], row["output_tokens"], row["duration_ms"]) == (20, 500, None)
    assert int(row["cost_usd"].scaleb(9)) == admitted(call).cost_nano_usd
    assert ask(database_url, "SELECT * FROM admitted_calls") == []
    assert_rollups_are_the_sums_of_rows(database_url)


def test_a_late_settlement_replaces_the_estimate_and_corrects_the_rollups(connection, database_url):
    call = _orphan(connection)
    done = commit(connection, STREAM, [batch(2, msgspec.structs.replace(settled(call), upstream="aoai-westeurope"))])
    assert (done.calls, done.corrected) == (1, 1)
    row = events(database_url)[call.id]
    assert (row["usage_source"], row["upstream"], row["status"]) == ("reported", "aoai-westeurope", 200)
    assert_rollups_are_the_sums_of_rows(database_url)
    assert commit(connection, STREAM, [batch(3, settled(call))]).calls == 0


def test_a_proxy_that_was_heard_has_no_orphans(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, admitted(call))])
    orphans.estimate(connection, STREAM, 60)
    _age(connection, heard=61, drained_since=61)
    commit(connection, STREAM, [batch(2, Heartbeat(0))])
    assert orphans.estimate(connection, STREAM, 60) == 0
    assert events(database_url) == {}


def test_no_call_is_an_orphan_where_the_stream_could_not_be_read_all_that_time(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, admitted(call))])
    orphans.estimate(connection, STREAM, 60)
    _age(connection, heard=600, drained_since=600, drained=31)  # the writer, Redis or Postgres was away
    assert orphans.estimate(connection, STREAM, 60) == 0
    _age(connection, drained_since=59)
    assert orphans.estimate(connection, STREAM, 60) == 0
    _age(connection, drained_since=2)
    assert orphans.estimate(connection, STREAM, 60) == 1


# ── What cannot become a row ────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_that_does_not_decode_is_put_aside_and_keeps_nothing_back(connection, database_url):
    call = a_call(CLIENT)
    data = array([encode(admitted(call)), msgspec.msgpack.encode(["S", "not a call"]), encode(settled(call))])
    done = commit(connection, STREAM, [batch(1, *decode_array(data, 3)), batch(4, *decode_array(b"garbage", 2))])
    assert (done.calls, done.rejected, done.watermarks) == (1, 3, {PROXY: 5})
    rejects = ask(database_url, "SELECT seq, record, reason FROM ledger_rejects ORDER BY seq")
    assert [each["seq"] for each in rejects] == [2, 4, 5]
    assert bytes(rejects[0]["record"]) == msgspec.msgpack.encode(["S", "not a call"])
    assert events(database_url).keys() == {call.id}


@pytest.mark.parametrize(
    "harm",
    [
        {"error_code": "a\0b"},
        {"upstream": "x" * 10_000},
        {"input_tokens": 2**63},
        {"cost_nano_usd": 10**25},
        {"status": 2**40},
    ],
    ids=["NUL", "long", "tokens", "cost", "status"],
)
def test_a_record_that_postgres_refuses_is_mended_and_the_others_are_untouched(connection, database_url, harm):
    good, bad = a_call(CLIENT, 1), a_call(CLIENT, 2)
    done = commit(
        connection,
        STREAM,
        [
            batch(
                1,
                admitted(good),
                admitted(bad),
                msgspec.structs.replace(settled(bad, 2), **harm),
                settled(good, 1),
            )
        ],
    )
    assert (done.calls, done.rejected) == (2, 0)
    rows = events(database_url)
    assert rows.keys() == {good.id, bad.id}
    assert rows[good.id]["output_tokens"] == settled(good, 1).output_tokens
    assert_rollups_are_the_sums_of_rows(database_url)


def test_a_record_that_cannot_be_mended_is_put_aside(connection, database_url):
    good = a_call(CLIENT, 1)
    bad = msgspec.structs.replace(a_call(CLIENT, 2), id=b"\xff" * 16)  # admitted in the year 10889
    done = commit(connection, STREAM, [batch(1, settled(bad), settled(good))])
    assert (done.calls, done.rejected) == (1, 1)
    assert events(database_url).keys() == {good.id}
    assert len(ask(database_url, "SELECT * FROM ledger_rejects")) == 1
    assert_rollups_are_the_sums_of_rows(database_url)


def test_numbers_that_never_came_are_counted(connection):
    assert commit(connection, STREAM, [batch(1, Heartbeat(0)), batch(5, Heartbeat(0))]).missing == 3


# ── Several writers, and the months ─────────────────────────────────────────────────────────────────────────────────


def test_a_stream_that_another_writer_has_is_left_alone(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, admitted(call))])
    with psycopg.connect(database_url) as other:
        other.execute("SELECT 1 FROM ledger_streams WHERE stream = %s FOR UPDATE", (STREAM,))
        assert commit(connection, STREAM, [batch(2, settled(call))]) is None
    assert commit(connection, STREAM, [batch(2, settled(call))]).calls == 1


def test_the_months_are_made_ahead_and_take_what_waited_for_them(connection, database_url):
    call = a_call(CLIENT)
    commit(connection, STREAM, [batch(1, admitted(call), settled(call))])
    assert len(ask(database_url, "SELECT * FROM usage_events_default")) == 1
    now = datetime.now(UTC)
    made = partitions.ensure(connection, now)
    assert len(made) == 6
    assert partitions.ensure(connection, now) == []
    assert ask(database_url, "SELECT * FROM usage_events_default") == []
    assert ask(database_url, "SELECT * FROM usage_attempts_default") == []
    assert ask(database_url, f"SELECT id FROM usage_events_{now:%Y_%m}")[0]["id"].bytes == call.id
    late = a_call(CLIENT)
    commit(connection, STREAM, [batch(3, admitted(late), settled(late))])
    assert len(ask(database_url, f"SELECT id FROM usage_events_{now:%Y_%m}")) == 2
    assert_rollups_are_the_sums_of_rows(database_url)


@pytest.mark.parametrize(
    ("month", "names"), [(11, ["2026_11", "2026_12", "2027_01"]), (12, ["2026_12", "2027_01", "2027_02"])]
)
def test_a_year_ends_between_two_months(connection, month, names):
    made = partitions.ensure(connection, datetime(2026, month, 30, 23, 59, tzinfo=UTC))
    assert [name for name in made if "events" in name] == [f"usage_events_{name}" for name in names]


def test_two_writers_make_the_months_while_rows_arrive(database_url):
    failures: list[Exception] = []
    start = threading.Barrier(3)

    def make() -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as opened:
                start.wait()
                partitions.ensure(opened, datetime.now(UTC))
        except Exception as error:
            failures.append(error)

    calls = [a_call(CLIENT, number) for number in range(200)]

    def write() -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as opened:
                start.wait()
                for seq, call in enumerate(calls):
                    commit(opened, STREAM, [batch(2 * seq + 1, admitted(call), settled(call, seq))])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for work in (make, make, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert events(database_url).keys() == {call.id for call in calls}
    assert_rollups_are_the_sums_of_rows(database_url)


def test_an_event_id_tells_the_time_of_admission(connection, database_url):
    call = msgspec.structs.replace(a_call(CLIENT), id=new_event_id())
    commit(connection, STREAM, [batch(1, settled(call), incarnation=uuid4())])
    row = events(database_url)[call.id]
    assert int(row["admitted_at"].timestamp() * 1000 + 0.5) == int.from_bytes(call.id[:6], "big")


def test_unreadable_records_are_what_they_were():
    assert decode_array(b"\x91\xc1", 1) == [Unreadable(b"\x91\xc1", decode_array(b"\x91\xc1", 1)[0].reason)]


# ── Whose objects are ───────────────────────────────────────────────────────────────────────────────────────────────────

AT = 1_795_000_000_000_001  # µs


def made(id: str = "file-1", app: int = 0xB, **columns) -> Made:
    call = msgspec.structs.replace(a_call(CLIENT), app_id=UUID(int=app).bytes)
    given = {"call": call, "id": id, "kind": "file", "upstream": "aoai-uksouth", "model": None, "parent_id": None}
    return Made(**{**given, "details": b'{"a":["\xc3\xbc"]}', "deferred_path": None, "at_us": AT, **columns})


def objects(database_url) -> dict[str, dict]:
    return {row["id"]: row for row in ask(database_url, "SELECT * FROM objects")}


def test_whose_an_object_is_becomes_a_row(connection, database_url):
    record = made(model="gpt-4o", parent_id="vs_1")
    done = commit(connection, STREAM, [batch(1, record)])
    assert (done.objects, done.rejected, done.calls) == (1, 0, 0)
    row = objects(database_url)["file-1"]
    call = record.call
    assert (row["client_id"].bytes, row["team_id"].bytes, row["app_id"].bytes) == (
        call.client_id,
        call.team_id,
        call.app_id,
    )
    assert (row["kind"], row["key_id"], row["upstream"], row["model"], row["parent_id"]) == (
        "file",
        call.key_id,
        "aoai-uksouth",
        "gpt-4o",
        "vs_1",
    )
    assert (row["details"], row["removed_at"]) == ({"a": ["ü"]}, None)
    assert round(row["created_at"].timestamp() * 1e6) == AT


def test_an_owner_that_comes_again_changes_nothing(connection, database_url):
    commit(connection, STREAM, [batch(1, made()), batch(1, made())])
    done = commit(connection, STREAM, [batch(1, made(upstream="x"), incarnation=PROXY), batch(2, made())])
    assert (done.objects, done.rejected) == (0, 0)
    assert objects(database_url)["file-1"]["upstream"] == "aoai-uksouth"


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("second", [{"app": 0xC}, {"upstream": "another"}])
def test_whoever_claims_what_has_an_owner_gets_nothing_and_is_put_aside(connection, database_url, together, second):
    told = []
    batches = [batch(1, made()), batch(2, made(**second))]
    for part in [batches] if together else [[each] for each in batches]:
        done = commit(connection, STREAM, part, before_contest=told.extend)
    assert done.rejected == 1
    row = objects(database_url)["file-1"]
    assert (row["app_id"], row["upstream"]) == (UUID(int=0xB), "aoai-uksouth")
    assert [bytes(each["record"]) for each in ask(database_url, "SELECT record FROM ledger_rejects")] != []
    # Redis, too, has taken the first of two that came together; of one that came before it may have forgotten it.
    assert [record.id for record in told] == ([] if together else ["file-1"])


def test_where_redis_cannot_be_told_of_a_contest_nothing_is_committed(connection, database_url):
    def away(_) -> None:
        raise OSError("Redis is away")

    commit(connection, STREAM, [batch(1, made())])
    with pytest.raises(OSError):
        commit(connection, STREAM, [batch(2, made(app=0xC), made("file-2"))], before_contest=away)
    assert objects(database_url).keys() == {"file-1"}
    assert commit(connection, STREAM, [batch(2, made(app=0xC), made("file-2"))]).objects == 1


def test_usage_that_comes_later_is_remembered_once_with_its_call(connection, database_url):
    record = made("batch_1", kind="batch", deferred_path="batches/batch_1")
    for _ in range(2):
        commit(connection, STREAM, [batch(1, record, made("file-2"))])
    commit(connection, STREAM, [batch(3, made("batch_1", kind="batch", deferred_path="elsewhere"))])
    [row] = ask(database_url, "SELECT *, due_at > now() AS soon FROM deferred_usage")
    assert (row["object_id"], row["kind"], row["stream"], row["upstream"], row["path"], row["soon"]) == (
        "batch_1",
        "batch",
        STREAM,
        "aoai-uksouth",
        "batches/batch_1",
        True,
    )
    assert msgspec.msgpack.decode(row["record"], type=Call) == record.call


def test_a_session_that_works_on_is_asked_for_again_and_who_looked_before_does_not_end_it(connection, database_url):
    path = {"kind": "agent_session", "deferred_path": "agents/sessions/s"}
    commit(connection, STREAM, [batch(1, made("s", **path))])
    connection.execute("UPDATE deferred_usage SET ended_at = now(), attempts = attempts + 1")
    again = made("s", **path)
    commit(connection, STREAM, [batch(2, again)])
    [row] = ask(database_url, "SELECT * FROM deferred_usage")
    assert (row["ended_at"], row["attempts"]) == (None, 2)
    assert msgspec.msgpack.decode(row["record"], type=Call) == again.call
    assert objects(database_url).keys() == {"s"}


def test_what_was_accounted_for_long_ago_is_removed_and_nothing_that_waits(connection, database_url, tmp_path):
    for number, ended in enumerate(("now() - interval '8 days'", "now() - interval '6 days'", "NULL")):
        commit(connection, STREAM, [batch(number + 1, made(f"b{number}", kind="batch", deferred_path="x"))])
        connection.execute(f"UPDATE deferred_usage SET ended_at = {ended} WHERE object_id = 'b{number}'")
    connection.execute("UPDATE deferred_usage SET due_at = now() - interval '90 days' WHERE ended_at IS NULL")
    with a_writer(database_url, spool=tmp_path, kept=7) as writer:
        writer.drain()
    assert {row["object_id"] for row in ask(database_url, "SELECT object_id FROM deferred_usage")} == {"b1", "b2"}
    assert objects(database_url).keys() == {"b0", "b1", "b2"}


def test_usage_of_an_object_that_is_somebody_elses_is_not_asked_for(connection, database_url):
    commit(connection, STREAM, [batch(1, made("batch_1"))])
    commit(connection, STREAM, [batch(2, made("batch_1", app=0xC, deferred_path="batches/batch_1"))])
    assert ask(database_url, "SELECT * FROM deferred_usage") == []


@pytest.mark.parametrize("together", [True, False])
def test_what_is_gone_is_marked_and_stays_marked(connection, database_url, together):
    records = (made(), made("file-2"), Gone(CLIENT, "file-1", AT + 5), Gone(CLIENT, "file-1", AT + 9))
    if together:
        commit(connection, STREAM, [batch(1, *records)])
    else:
        for seq, record in enumerate(records, 1):
            commit(connection, STREAM, [batch(seq, record)])
    rows = objects(database_url)
    assert (rows["file-1"]["removed_at"] is None, rows["file-2"]["removed_at"]) == (False, None)
    commit(connection, STREAM, [batch(5, made())])
    assert objects(database_url)["file-1"]["removed_at"] is not None


def test_no_client_removes_what_another_one_owns(connection, database_url):
    commit(connection, STREAM, [batch(1, made(), Gone(UUID(int=5).bytes, "file-1", AT), Gone(CLIENT, "file-2", AT))])
    assert {id: row["removed_at"] for id, row in objects(database_url).items()} == {"file-1": None}


@pytest.mark.parametrize(
    "hostile",
    [
        {"kind": "fi\0le"},
        {"model": "gpt\0" * 1000},
        {"parent_id": "x\0"},
        {"upstream": "\0"},
        {"details": b'{"a": "\\u0000", "b": ["\\ud800"]}'},
        {"details": b"no JSON"},
        {"details": b"\xff"},
        {"details": b"[" * 100_000},
        {"at_us": 2**62},
        {"at_us": -(2**62)},
        {"deferred_path": "a\0b"},
    ],
)
def test_an_object_that_postgres_refuses_is_mended_and_keeps_nothing_back(connection, database_url, hostile):
    call = a_call(CLIENT)
    records = (admitted(call), made("file-1", **hostile), settled(call), made("file-2"), Gone(CLIENT, "file-2", AT))
    done = commit(connection, STREAM, [batch(1, *records)])
    assert (done.objects, done.calls, done.rejected) == (2, 1, 0)
    assert objects(database_url).keys() == {"file-1", "file-2"}
    assert objects(database_url)["file-2"]["removed_at"] is not None


@pytest.mark.parametrize("id", ["file\0", "x" * 9000])
def test_an_object_whose_id_cannot_be_kept_is_put_aside_and_keeps_nothing_back(connection, database_url, id):
    id = id if len(id) < 9000 else "".join(uuid4().hex for _ in range(300))  # that does not compress
    done = commit(connection, STREAM, [batch(1, made(id), made("file-2"), Gone(CLIENT, id, AT), made("file-3"))])
    assert (done.objects, done.watermarks) == (2, {PROXY: 4})
    assert objects(database_url).keys() == {"file-2", "file-3"}
    assert len(ask(database_url, "SELECT * FROM ledger_rejects")) >= 1


def test_a_gone_object_with_an_impossible_time_keeps_nothing_back(connection, database_url):
    done = commit(connection, STREAM, [batch(1, made(), Gone(CLIENT, "file-1", 2**62), Gone(b"short", "x", AT))])
    assert done.watermarks == {PROXY: 3}
    assert objects(database_url).keys() == {"file-1"}


def test_two_writers_that_claim_the_same_objects_agree(database_url):
    ids = [f"file-{number}" for number in range(50)]
    start = threading.Barrier(2)
    failures: list[Exception] = []

    def write(stream: int) -> None:
        order = ids if stream else ids[::-1]
        try:
            with psycopg.connect(database_url, autocommit=True) as opened:
                start.wait()
                records = [made(id, app=stream + 0xB) for id in order]
                commit(opened, str(UUID(int=stream + 1)), [batch(1, *records)])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(stream,)) for stream in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert objects(database_url).keys() == set(ids)
    assert len(ask(database_url, "SELECT * FROM ledger_rejects")) == 50
