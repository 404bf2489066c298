"""What an upstream may answer, in which pieces, and what is refused."""

import asyncio
from itertools import pairwise

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.upstream import (
    BadAnswer,
    BodyTooLarge,
    ClientOptions,
    ConnectionReset,
    CutShort,
    UpstreamClient,
    UpstreamResponse,
)
from tests.proxy.upstream.scripted import Peer, ScriptedServer, answering, serving, until

OK = b"HTTP/1.1 200 OK\r\n"


async def post(client: UpstreamClient, server: ScriptedServer, *, whole: bool = False) -> UpstreamResponse:
    return await client.send(server.origin, method=b"POST", target=b"/", body=b"{}", whole=whole)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("answer", "body", "kept"),
    [
        (OK + b"content-length: 3\r\n\r\nabc", b"abc", True),
        (OK + b"content-length: 0\r\n\r\n", b"", True),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", b"abc", True),
        (OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-trailer: y\r\n\r\n", b"abc", True),
        (OK + b"connection: close\r\ncontent-length: 3\r\n\r\nabc", b"abc", False),
        (OK + b"connection: keep-alive\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\nabc", b"abc", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", b"", True),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 1\r\n\r\na",
            b"a",
            True,
        ),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nno", b"no", True),
    ],
)
async def test_an_answer_is_read_and_its_connection_kept_where_it_may_be(
    client: UpstreamClient, answer: bytes, body: bytes, kept: bool, whole: bool
) -> None:
    async with serving(answering(answer)) as server:
        response = await post(client, server, whole=whole)
        assert await response.read(1000) == body
        assert response.complete
        assert client.connections == (1 if kept else 0)
        response.close()
        assert client.connections == (1 if kept else 0)


async def test_an_answer_without_a_length_ends_with_its_connection(client: UpstreamClient) -> None:
    async with serving(answering(OK + b"\r\nabc", b"def", then_close=True)) as server:
        response = await post(client, server, whole=True)
        assert (response.status, response.body) == (200, b"abcdef")
        assert client.connections == 0


async def test_an_answer_without_a_length_that_is_reset_is_cut_short(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\nabc")
        peer.reset()

    async with serving(script) as server:
        with pytest.raises(CutShort):
            await post(client, server, whole=True)


async def test_the_body_is_there_at_once_where_it_came_with_the_head(client: UpstreamClient) -> None:
    async with serving(answering(OK + b"content-length: 3\r\n\r\nabc")) as server:
        response = await post(client, server)
        assert response.complete
        assert response.body == b"abc"
        assert await response.receive() == b"abc"
        assert await response.receive() == b""
        with pytest.raises(RuntimeError):
            _ = response.body


async def test_pieces_come_as_they_arrive(client: UpstreamClient) -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n")
        for piece in (b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"):
            await go_on.wait()
            go_on.clear()
            await peer.send(piece)
        await peer.hung_up()

    async with serving(script) as server:
        response = await post(client, server)
        assert not response.complete
        for piece in (b"one", b"two", b""):
            assert await response.ready(within=0.01) is False
            go_on.set()
            assert await response.ready(within=10) is True
            assert await response.receive() == piece
        assert response.complete


async def test_header_names_are_lowered_and_connection_level_fields_stay_behind(client: UpstreamClient) -> None:
    answer = (
        OK
        + b"Content-Type:  text/plain \t\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\n"
        b"Proxy-Authenticate: Basic\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Late: 1\r\n\r\n"
    )
    async with serving(answering(answer)) as server:
        response = await post(client, server)
        assert response.headers == [(b"content-type", b"text/plain"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
        assert response.header(b"content-type") == b"text/plain"
        assert response.header(b"keep-alive") is None


async def test_connection_cannot_name_the_framing_away(client: UpstreamClient) -> None:
    async with serving(answering(OK + b"connection: content-length\r\ncontent-length: 1\r\n\r\na")) as server:
        response = await post(client, server)
        assert response.header(b"content-length") == b"1"
        assert response.body == b"a"


BAD = {
    "garbage": b"\x00\x01\x02\x03\x04\x05\x06\x07\x08",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "RTSP": b"RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"<html></html>",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 OK\r\ncontent-length: 0\r\n\r\n",
    "a folded value": OK + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "a NUL": OK + b"a: b\x00\r\ncontent-length: 0\r\n\r\n",
    "a bare CR": OK + b"a: b\rc: d\r\ncontent-length: 0\r\n\r\n",
    "a bare LF": OK + b"a: b\ncontent-length: 0\r\n\r\n",
    "a space before the colon": OK + b"content-length : 0\r\n\r\n",
    "an empty name": OK + b": b\r\ncontent-length: 0\r\n\r\n",
    "two lengths": OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a list of lengths": OK + b"content-length: 1, 1\r\n\r\na",
    "a signed length": OK + b"content-length: +1\r\n\r\na",
    "an endless length": OK + b"content-length: 99999999999999999999\r\n\r\na",
    "a length and chunks": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": OK + b"transfer-encoding: identity\r\n\r\nabc",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that is no number": OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "a chunk with 0x": OK + b"transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "a chunk longer than said": OK + b"transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "LF for CRLF in chunks": OK + b"transfer-encoding: chunked\r\n\r\n1\na\n0\n\n",
    "an upgrade": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nx",
    "101 without upgrade": b"HTTP/1.1 101 Switching\r\n\r\n",
    "an interim answer with a body": b"HTTP/1.1 150 X\r\ncontent-length: 1\r\n\r\na"
    + OK
    + b"content-length: 0\r\n\r\n",
    "two answers": (OK + b"content-length: 1\r\n\r\na") * 2,
    "bytes after the end": OK + b"content-length: 1\r\n\r\nab",
    "bytes after a last answer": OK + b"connection: close\r\ncontent-length: 1\r\n\r\nab",
    "a body where none may be": b"HTTP/1.1 204 No Content\r\n\r\nabc",
    "a header over the limit": OK + b"a: " + b"b" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
    "many headers": OK + b"a: b\r\n" * 20_000 + b"content-length: 0\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "an endless trailer": OK + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 100_000,
    "an endless chunk extension": OK + b"transfer-encoding: chunked\r\n\r\n1;" + b"a" * 500_000,
}


# Good until the end: what comes later, apart, was asked for by nobody and ends the connection only.
GOOD_BUT_FOR_THE_END = {"two answers", "bytes after the end", "bytes after a last answer", "a body where none may be"}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_answer_is_refused_and_its_connection_ended(client: UpstreamClient, name: str) -> None:
    async with serving(answering(BAD[name])) as server:
        with pytest.raises(BadAnswer) as refusal:
            await post(client, server, whole=True)
        assert refusal.value.may_have_been_processed
        assert client.connections == 0


@pytest.mark.parametrize("name", [name for name in BAD if len(BAD[name]) < 500 and name not in GOOD_BUT_FOR_THE_END])
async def test_a_bad_answer_is_refused_byte_by_byte(client: UpstreamClient, name: str) -> None:
    answer = BAD[name]
    async with serving(answering(*[answer[at : at + 1] for at in range(len(answer))])) as server:
        with pytest.raises(BadAnswer):
            await post(client, server, whole=True)
        assert client.connections == 0


@pytest.mark.parametrize("name", sorted(GOOD_BUT_FOR_THE_END))
async def test_bytes_that_nobody_asked_for_end_an_idle_connection(client: UpstreamClient, name: str) -> None:
    end = BAD[name].index(b"\r\n\r\n") + 4 + (b"content-length: 1" in BAD[name])
    async with serving(answering(BAD[name][:end], BAD[name][end:])) as server:
        response = await post(client, server, whole=True)
        assert response.complete
        await until(lambda: client.connections == 0)


async def test_no_message_repeats_what_the_upstream_said(client: UpstreamClient) -> None:
    async with serving(answering(OK + b"x-secret: hunter2\x00hunter2\r\n\r\n")) as server:
        with pytest.raises(BadAnswer) as refusal:
            await post(client, server)
        assert "hunter2" not in str(refusal.value)


async def test_an_endless_slow_header_is_counted_over_its_pieces() -> None:
    client = UpstreamClient(ClientOptions(max_header_bytes=1000))
    async with serving(answering(OK, *[b"a: b\r\n"] * 400)) as server:
        with pytest.raises(BadAnswer):
            await post(client, server)
    await client.close()


async def test_a_big_body_behind_a_small_header_is_no_header(client: UpstreamClient) -> None:
    body = b"x" * 200_000
    async with serving(answering(OK + b"content-length: 200000\r\n\r\n" + body)) as server:
        assert (await post(client, server, whole=True)).body == body


ANSWERS = [
    (OK + b"content-length: 5\r\nx-a: b\r\n\r\nhello", b"hello"),
    (
        b"HTTP/1.1 100 C\r\n\r\n"
        + OK
        + b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;e=1\r\nlo\r\n0\r\nt: u\r\n\r\n",
        b"hello",
    ),
]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("answer", "body"), ANSWERS)
async def test_an_answer_may_be_split_at_every_byte(
    client: UpstreamClient, answer: bytes, body: bytes, whole: bool
) -> None:
    cut = 0

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer[:cut], answer[cut:])

    async with serving(script) as server:
        for position in range(1, len(answer)):
            cut = position
            response = await post(client, server, whole=whole)
            assert response.status == 200
            assert await response.read(100) == body
        assert len(server.peers) == 1  # one connection served them all


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ANSWERS), st.lists(st.integers(1, 90), max_size=12), st.booleans(), st.booleans())
def test_an_answer_may_come_in_any_pieces(case: tuple[bytes, bytes], cuts: list[int], whole: bool, fast: bool) -> None:
    answer, body = case
    places = [0, *sorted({cut for cut in cuts if cut < len(answer)}), len(answer)]
    segments = [answer[start:end] for start, end in pairwise(places)]

    async def main() -> None:
        client = UpstreamClient()
        async with serving(answering(*segments)) as server:
            for _ in range(2):
                assert await (await post(client, server, whole=whole)).read(100) == body
            assert client.connections == 1
        await client.close()

    (uvloop.run if fast else asyncio.run)(main())


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(ANSWERS), st.integers(0, 80), st.binary(min_size=1, max_size=6))
def test_a_damaged_answer_is_an_answer_or_an_error_and_never_a_hang(
    case: tuple[bytes, bytes], place: int, damage: bytes
) -> None:
    answer = case[0][:place] + damage + case[0][place + len(damage) :]

    async def main() -> None:
        client = UpstreamClient()
        async with serving(answering(answer, then_close=True)) as server:
            try:
                response = await post(client, server, whole=True)
            except (BadAnswer, CutShort):
                pass
            else:
                assert response.complete
        await client.close()

    uvloop.run(main())


CUT = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("kind", ["close", "reset"])
async def test_a_connection_that_ends_at_any_byte_is_an_error_of_its_kind(client: UpstreamClient, kind: str) -> None:
    cut = 0

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CUT[:cut])
        if kind == "reset":
            peer.reset()

    async with serving(script) as server:
        for position in range(len(CUT)):
            cut = position
            with pytest.raises(CutShort if cut else ConnectionReset) as failure:
                await post(client, server, whole=True)
            assert failure.value.may_have_been_processed
            assert client.connections == 0


async def test_what_came_before_the_cut_is_delivered_first(client: UpstreamClient) -> None:
    async with serving(answering(OK + b"content-length: 9\r\n\r\nabc", then_close=True)) as server:
        response = await post(client, server)
        assert await response.receive() == b"abc"
        for _ in range(2):
            with pytest.raises(CutShort):
                await response.receive()


async def test_head_has_no_body_whatever_the_length_says(client: UpstreamClient) -> None:
    async with serving(answering(OK + b"content-length: 100\r\n\r\n")) as server:
        for _ in range(2):
            response = await client.send(server.origin, method=b"HEAD", target=b"/")
            assert response.complete
            assert response.body == b""
            assert response.header(b"content-length") == b"100"


async def test_an_answer_to_head_that_has_a_body_is_refused(client: UpstreamClient) -> None:
    async with serving(answering(OK + b"content-length: 3\r\n\r\nabc")) as server:
        with pytest.raises(BadAnswer):
            await client.send(server.origin, method=b"HEAD", target=b"/", whole=True)


async def test_a_body_over_the_readers_limit_is_refused_and_hung_up_on(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\n" + b"x" * 2000)
        assert await peer.hung_up()

    async with serving(script) as server:
        response = await post(client, server)
        with pytest.raises(BodyTooLarge):
            await response.read(1000)
        assert client.connections == 0
        await until(lambda: len(server.peers) == 1)


async def test_a_whole_answer_over_its_limit_is_returned_unfinished_and_streams_on(client: UpstreamClient) -> None:
    body = b"x" * 3_000_000
    async with serving(answering(OK + b"content-length: 3000000\r\n\r\n" + body)) as server:
        response = await client.send(
            server.origin, method=b"POST", target=b"/", body=b"", whole=True, whole_limit=1_000_000
        )
        assert not response.complete
        assert len(await response.read(3_000_000)) == 3_000_000
