"""What goes over the wire, and what is refused before it does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.upstream import IdleTimedOut, Origin, UpstreamClient
from proxy.upstream.head import field_lines
from tests.proxy.upstream.scripted import Peer, Request, serving, until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Recorder:
    """Answers 200 and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.requests.append(await peer.request())
            await peer.send(OK)


async def pieces(*values: bytes) -> AsyncIterator[bytes]:
    for value in values:
        await asyncio.sleep(0)
        yield value


async def test_a_request_is_written_exactly(client: UpstreamClient) -> None:
    recorder = Recorder()
    async with serving(recorder) as server:
        await client.send(
            server.origin,
            method=b"POST",
            target=b"/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            lines=field_lines([(b"content-type", b"application/json"), (b"x-name", "Zoë".encode())]),
            body=b'{"a": 1}',
        )
        assert recorder.requests[0].head == (
            b"POST /openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n"
            b"host: 127.0.0.1:%d\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
            b"x-name: Zo\xc3\xab\r\ncontent-length: 8\r\n\r\n" % server.port
        )
        assert recorder.requests[0].body == b'{"a": 1}'


@pytest.mark.parametrize(("method", "length"), [(b"GET", []), (b"HEAD", []), (b"DELETE", []), (b"POST", [b"0"])])
async def test_an_empty_body_has_a_length_only_where_a_body_is_expected(
    client: UpstreamClient, method: bytes, length: list[bytes]
) -> None:
    recorder = Recorder()
    async with serving(recorder) as server:
        await client.send(server.origin, method=method, target=b"/")
        assert recorder.requests[0].values(b"content-length") == length


@pytest.mark.parametrize(
    "name",
    [
        *(b"host", b"Host", b"content-length", b"Transfer-Encoding", b"accept-encoding", b"connection", b"keep-alive"),
        *(b"te", b"trailer", b"upgrade", b"proxy-authorization", b"Proxy-Connection", b"expect"),
        *(b"", b"a b", b"a:", b"a\r\nb", b"a\n", b"a\x00", b"\xe4", b"a(b"),
    ],
)
async def test_a_header_that_is_the_clients_own_or_no_name_is_refused(client: UpstreamClient, name: bytes) -> None:
    for _ in range(2):  # a name that was refused is not remembered as good
        with pytest.raises(ValueError):
            await client.send(
                Origin.parse("http://127.0.0.1:1"), method=b"GET", target=b"/", lines=field_lines([(name, b"x")])
            )
    assert client.connections == 0


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\x00b", b"\x7f", b"a\x1bb"])
async def test_a_control_character_in_a_value_is_refused_and_not_repeated(client: UpstreamClient, value: bytes) -> None:
    with pytest.raises(ValueError) as refusal:
        await client.send(
            Origin.parse("http://127.0.0.1:1"),
            method=b"GET",
            target=b"/",
            lines=field_lines([(b"api-key", b"hunter2" + value)]),
        )
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "target", [b"", b"a", b"/a b", b"/a\r\nhost: x", b"/\n", b"/\x00", b"/\xff", b"/#a", b"http://other/", b"*"]
)
async def test_an_odd_target_is_refused(client: UpstreamClient, target: bytes) -> None:
    with pytest.raises(ValueError):
        await client.send(Origin.parse("http://127.0.0.1:1"), method=b"GET", target=target)


@pytest.mark.parametrize("method", [b"", b"get", b"GET ", b"GET /x HTTP/1.1\r\n", b"CONNECT"])
async def test_an_odd_method_is_refused(client: UpstreamClient, method: bytes) -> None:
    with pytest.raises(ValueError):
        await client.send(Origin.parse("http://127.0.0.1:1"), method=method, target=b"/")


async def test_an_iterator_is_sent_in_chunks(client: UpstreamClient) -> None:
    recorder = Recorder()
    async with serving(recorder) as server:
        for _ in range(2):
            body = pieces(b"hello ", b"", b"world")
            response = await client.send(server.origin, method=b"POST", target=b"/", body=body)
            assert response.complete
        request = recorder.requests[1]
        assert request.body == b"hello world"
        assert request.values(b"transfer-encoding") == [b"chunked"]
        assert request.values(b"content-length") == []
        assert client.connections == len(server.peers) == 1


async def test_an_iterator_of_known_length_is_sent_as_it_is(client: UpstreamClient) -> None:
    recorder = Recorder()
    async with serving(recorder) as server:
        await client.send(server.origin, method=b"POST", target=b"/", body=pieces(b"abc", b"de"), content_length=5)
        assert recorder.requests[0].body == b"abcde"
        assert recorder.requests[0].values(b"content-length") == [b"5"]


@pytest.mark.parametrize("length", [4, 6])
async def test_an_iterator_that_is_not_as_long_as_said_never_becomes_a_whole_request(
    client: UpstreamClient, length: int
) -> None:
    recorder = Recorder()
    async with serving(recorder) as server:
        with pytest.raises(ValueError, match="content_length"):
            await client.send(
                server.origin, method=b"POST", target=b"/", body=pieces(b"abc", b"de"), content_length=length
            )
        assert client.connections == 0
        await until(lambda: len(server.peers) == 1)
    assert recorder.requests == []


async def test_what_the_iterator_raises_reaches_the_caller_and_hangs_up(client: UpstreamClient) -> None:
    class CallerLeft(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise CallerLeft

    hung_up = asyncio.Event()

    async def script(peer: Peer) -> None:
        assert await peer.hung_up()
        hung_up.set()

    async with serving(script) as server:
        with pytest.raises(CallerLeft):
            await client.send(server.origin, method=b"POST", target=b"/", body=broken())
        await asyncio.wait_for(hung_up.wait(), 10)


async def test_an_answer_before_the_end_of_the_body_stops_the_upload_and_ends_the_connection(
    client: UpstreamClient,
) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        assert await peer.hung_up()

    async with serving(script) as server:
        response = await client.send(server.origin, method=b"POST", target=b"/", body=endless(), whole=True)
        assert (response.status, response.body) == (413, b"no")
        assert client.connections == 0
        await asyncio.wait_for(closed.wait(), 10)


async def test_an_answer_before_the_end_of_a_body_of_bytes_ends_the_connection(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        assert await peer.hung_up()

    async with serving(script) as server:
        response = await client.send(server.origin, method=b"POST", target=b"/", body=b"x" * 50_000_000, whole=True)
        assert (response.status, response.body) == (413, b"no")
        assert client.connections == 0


async def test_an_upstream_that_does_not_read_holds_the_iterator_back(client: UpstreamClient) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 100_000

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    async with serving(script) as server:
        with pytest.raises(IdleTimedOut):
            await client.send(server.origin, method=b"POST", target=b"/", body=endless(), idle_timeout=0.3)
        assert given * 100_000 < 40_000_000  # what the kernels' buffers take, and no more


async def test_a_slow_source_is_not_the_upstreams_silence(client: UpstreamClient) -> None:
    recorder = Recorder()

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(0.3)
        yield b"b"

    async with serving(recorder) as server:
        response = await client.send(
            server.origin, method=b"POST", target=b"/", body=slow(), first_byte_timeout=0.1, idle_timeout=0.1
        )
        assert response.status == 200


async def test_a_large_body_arrives_whole(client: UpstreamClient) -> None:
    recorder = Recorder()
    body = bytes(range(256)) * 80_000
    async with serving(recorder) as server:
        await client.send(server.origin, method=b"POST", target=b"/", body=body)
        assert recorder.requests[0].body == body
        assert client.connections == 1
