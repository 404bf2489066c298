"""Timeouts, cancellation and back-pressure: what an exchange may cost in time and memory."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from proxy.upstream import (
    AnswerTimedOut,
    ClientOptions,
    CutShort,
    FirstByteTimedOut,
    IdleTimedOut,
    UpstreamClient,
    UpstreamError,
    UpstreamResponse,
)
from tests.proxy.upstream.scripted import Peer, ScriptedServer, answering, serving, until

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = b"3\r\nabc\r\n"


class Silent:
    """Sends what it is told, then nothing, and notes when the client hangs up."""

    def __init__(self, *segments: bytes) -> None:
        self.segments = segments
        self.hung_up = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        await peer.send(*self.segments)
        assert await peer.hung_up()
        self.hung_up.set()


async def send(client: UpstreamClient, server: ScriptedServer, **options: Any) -> UpstreamResponse:
    return await client.send(server.origin, method=b"POST", target=b"/", body=b"{}", **options)


@pytest.mark.parametrize(
    ("segments", "options", "error"),
    [
        ([], {"first_byte_timeout": 0.1}, FirstByteTimedOut),
        ([b"HTTP/1.1 200 OK\r\nx: "], {"first_byte_timeout": 0.1}, FirstByteTimedOut),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], {"first_byte_timeout": 0.1}, FirstByteTimedOut),
        ([], {"answer_timeout": 0.1}, AnswerTimedOut),
        ([HEAD, PIECE], {"answer_timeout": 0.1}, AnswerTimedOut),
        ([HEAD], {"idle_timeout": 0.1}, IdleTimedOut),
        ([HEAD, PIECE], {"idle_timeout": 0.1}, IdleTimedOut),
        ([HEAD, PIECE, b"1;"], {"idle_timeout": 0.1}, IdleTimedOut),
    ],
)
async def test_silence_ends_in_the_error_of_its_stage_and_a_hang_up(
    client: UpstreamClient, segments: list[bytes], options: dict[str, float], error: type[UpstreamError]
) -> None:
    script = Silent(*segments)
    async with serving(script) as server:
        with pytest.raises(error) as failure:
            await send(client, server, whole=True, **options)
        assert failure.value.may_have_been_processed
        await asyncio.wait_for(script.hung_up.wait(), 10)
        assert client.connections == 0


async def test_a_stream_that_stops_times_out_after_its_pieces(client: UpstreamClient) -> None:
    async with serving(Silent(HEAD, PIECE)) as server:
        response = await send(client, server, idle_timeout=0.1)
        assert await response.receive() == b"abc"
        with pytest.raises(IdleTimedOut):
            await response.receive()


async def test_a_head_that_drips_is_not_a_first_byte(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"a: b\r\n")
            await asyncio.sleep(0.02)

    async with serving(script) as server:
        with pytest.raises(FirstByteTimedOut):
            await send(client, server, first_byte_timeout=0.2)


async def test_framing_that_drips_is_no_piece(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"1;")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.02)

    async with serving(script) as server:
        with pytest.raises(IdleTimedOut):
            await send(client, server, whole=True, idle_timeout=0.2)


async def test_a_stream_that_goes_on_may_last_longer_than_its_idle_time(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        for _ in range(10):
            await asyncio.sleep(0.05)
            await peer.send(PIECE)
        await peer.send(b"0\r\n\r\n")
        await peer.hung_up()

    async with serving(script) as server:
        response = await send(client, server, idle_timeout=0.25, first_byte_timeout=0.25)
        assert await response.read(1000) == b"abc" * 10


async def test_a_reused_connection_starts_with_new_deadlines(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.3)
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with serving(script) as server:
        for _ in range(2):
            assert (await send(client, server, first_byte_timeout=5.0, answer_timeout=0.6)).complete
        assert len(server.peers) == 1


async def test_cancelling_a_call_hangs_up_at_once(client: UpstreamClient) -> None:
    script = Silent()
    async with serving(script) as server:
        call = asyncio.ensure_future(send(client, server))
        await until(lambda: len(server.peers) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(script.hung_up.wait(), 10)
        assert client.connections == 0


async def test_cancelling_a_receive_hangs_up_at_once(client: UpstreamClient) -> None:
    script = Silent(HEAD)
    async with serving(script) as server:
        response = await send(client, server)
        receiver = asyncio.ensure_future(response.receive())
        await asyncio.sleep(0)
        receiver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiver
        await asyncio.wait_for(script.hung_up.wait(), 10)
        assert client.connections == 0


async def test_closing_an_unfinished_answer_hangs_up_at_once_and_again_does_nothing(client: UpstreamClient) -> None:
    script = Silent(HEAD, PIECE)
    async with serving(script) as server:
        response = await send(client, server)
        response.close()
        response.close()
        await asyncio.wait_for(script.hung_up.wait(), 10)
        with pytest.raises(CutShort):
            await response.receive()
        assert client.connections == 0


async def test_closing_a_complete_answer_leaves_its_connection_to_others(client: UpstreamClient) -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")) as server:
        first = await send(client, server)
        second = await send(client, server)
        first.close()
        assert second.body == first.body == b"abc"
        assert client.connections == len(server.peers) == 1


async def test_waiting_with_a_limit_does_not_end_the_answer(client: UpstreamClient) -> None:
    script = Silent(HEAD)
    async with serving(script) as server:
        response = await send(client, server)
        assert not await response.ready(within=0.01)
        assert not script.hung_up.is_set()
        assert client.connections == 1
        response.close()


async def test_an_upstream_that_outruns_its_reader_is_held_back() -> None:
    client = UpstreamClient(ClientOptions(max_unread_bytes=100_000))
    sent = 0
    total = 100_000_000
    piece = b"x" * 1_000_000

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while sent < total:
            peer.writer.write(piece)
            await peer.writer.drain()
            sent += len(piece)
        await peer.hung_up()

    async with serving(script) as server:
        response = await send(client, server, idle_timeout=0.2)
        await settled(lambda: sent)
        assert sent < 40_000_000  # what the kernels' buffers take, and no more
        assert response._unread < 1_000_000
        # Our reader's pause, longer than the idle time, is not the upstream's silence.
        size = 0
        while chunk := await response.receive():
            size += len(chunk)
        assert size == total
        assert client.connections_by_origin()[server.origin].idle == 1
    await client.close()


async def settled(value: Callable[[], int]) -> None:
    """Wait until it has not changed for half a second."""
    seen, since = value(), 0
    while since < 10:
        await asyncio.sleep(0.05)
        since = since + 1 if value() == seen else 0
        seen = value()


async def test_three_hundred_streams_at_once(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.send(HEAD)
            for number in range(20):
                await peer.send(b"%x\r\n%b:%d \r\n" % (len(request.body) + len(str(number)) + 2, request.body, number))
            await peer.send(b"0\r\n\r\n")

    async def stream(server: ScriptedServer, name: bytes) -> bytes:
        response = await client.send(server.origin, method=b"POST", target=b"/", body=name)
        received = b""
        while piece := await response.receive():
            received += piece
        return received

    async with serving(script) as server:
        names = [b"stream-%d" % number for number in range(300)]
        bodies = await asyncio.gather(*[stream(server, name) for name in names])
        for name, body in zip(names, bodies, strict=True):
            assert body == b"".join(b"%b:%d " % (name, number) for number in range(20))
        counts = client.connections_by_origin()[server.origin]
        assert counts.open == counts.idle == len(server.peers) <= 300
