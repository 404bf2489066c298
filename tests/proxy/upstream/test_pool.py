"""Which connection a call gets, how many there are, and when a call may be sent a second time."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.upstream import (
    ClientOptions,
    ConnectFailed,
    ConnectionReset,
    ConnectionsExhausted,
    ConnectTimedOut,
    Origin,
    UpstreamClient,
    UpstreamResponse,
)
from tests.proxy.upstream.scripted import Peer, ScriptedServer, answering, serving, until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def post(client: UpstreamClient, server: ScriptedServer | Origin, body: bytes = b"{}") -> UpstreamResponse:
    origin = server.origin if isinstance(server, ScriptedServer) else server
    return await client.send(origin, method=b"POST", target=b"/", body=body, whole=True)


async def test_the_most_recently_used_connection_is_taken_first(client: UpstreamClient) -> None:
    used: list[Peer] = []

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            used.append(peer)
            if request.body == b"both":
                await until(lambda: len(used) >= 2)
            await peer.send(OK)

    async with serving(script) as server:
        await asyncio.gather(post(client, server, b"both"), post(client, server, b"both"))
        last = used[-1]
        counts = client.connections_by_origin()[server.origin]
        assert (counts.open, counts.idle, counts.waiting) == (2, 2, 0)
        for _ in range(3):
            await post(client, server)
        assert len({id(peer) for peer in used[2:]}) == 1
        assert last in used


async def test_origins_do_not_share_connections(client: UpstreamClient) -> None:
    async with serving(answering(OK)) as one, serving(answering(OK)) as other:
        await post(client, one)
        await post(client, other)
        assert len(one.peers) == len(other.peers) == 1
        assert client.connections == 2


async def test_two_upstreams_at_one_place_share_no_limit_and_a_changed_limit_drops_nothing(
    client: UpstreamClient,
) -> None:
    release = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await release.wait()
            await peer.send(OK)

    async with serving(script) as server:
        narrow = replace(server.origin, pool="narrow", max_connections=1)
        wide = replace(server.origin, pool="wide", max_connections=5)
        wider = replace(narrow, max_connections=2)
        first = asyncio.create_task(post(client, narrow))
        await until(lambda: len(server.peers) == 1)
        with pytest.raises(ConnectionsExhausted, match="all 1 connections"):
            await client.send(narrow, method=b"POST", target=b"/", body=b"{}", connect_timeout=0.05)
        others = [asyncio.create_task(post(client, each)) for each in (wide, wide, wider)]
        await until(lambda: len(server.peers) == 4)
        release.set()
        assert [(await each).status for each in (first, *others)] == [200] * 4


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    client = UpstreamClient(ClientOptions(max_idle_seconds=0.1))
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        assert await peer.hung_up()
        gone.set()

    async with serving(script) as server:
        await post(client, server)
        await asyncio.wait_for(gone.wait(), 10)
        assert client.connections == 0
        await post(client, server)  # and the ticker starts again
        await until(lambda: client.connections == 0)
    await client.close()


async def test_a_server_that_announces_its_keep_alive_time_is_left_a_second_earlier(client: UpstreamClient) -> None:
    answer = b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1, max=5\r\ncontent-length: 2\r\n\r\nok"
    async with serving(answering(answer)) as server:
        await post(client, server)
        await until(lambda: client.connections == 0)


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"])
async def test_an_idle_connection_that_ends_or_speaks_is_dropped(client: UpstreamClient, farewell: bytes) -> None:
    async with serving(answering(OK)) as server:
        await post(client, server)
        if farewell:
            await server.peers[0].send(farewell)
        else:
            await server.peers[0].close()
        await until(lambda: client.connections == 0)
        await post(client, server)
        assert len(server.peers) == 2


class RawServer:
    """Connections taken by hand, so that a test can act between two steps of the client's loop."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.origin = Origin.parse(f"http://127.0.0.1:{self.listener.getsockname()[1]}")

    async def answer(self) -> socket.socket:
        """Accept a connection and answer its first request."""
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self.listener)
        await loop.sock_recv(connection, 65536)
        await loop.sock_sendall(connection, OK)
        return connection


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    server = RawServer()
    yield server
    server.listener.close()


async def pooled(client: UpstreamClient, raw: RawServer) -> socket.socket:
    """A connection that waits in the pool; the server's end of it."""
    _, connection = await asyncio.gather(post(client, raw.origin), raw.answer())
    assert client.connections_by_origin()[raw.origin].idle == 1
    return connection


async def test_a_stale_connection_costs_a_second_try_and_no_error(client: UpstreamClient, raw: RawServer) -> None:
    connection = await pooled(client, raw)
    connection.close()  # the client's loop has not run since: it finds out after it wrote
    response, second = await asyncio.gather(post(client, raw.origin), raw.answer())
    assert response.body == b"ok"
    assert client.connections == 1
    second.close()


async def test_many_stale_connections_cost_one_second_try(client: UpstreamClient, raw: RawServer) -> None:
    loop = asyncio.get_running_loop()

    async def serve(count: int) -> list[socket.socket]:
        connections = [(await loop.sock_accept(raw.listener))[0] for _ in range(count)]
        for connection in connections:
            await loop.sock_recv(connection, 65536)
        for connection in connections:
            await loop.sock_sendall(connection, OK)
        return connections

    serving_five = asyncio.ensure_future(serve(5))
    await asyncio.gather(*[post(client, raw.origin) for _ in range(5)])
    connections = await serving_five
    assert client.connections_by_origin()[raw.origin].idle == 5
    for connection in connections:
        connection.close()
    response, second = await asyncio.gather(post(client, raw.origin), raw.answer())
    assert response.body == b"ok"
    second.close()


@pytest.mark.parametrize("read_it", [True, False], ids=["read", "lay unread in the kernel"])
async def test_a_request_that_reached_a_pooled_connection_is_not_sent_twice(
    client: UpstreamClient, raw: RawServer, read_it: bool
) -> None:
    connection = await pooled(client, raw)

    async def take_and_close() -> None:
        await until(lambda: has_data(connection))
        if read_it:
            connection.setblocking(True)
            connection.recv(65536)
        connection.close()

    with pytest.raises(ConnectionReset) as failure:
        await asyncio.gather(post(client, raw.origin), take_and_close())
    assert failure.value.may_have_been_processed
    assert client.connections == 0
    with pytest.raises(BlockingIOError):
        raw.listener.accept()


async def test_a_part_of_a_request_that_reached_it_is_enough_not_to_send_it_twice(
    client: UpstreamClient, raw: RawServer
) -> None:
    connection = await pooled(client, raw)

    async def take_a_part() -> None:
        await until(lambda: has_data(connection))
        connection.close()

    with pytest.raises(ConnectionReset) as failure:
        await asyncio.gather(post(client, raw.origin, b"x" * 30_000_000), take_a_part())
    assert failure.value.may_have_been_processed


async def test_a_new_connection_that_closes_without_an_answer_is_not_tried_again(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with serving(script) as server:
        with pytest.raises(ConnectionReset) as failure:
            await post(client, server)
        assert failure.value.may_have_been_processed
        assert len(server.peers) == 1


async def test_a_stale_connection_at_the_limit_makes_room_for_the_second_try(raw: RawServer) -> None:
    client = UpstreamClient(ClientOptions(max_connections=1))
    connection = await pooled(client, raw)
    connection.close()
    response, second = await asyncio.gather(post(client, raw.origin), raw.answer())
    assert response.body == b"ok"
    second.close()
    await client.close()


def has_data(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


async def test_the_limit_holds_and_the_queue_is_served_in_order() -> None:
    client = UpstreamClient(ClientOptions(max_connections=3))
    order: list[int] = []
    at_once = most = 0

    async def script(peer: Peer) -> None:
        nonlocal at_once, most
        while True:
            request = await peer.request()
            at_once += 1
            most = max(most, at_once)
            order.append(int(request.body))
            await asyncio.sleep(0.002)
            at_once -= 1
            await peer.send(OK)

    async with serving(script) as server:
        await asyncio.gather(*[post(client, server, b"%d" % number) for number in range(60)])
        assert most == 3
        assert len(server.peers) == 3
        assert sorted(order) == list(range(60))
        # Three run at a time, so a call overtakes at most those beside it.
        assert all(abs(place - number) < 6 for place, number in enumerate(order))
    await client.close()


async def test_who_waits_longer_than_the_connect_timeout_is_told_that_all_are_busy() -> None:
    client = UpstreamClient(ClientOptions(max_connections=1, connect_timeout=0.1))

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.hung_up()

    async with serving(script) as server:
        first = asyncio.ensure_future(post(client, server))
        await until(lambda: len(server.peers) == 1)
        with pytest.raises(ConnectionsExhausted) as failure:
            await post(client, server)
        assert not failure.value.may_have_been_processed
        assert client.connections_by_origin()[server.origin].waiting == 0
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    await client.close()


async def test_a_connection_that_ends_frees_its_place_for_the_first_in_line() -> None:
    client = UpstreamClient(ClientOptions(max_connections=1))
    async with serving(answering(OK, then_close=True)) as server:
        responses = await asyncio.gather(*[post(client, server) for _ in range(10)], return_exceptions=True)
        answered = [response for response in responses if isinstance(response, UpstreamResponse)]
        assert answered
        await until(lambda: client.connections == 0)
    await client.close()


async def test_cancelled_waiters_leave_no_place_taken() -> None:
    client = UpstreamClient(ClientOptions(max_connections=2))
    async with serving(answering(OK)) as server:
        for round_number in range(20):
            calls = [asyncio.ensure_future(post(client, server)) for _ in range(8)]
            for _ in range(round_number):
                await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(outcome, UpstreamResponse) for outcome in outcomes[1::2])
        counts = client.connections_by_origin()[server.origin]
        assert counts.waiting == 0
        assert counts.open == counts.idle <= 2
    await client.close()


async def test_nobody_listening_is_said_at_once(client: UpstreamClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectFailed) as failure:
        await post(client, Origin.parse(f"http://127.0.0.1:{port}"))
    assert not failure.value.may_have_been_processed
    assert client.connections == 0


async def test_a_name_that_does_not_resolve_is_said(client: UpstreamClient) -> None:
    with pytest.raises(ConnectFailed):
        await post(client, Origin.parse("http://no-such-host.invalid"))
    assert client.connections == 0


async def test_a_listener_that_does_not_accept_times_out() -> None:
    client = UpstreamClient(ClientOptions(connect_timeout=0.2))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        where = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(where)
        with pytest.raises(ConnectTimedOut) as failure:
            await post(client, Origin.parse(f"http://127.0.0.1:{where[1]}"))
        assert not failure.value.may_have_been_processed
        assert client.connections == 0
        for filler in fillers:
            filler.close()
    await client.close()


async def test_localhost_is_reached_by_whichever_family_answers(client: UpstreamClient) -> None:
    async with serving(answering(OK)) as server:
        assert (await post(client, Origin.parse(f"http://localhost:{server.port}"))).body == b"ok"


async def test_closing_the_client_ends_every_call_and_refuses_new_ones(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        assert await peer.hung_up()

    async with serving(script) as server:
        call = asyncio.ensure_future(post(client, server))
        await until(lambda: len(server.peers) == 1)
        await client.close()
        with pytest.raises(Exception, match="closed"):
            await call
        with pytest.raises(RuntimeError):
            await post(client, Origin.parse("http://127.0.0.1:2"))
        assert client.connections == 0
