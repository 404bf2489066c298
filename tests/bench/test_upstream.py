"""The fake upstream answers exactly what a tag asks for."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bench.traffic import CREDIT, CREDIT_GREETING, DONE, Plan, answer_body, events, request
from bench.upstream import serve


@asynccontextmanager
async def conversation():
    server = await serve("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield port, reader, writer
    writer.close()
    server.close()


async def read_stream(reader: asyncio.StreamReader) -> list[bytes]:
    """The events of one chunked body."""
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]


def asking(plan: Plan, **changes) -> bytes:
    wire = request(plan, "upstream", "/v1/chat/completions", "adu_bench")
    for old, new in changes.items():
        wire = wire.replace(old.encode(), new)
    return wire


@pytest.mark.parametrize("plan", [Plan(0), Plan(9_999), Plan(12, 5, 3), Plan(12, 100, CREDIT)])
def test_a_tag_says_all_of_its_plan_and_no_tag_says_another(plan):
    assert Plan.from_tag(plan.tag) == plan
    with pytest.raises(ValueError, match="no tag"):
        Plan.from_tag(plan.tag[:-1])


async def test_each_marker_has_an_answer_of_its_own_even_from_a_request_that_comes_in_pieces():
    async with conversation() as (_, reader, writer):
        for plan in (Plan(1), Plan(2), Plan(1)):
            wire = asking(plan)
            for start in range(0, len(wire), 400):
                writer.write(wire[start : start + 400])
                await writer.drain()
                await asyncio.sleep(0)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            assert body == answer_body(plan)


@pytest.mark.parametrize("pace_ms", [0, 1])
async def test_a_stream_has_usage_only_where_it_was_asked_for(pace_ms):
    plan = Plan(3, 6, pace_ms)
    async with conversation() as (_, reader, writer):
        writer.write(asking(plan))
        assert await read_stream(reader) == [*events(plan, usage=False), DONE]
        body = b'{"stream_options":{"include_usage":true},"prompt":"' + plan.tag + b'"}'
        writer.write(b"POST /x HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        found = await read_stream(reader)
    assert found == [*events(plan, usage=True), DONE]
    assert b'"choices":[]' in found[-2]
    assert b'"usage":{' in found[-2]
    # What a gateway takes out again leaves exactly what a caller who did not ask is owed.
    assert [event.replace(b',"usage":null', b"") for event in found[:-2]] == events(plan, usage=False)


async def test_a_stream_by_credit_waits_for_its_credit():
    plan = Plan(258, 4, CREDIT)
    async with conversation() as (port, reader, writer):
        _, credit = await asyncio.open_connection("127.0.0.1", port)
        credit.write(CREDIT_GREETING)
        writer.write(asking(plan))
        expected = events(plan, usage=False)
        await reader.readuntil(b"\r\n\r\n")
        for number, event in enumerate(expected):
            await reader.readline()
            assert await reader.readexactly(len(event)) == event
            await reader.readexactly(2)
            if number < len(expected) - 1:
                assert not reader._buffer  # nothing came unasked
                credit.write(plan.marker.to_bytes(2, "big"))
        await reader.readline()
        assert await reader.readexactly(len(DONE)) == DONE
        credit.close()


async def test_a_request_without_a_tag_is_refused():
    async with conversation() as (_, reader, writer):
        writer.write(b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
