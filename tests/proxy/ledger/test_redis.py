"""The ledger log on Redis, against a real Valkey and a writer."""

import asyncio
import ssl
from uuid import UUID

import pytest
import redis as redis_py
import trustme

from core.ledger.keys import StreamKeys
from core.limits import Family, Period, ScopeKind, Unit
from core.limits.fields import families_text
from core.redis import parse_redis_url
from core.settings import Settings
from proxy.ledger import LedgerFull, LedgerUnavailable
from proxy.ledger.redis import RedisLog
from tests.proxy.ledger.calls import a_call, a_claim, admitted, settled
from tests.proxy.writer.desk import a_writer, add_client, ask, assert_rollups_are_the_sums_of_rows, events
from tests.relay import Relay


async def until(condition, seconds: float = 10.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def settings(**given) -> Settings:
    return Settings(database_url="", **{"redis_timeout": 0.4, **given})


@pytest.fixture
def client(database_url: str) -> bytes:
    return add_client(database_url)


@pytest.fixture
async def open_log(redis_url: str):
    opened = []

    async def start(**given) -> RedisLog:
        log = RedisLog(redis_url, settings(**given))
        await log.start()
        opened.append(log)
        return log

    yield start
    for log in opened:
        await log.close()


async def make_calls(log: RedisLog, client: bytes, count: int, *, required: bool = True) -> list:
    async def one(number: int):
        call = a_call(client, number)
        await log.admit(admitted(call), a_claim(call), required=required)
        record = settled(call, number)
        log.settle(record, a_claim(call))
        return record

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def delivered(log: RedisLog) -> None:
    await until(lambda: log.connected and all(s.acked >= s.next_seq - 1 for s in log._streams.values()))


async def test_every_call_is_one_row_with_its_figures(open_log, redis_url, database_url, client):
    log = await open_log()
    made = await make_calls(log, client, 100)
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
    rows = events(database_url)
    assert rows.keys() == {record.call.id for record in made}
    for record in made:
        row = rows[record.call.id]
        assert (row["status"], row["usage_source"], row["request_id"]) == (200, "reported", record.call.request_id)
        assert int(row["cost_usd"].scaleb(9)) == record.cost_nano_usd
        assert (row["input_tokens"], row["output_tokens"]) == (record.input_tokens, record.output_tokens)
        assert row["admitted_at"].timestamp() * 1000 == pytest.approx(int.from_bytes(record.call.id[:6], "big"))
        assert (row["time_to_first_byte_ms"], row["duration_ms"]) == (12.5, 340.25)
    attempts = ask(database_url, "SELECT * FROM usage_attempts")
    assert {(each["event_id"].bytes, each["attempt"], each["upstream_request_id"]) for each in attempts} == {
        (record.call.id, 1, record.attempts[0].upstream_request_id) for record in made
    }
    assert ask(database_url, "SELECT * FROM admitted_calls") == []
    assert_rollups_are_the_sums_of_rows(database_url)


async def test_the_watermark_empties_the_buffer_and_the_stream(open_log, redis_url, database_url, client):
    log = await open_log()
    await make_calls(log, client, 20)
    assert log.unacknowledged == 20
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
    await until(lambda: log.unacknowledged == 0)
    stream = log._streams[client]
    assert (stream.admissions, stream.ends, stream.open) == ({}, {}, {})
    keys = StreamKeys(UUID(bytes=client))
    with redis_py.Redis.from_url(redis_url) as valkey:
        assert valkey.xlen(keys.log) == 0
        assert int(valkey.hget(keys.watermarks, str(log.incarnation))) == stream.next_seq - 1


async def test_what_redis_forgets_is_sent_again(open_log, redis_url, database_url, client):
    log = await open_log()
    with a_writer(database_url, redis_url=redis_url) as writer, redis_py.Redis.from_url(redis_url) as valkey:
        made = await make_calls(log, client, 10)
        await delivered(log)
        await asyncio.to_thread(writer.drain)
        made += await make_calls(log, client, 10)
        await delivered(log)
        valkey.flushall()
        made += await make_calls(log, client, 10)
        await delivered(log)
        await asyncio.to_thread(writer.drain)
        await until(lambda: log.unacknowledged == 0)
        assert writer.totals.missing == 0
    assert events(database_url).keys() == {record.call.id for record in made}
    assert_rollups_are_the_sums_of_rows(database_url)


async def test_what_redis_forgets_is_sent_again_though_nobody_calls(open_log, redis_url, database_url, client):
    log = await open_log()
    made = await make_calls(log, client, 10)
    await delivered(log)
    with redis_py.Redis.from_url(redis_url) as valkey:
        valkey.flushall()
        await until(lambda: valkey.exists(StreamKeys(UUID(bytes=client)).log))
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_call_goes_on_where_redis_forgot_all_that_postgres_has(open_log, redis_url, database_url, client):
    log = await open_log()
    with a_writer(database_url, redis_url=redis_url) as writer, redis_py.Redis.from_url(redis_url) as valkey:
        made = await make_calls(log, client, 10)
        await delivered(log)
        await asyncio.to_thread(writer.drain)
        await until(lambda: log.unacknowledged == 0)
        valkey.flushall()
        made += await make_calls(log, client, 3)
        await delivered(log)
        await asyncio.to_thread(writer.drain)
        assert writer.totals.missing == 0
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_broken_connection_loses_and_doubles_nothing(open_log, redis_url, database_url, client):
    log = await open_log()
    made = []
    with a_writer(database_url, redis_url=redis_url) as writer, redis_py.Redis.from_url(redis_url) as valkey:
        for _ in range(5):
            calls = asyncio.create_task(make_calls(log, client, 200))
            await asyncio.sleep(0)  # the admissions are on their way
            valkey.client_kill_filter(_type="normal", skipme=True)
            made += await calls
            await asyncio.to_thread(writer.drain)
        await delivered(log)
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}
    assert_rollups_are_the_sums_of_rows(database_url)


async def test_a_forgotten_script_is_loaded_again(open_log, redis_url, database_url, client):
    log = await open_log()
    with redis_py.Redis.from_url(redis_url) as valkey:
        valkey.script_flush()
        made = await make_calls(log, client, 5)
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_required_admission_is_refused_while_redis_is_away_and_leaves_no_row(
    open_log, valkey, database_url, client
):
    log = await open_log()
    valkey.kill()
    with pytest.raises(LedgerUnavailable) as refused:
        await make_calls(log, client, 1)
    assert refused.value.retry_after > 0
    valkey.start()
    made = []

    async def served_again() -> bool:
        try:
            made.extend(await make_calls(log, client, 1))
        except LedgerUnavailable:
            return False
        return True

    for _ in range(100):
        if await served_again():
            break
        await asyncio.sleep(0.05)
    await delivered(log)
    with a_writer(database_url, redis_url=valkey.url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}
    assert ask(database_url, "SELECT * FROM admitted_calls") == []
    await until(lambda: log.unacknowledged == 0)


async def test_an_admission_that_need_not_be_confirmed_goes_on_and_is_delivered_later(
    open_log, valkey, database_url, client
):
    log = await open_log()
    valkey.kill()
    made = await make_calls(log, client, 30, required=False)
    made += await make_calls(log, client, 30, required=False)
    assert log.unacknowledged == 60
    valkey.start()
    await delivered(log)
    with a_writer(database_url, redis_url=valkey.url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_proxy_starts_while_redis_is_away(start_valkey, database_url, client):
    valkey = start_valkey()
    valkey.kill()
    log = RedisLog(valkey.url, settings())
    await log.start()
    assert not log.connected
    valkey.start()
    await until(lambda: log.connected)
    made = await make_calls(log, client, 3)
    await log.close()
    with a_writer(database_url, redis_url=valkey.url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_full_buffer_refuses_and_lets_in_again_when_postgres_has_caught_up(
    open_log, redis_url, database_url, client
):
    log = await open_log(ledger_buffer_calls=10)
    made = await make_calls(log, client, 10)
    with pytest.raises(LedgerFull):
        await make_calls(log, client, 1)
    assert log.dropped == 0
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
        await until(lambda: log.unacknowledged == 0)
        made += await make_calls(log, client, 10)
        await delivered(log)
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_full_buffer_that_allows_counts_what_goes_unrecorded(open_log, redis_url, database_url, client):
    log = await open_log(ledger_buffer_calls=10, on_ledger_full="allow")
    made = await make_calls(log, client, 10)
    await make_calls(log, client, 7)
    assert (log.dropped, log.unacknowledged) == (7, 10)
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_call_that_is_cancelled_while_it_is_admitted_leaves_no_row(open_log, redis_url, database_url, client):
    log = await open_log()
    call = asyncio.create_task(log.admit(admitted(lost := a_call(client)), a_claim(lost), required=True))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url) == {}
    assert ask(database_url, "SELECT * FROM admitted_calls") == []
    await until(lambda: log.unacknowledged == 0)


async def test_redis_out_of_memory_keeps_the_records_here_until_there_is_room(
    open_log, redis_url, database_url, client
):
    log = await open_log()
    with redis_py.Redis.from_url(redis_url) as valkey:
        valkey.config_set("maxmemory", "1")
        with pytest.raises(LedgerUnavailable):
            await make_calls(log, client, 1)
        made = await make_calls(log, client, 5, required=False)
        assert not log.connected
        valkey.config_set("maxmemory", "0")
    await delivered(log)
    with a_writer(database_url, redis_url=redis_url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_redis_that_hangs_counts_as_lost(open_log, valkey, database_url, client):
    import os
    import signal

    log = await open_log()
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        made = await make_calls(log, client, 5, required=False)
        await until(lambda: not log.connected)
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    await delivered(log)
    with a_writer(database_url, redis_url=valkey.url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_calls_do_not_queue_behind_each_other_at_a_slow_redis(valkey, database_url, client):
    with Relay(valkey.port) as relay:
        log = RedisLog(relay.url(valkey.url), settings(redis_timeout=3.0))
        await log.start()
        relay.delay = 0.1
        began = asyncio.get_running_loop().time()
        made = await make_calls(log, client, 500)
        made += await make_calls(log, client, 500)
        assert asyncio.get_running_loop().time() - began < 10.0  # a round trip each would be 100 s
        relay.delay = 0.0
        await delivered(log)
        await log.close()
    with a_writer(database_url, redis_url=valkey.url) as writer:
        await asyncio.to_thread(writer.drain)
    assert events(database_url).keys() == {record.call.id for record in made}


async def test_a_password_is_in_no_error(start_valkey, caplog):
    valkey = start_valkey()
    wrong = valkey.url.replace(valkey.password, "not-the-password")
    log = RedisLog(wrong, settings())
    await log.start()
    assert not log.connected
    await log.close()
    assert "WRONGPASS" in caplog.text
    assert "not-the-password" not in caplog.text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", ("h", 6379, 0, None, None, False, None)),
        ("redis://:p%40w@h:1/2", ("h", 1, 2, None, "p@w", False, None)),
        ("rediss://u:p@h:2", ("h", 2, 0, "u", "p", True, None)),
        ("unix://:p@/run/r.sock?db=3", ("", 6379, 3, None, "p", False, "/run/r.sock")),
    ],
)
def test_a_redis_url_says_where_and_who(url, expected):
    address = parse_redis_url(url)
    assert (
        address.host,
        address.port,
        address.database,
        address.username,
        address.password,
        address.tls,
        address.path,
    ) == expected
    assert "p@w" not in repr(address)


@pytest.mark.parametrize("url", ["http://:secret@h", "redis://:secret@h/x", "redis://", "unix://:secret@"])
def test_a_redis_url_that_is_none_is_told_without_its_password(url):
    with pytest.raises(ValueError) as error:
        parse_redis_url(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("way", ["tls", "unix"])
async def test_redis_is_reached_by_tls_and_by_a_unix_socket(valkey, tmp_path, way):
    async def forward(reader, writer) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", valkey.port)

        async def pump(source, sink) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer), return_exceptions=True)

    trusting = None
    if way == "tls":
        authority = trustme.CA()
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(serving)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=serving)
        url = f"rediss://:{valkey.password}@localhost:{server.sockets[0].getsockname()[1]}/0"
    else:
        server = await asyncio.start_unix_server(forward, tmp_path / "socket")
        url = f"unix://:{valkey.password}@{tmp_path}/socket"
    log = RedisLog(url, settings(redis_timeout=2.0), tls=trusting)
    await log.start()
    made = await make_calls(log, UUID(int=9).bytes, 5)
    await log.close()
    server.close()
    with redis_py.Redis.from_url(valkey.url) as there:
        entries = there.xrange(StreamKeys(UUID(int=9)).log)
    assert sum(int(entry[b"n"]) for _, entry in entries) == 2 * len(made)


async def test_a_certificate_that_nobody_vouches_for_is_refused(valkey, caplog):
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(serving)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=serving)
    log = RedisLog(f"rediss://:p@localhost:{server.sockets[0].getsockname()[1]}/0", settings(redis_timeout=2.0))
    await log.start()
    assert not log.connected
    assert "certificate" in caplog.text.lower()
    await log.close()
    server.close()


async def test_a_call_that_two_proxies_settle_is_counted_once_in_redis_too(open_log, redis_url, database_url, client):
    first, second = await open_log(), await open_log()
    [record] = await make_calls(first, client, 1)
    await second.admit(admitted(record.call), a_claim(record.call), required=True)
    second.settle(record, a_claim(record.call))
    await delivered(first), await delivered(second)
    keys = StreamKeys(UUID(bytes=client))
    family = families_text([Family(ScopeKind.CLIENT, Unit.TOKENS, Period.TOTAL, "UTC")])
    with redis_py.Redis.from_url(redis_url) as valkey, a_writer(database_url, redis_url=redis_url) as writer:
        valkey.hset(keys.state, mapping={"families": family, "version": 1})
        valkey.hset(keys.spent, "what both proxies counted", 2)
        await asyncio.to_thread(writer.drain)
        assert writer.totals.ignored == 1
        await asyncio.to_thread(writer.drain)  # the gate is closed: sums are made anew, and it opens
        [amount] = valkey.hvals(keys.spent)
        assert int(amount) == record.input_tokens + record.output_tokens
        assert valkey.hget(keys.state, "wanted") is None
    assert len(events(database_url)) == 1
