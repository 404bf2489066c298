"""The ledger log in files: nothing is lost but what the disk corrupts, and that is told."""

import asyncio
import os
import random
import resource
from uuid import UUID

import pytest

from core.ledger.records import Heartbeat, encode
from core.settings import Settings
from proxy.ledger import LedgerFull
from proxy.ledger.frames import Corrupt, Frame, frame, read_frames
from proxy.ledger.spool import SpoolLog
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled
from tests.proxy.writer.desk import a_writer, add_client, ask, assert_rollups_are_the_sums_of_rows, events


@pytest.fixture
def client(database_url: str) -> bytes:
    return add_client(database_url)


@pytest.fixture
async def open_log(tmp_path):
    opened = []

    async def start(**given) -> SpoolLog:
        segment_bytes = given.pop("segment_bytes", 8 * 1024 * 1024)
        log = SpoolLog(tmp_path / "spool", Settings(database_url="", **given), segment_bytes=segment_bytes)
        await log.start()
        opened.append(log)
        return log

    yield start
    for log in opened:
        if log._file >= 0:
            await log.close()


async def make_calls(log: SpoolLog, client: bytes, count: int) -> set[bytes]:
    made = set()
    for number in range(count):
        call = a_call(client, number)
        await log.admit(admitted(call), a_claim(call), required=True)
        log.settle(settled(call, number), a_claim(call))
        made.add(call.id)
    await asyncio.sleep(0)  # settlements are written after this turn
    return made


async def drain(database_url, log: SpoolLog) -> None:
    with a_writer(database_url, spool=log.directory.parent) as writer:
        while await asyncio.to_thread(writer.drain):
            pass


async def drain_until_the_directory_goes(database_url, log: SpoolLog, passes: int = 200) -> None:
    with a_writer(database_url, spool=log.directory.parent, lease=0.5) as writer:
        for _ in range(passes):
            await asyncio.to_thread(writer.drain)
            if not log.directory.exists():
                return
            await asyncio.sleep(0.05)
    raise AssertionError("the directory of a dead proxy stays")


async def test_an_admitted_call_is_in_the_file_when_admit_returns(open_log, client):
    log = await open_log()
    call = a_call(client)
    await log.admit(admitted(call), a_claim(call), required=True)
    data = (log.directory / "0000000001.seg").read_bytes()
    assert read_frames(data, finished=True, limit=9) == ([Frame(1, encode(admitted(call)))], len(data))


async def test_every_call_is_one_row_and_files_that_are_done_go(open_log, database_url, client):
    log = await open_log(segment_bytes=20_000)
    made = await make_calls(log, client, 500)
    assert len(list(log.directory.glob("*.seg"))) > 5
    await drain(database_url, log)
    assert events(database_url).keys() == made
    assert len(list(log.directory.glob("*.seg"))) == 1
    log._read_watermark()
    assert log.unacknowledged == 0
    made |= await make_calls(log, client, 3)
    await drain(database_url, log)
    assert events(database_url).keys() == made
    assert_rollups_are_the_sums_of_rows(database_url)


async def test_what_a_closed_proxy_leaves_is_written_and_its_directory_goes(open_log, database_url, client):
    log = await open_log()
    made = await make_calls(log, client, 10)
    await log.close()
    await drain(database_url, log)
    assert events(database_url).keys() == made
    await drain_until_the_directory_goes(database_url, log)


async def test_a_living_proxys_directory_stays(open_log, database_url, client):
    log = await open_log()
    await make_calls(log, client, 3)
    with pytest.raises(AssertionError, match="stays"):
        await drain_until_the_directory_goes(database_url, log, passes=20)


async def test_a_torn_last_frame_is_ignored(open_log, database_url, client):
    log = await open_log()
    made = await make_calls(log, client, 10)
    await log.close()
    segment = log.directory / "0000000001.seg"
    torn = frame(21, encode(Heartbeat(1)))
    segment.write_bytes(segment.read_bytes() + torn[:-3])
    await drain(database_url, log)
    assert events(database_url).keys() == made
    assert ask(database_url, "SELECT * FROM ledger_rejects") == []
    await drain_until_the_directory_goes(database_url, log)


async def test_a_frame_that_is_being_written_is_taken_when_it_is_whole(open_log, database_url, client):
    log = await open_log()
    made = await make_calls(log, client, 2)
    await log.close()
    segment, late = log.directory / "0000000001.seg", a_call(client)
    whole = frame(5, encode(settled(late)))
    with a_writer(database_url, spool=log.directory.parent) as writer, segment.open("ab") as file:
        file.write(whole[:30])
        file.flush()
        await asyncio.to_thread(writer.drain)
        file.write(whole[30:])
        file.flush()
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == made | {late.id}


async def test_a_corrupt_part_is_put_aside_and_all_around_it_is_taken(open_log, database_url, client, caplog):
    log = await open_log()
    calls = [a_call(client, number) for number in range(30)]
    for number, call in enumerate(calls):
        await log.admit(admitted(call), a_claim(call), required=True)
        log.settle(settled(call, number), a_claim(call))
        await asyncio.sleep(0)
    await log.close()
    segment = log.directory / "0000000001.seg"
    data = bytearray(segment.read_bytes())
    frames, _ = read_frames(bytes(data), finished=True, limit=100)
    start = sum(16 + len(each.record) for each in frames[:20])  # the admission of call 10
    data[start + 40] ^= 0xFF
    segment.write_bytes(data)
    await drain(database_url, log)
    assert events(database_url).keys() == {call.id for call in calls}  # it settled: its row is whole
    rejects = ask(database_url, "SELECT seq, record, reason FROM ledger_rejects")
    assert [(each["seq"], bytes(each["record"])) for each in rejects] == [
        (21, bytes(data[start : start + 16 + len(frames[20].record)]))
    ]
    assert "corrupt" in caplog.text


@pytest.mark.parametrize("seed", range(40))
def test_what_checks_is_found_around_any_damage(seed):
    randomness = random.Random(seed)
    whole = [frame(number, randomness.randbytes(randomness.randrange(1, 300))) for number in range(1, 40)]
    damaged = randomness.sample(range(1, 38), 3)
    parts = list(whole)
    for index in damaged:
        part = bytearray(parts[index])
        for _ in range(randomness.randrange(1, 20)):
            part[randomness.randrange(len(part))] ^= randomness.randrange(1, 256)
        if randomness.random() < 0.3:
            del part[randomness.randrange(len(part)) :]
        parts[index] = bytes(part)
    data = b"".join(parts)
    found, length = read_frames(data, finished=True, limit=1000)
    assert length == len(data)
    assert {each.number for each in found if isinstance(each, Frame)} >= set(range(1, 40)) - {i + 1 for i in damaged}
    assert any(isinstance(each, Corrupt) for each in found) or all(parts[i] == whole[i] for i in damaged)


async def test_a_disk_that_is_full_in_mid_record_refuses_and_goes_on_when_there_is_room(open_log, database_url, client):
    log = await open_log()
    made = await make_calls(log, client, 3)
    open_call = a_call(client, 9)
    await log.admit(admitted(open_call), a_claim(open_call), required=True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log._size + 50, before[1]))  # 50 bytes of a record still fit
    try:
        with pytest.raises(LedgerFull):
            await make_calls(log, client, 1)
        log.settle(settled(open_call, 9), a_claim(open_call))
        await asyncio.sleep(0)
        assert not log.connected
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    made |= await make_calls(log, client, 3) | {open_call.id}
    assert log.connected
    await drain(database_url, log)
    rows = events(database_url)
    assert rows.keys() == made
    assert rows[open_call.id]["usage_source"] == "reported"
    data = (log.directory / "0000000001.seg").read_bytes()
    assert [each.number for each in read_frames(data, finished=True, limit=99)[0]] == list(range(1, 15))


async def test_a_full_buffer_refuses(open_log, database_url, client):
    log = await open_log(ledger_buffer_calls=5)
    await make_calls(log, client, 5)
    with pytest.raises(LedgerFull):
        await make_calls(log, client, 1)
    await drain(database_url, log)
    log._read_watermark()
    await make_calls(log, client, 5)


async def test_a_full_buffer_that_allows_counts_what_goes_unrecorded(open_log, client):
    log = await open_log(ledger_buffer_calls=5, on_ledger_full="allow")
    await make_calls(log, client, 9)
    assert (log.dropped, log.unacknowledged) == (4, 5)


async def test_a_dead_proxys_open_calls_are_estimated_before_its_directory_goes(open_log, database_url, client):
    log = await open_log()
    call = a_call(client)
    await log.admit(admitted(call), a_claim(call), required=True)
    os.close(log._lock)  # as its death would
    await drain_until_the_directory_goes(database_url, log)
    assert events(database_url)[call.id]["usage_source"] == "estimated"
    log._lock = os.open("/dev/null", os.O_RDONLY)


async def test_a_foreign_file_in_the_spool_harms_nothing(open_log, database_url, client):
    log = await open_log()
    (log.directory.parent / "notes.txt").write_text("hello")
    (log.directory.parent / str(UUID(int=5))).mkdir()
    made = await make_calls(log, client, 2)
    await drain(database_url, log)
    assert events(database_url).keys() == made
