"""Whom the client believes, and how it gets out through an egress proxy."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from proxy.upstream import (
    ClientOptions,
    ConnectFailed,
    ConnectionReset,
    ConnectTimedOut,
    CutShort,
    Origin,
    TlsFailed,
    UpstreamClient,
    UpstreamResponse,
)
from tests.proxy.upstream.scripted import Peer, answering, serving, until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
async def trusting(bundle: Path) -> AsyncIterator[UpstreamClient]:
    """A client that trusts the private authority."""
    client = UpstreamClient(ClientOptions(ca_bundle=bundle))
    yield client
    await client.close()


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def post(client: UpstreamClient, origin: Origin) -> UpstreamResponse:
    return await client.send(origin, method=b"POST", target=b"/", body=b"{}", whole=True)


async def test_a_certificate_of_the_private_authority_is_trusted(
    trusting: UpstreamClient, authority: trustme.CA
) -> None:
    seen: list[tuple[str | None, str | None]] = []
    context = server_context(authority, "localhost")
    context.set_alpn_protocols(["h2", "http/1.1"])
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    async def script(peer: Peer) -> None:
        tls = peer.writer.get_extra_info("ssl_object")
        seen.append((tls.selected_alpn_protocol(), tls.version()))
        while True:
            await peer.request()
            await peer.send(OK)

    async with serving(script, tls=context) as server:
        origin = Origin.parse(f"https://localhost:{server.port}")
        for _ in range(3):
            assert (await post(trusting, origin)).body == b"ok"
        assert seen == [("http/1.1", "TLSv1.3")]
        assert names == ["localhost"]


async def test_an_address_may_be_a_certificates_subject(trusting: UpstreamClient, authority: trustme.CA) -> None:
    async with serving(answering(OK), tls=server_context(authority, "127.0.0.1")) as server:
        assert (await post(trusting, server.origin)).body == b"ok"


async def test_a_certificate_of_an_unknown_authority_is_refused(client: UpstreamClient, authority: trustme.CA) -> None:
    async with serving(answering(OK), tls=server_context(authority, "127.0.0.1")) as server:
        with pytest.raises(TlsFailed, match="certificate") as failure:
            await post(client, server.origin)
        assert not failure.value.may_have_been_processed
        assert client.connections == 0


async def test_a_certificate_of_another_host_is_refused(trusting: UpstreamClient, authority: trustme.CA) -> None:
    async with serving(answering(OK), tls=server_context(authority, "other.example")) as server:
        with pytest.raises(TlsFailed, match="certificate"):
            await post(trusting, server.origin)
        assert trusting.connections == 0


async def test_an_old_tls_is_refused(trusting: UpstreamClient, authority: trustme.CA) -> None:
    context = server_context(authority, "127.0.0.1")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(answering(OK), tls=context) as server:
        with pytest.raises(TlsFailed):
            await post(trusting, server.origin)


async def test_a_server_that_speaks_no_tls_is_a_tls_error(client: UpstreamClient) -> None:
    async with serving(answering(OK)) as server:
        server.peers.clear()
        with pytest.raises((TlsFailed, ConnectTimedOut)):
            await UpstreamClient(ClientOptions(connect_timeout=0.3)).send(
                Origin.parse(f"https://127.0.0.1:{server.port}"), method=b"GET", target=b"/"
            )

    async def garbage(peer: Peer) -> None:
        await peer.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        await peer.hung_up()

    async with serving(garbage) as server:
        with pytest.raises(TlsFailed):
            await post(client, Origin.parse(f"https://127.0.0.1:{server.port}"))


async def test_a_server_that_hangs_up_in_the_handshake_is_a_tls_error(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)

    async with serving(script) as server:
        with pytest.raises(TlsFailed):
            await post(client, Origin.parse(f"https://127.0.0.1:{server.port}"))
        assert client.connections == 0


async def test_a_silent_handshake_times_out(authority: trustme.CA) -> None:
    client = UpstreamClient(ClientOptions(connect_timeout=0.2))

    async def script(peer: Peer) -> None:
        assert await peer.hung_up()

    async with serving(script) as server:
        with pytest.raises(ConnectTimedOut):
            await post(client, Origin.parse(f"https://127.0.0.1:{server.port}"))
        assert client.connections == 0
    await client.close()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"])
async def test_an_end_over_tls_is_the_same_error_as_without(
    trusting: UpstreamClient, authority: trustme.CA, sent: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)

    async with serving(script, tls=server_context(authority, "127.0.0.1")) as server:
        with pytest.raises(CutShort if sent else ConnectionReset) as failure:
            await post(trusting, server.origin)
        assert failure.value.may_have_been_processed


async def test_cancelling_a_call_over_tls_hangs_up_at_once(trusting: UpstreamClient, authority: trustme.CA) -> None:
    hung_up = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        assert await peer.hung_up()
        hung_up.set()

    async with serving(script, tls=server_context(authority, "127.0.0.1")) as server:
        call = asyncio.ensure_future(post(trusting, server.origin))
        await until(lambda: len(server.peers) == 1)
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.wait_for(hung_up.wait(), 10)


async def test_a_large_exchange_over_tls(trusting: UpstreamClient, authority: trustme.CA) -> None:
    body = bytes(range(256)) * 20_000

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body), request.body)

    async with serving(script, tls=server_context(authority, "127.0.0.1")) as server:
        response = await trusting.send(server.origin, method=b"POST", target=b"/", body=body)
        assert await response.read(len(body)) == body


async def test_a_stale_tls_connection_costs_a_second_try_and_no_error(
    trusting: UpstreamClient, authority: trustme.CA
) -> None:
    context = server_context(authority, "127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    origin = Origin.parse(f"https://127.0.0.1:{listener.getsockname()[1]}")

    def serve() -> ssl.SSLSocket:
        bare, _ = listener.accept()
        bare.settimeout(10)
        connection = context.wrap_socket(bare, server_side=True)
        connection.recv(65536)
        connection.sendall(OK)
        return connection

    _, connection = await asyncio.gather(post(trusting, origin), asyncio.to_thread(serve))
    assert trusting.connections_by_origin()[origin].idle == 1
    connection.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        connection.unwrap()  # says close_notify, as servers do, and does not wait for ours
    connection.close()  # the client's loop has not run since: it finds out after it wrote
    response, second = await asyncio.gather(post(trusting, origin), asyncio.to_thread(serve))
    assert response.body == b"ok"
    second.close()
    listener.close()


@dataclass
class Egress:
    """An HTTP proxy on a socket: joins every tunnel to one port, whatever name was asked for."""

    to_port: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n"
    port: int = 0
    heads: list[bytes] = field(default_factory=list)

    async def __call__(self, peer: Peer) -> None:
        self.heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
        await peer.send(self.answer)
        if self.answer.split()[1] != b"200":
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        await asyncio.wait(
            [
                asyncio.ensure_future(pump(peer.reader, writer)),
                asyncio.ensure_future(pump(reader, peer.writer)),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
        writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


@asynccontextmanager
async def through(egress: Egress, bundle: Path, user: str = "") -> AsyncIterator[UpstreamClient]:
    async with serving(egress) as server:
        environment = {"HTTPS_PROXY": f"http://{user}127.0.0.1:{server.port}", "NO_PROXY": "direct.example"}
        client = UpstreamClient(ClientOptions(ca_bundle=bundle, environment=environment))
        egress.port = server.port
        yield client
        await client.close()


async def test_a_tunnel_carries_tls_to_the_upstream_itself(authority: trustme.CA, bundle: Path) -> None:
    async with serving(answering(OK), tls=server_context(authority, "model.example")) as upstream:
        egress = Egress(upstream.port)
        async with through(egress, bundle, "us%40er:pass@") as client:
            for _ in range(2):
                assert (await post(client, Origin.parse("https://model.example"))).body == b"ok"
            assert egress.heads == [
                b"CONNECT model.example:443 HTTP/1.1\r\nhost: model.example:443\r\n"
                b"proxy-authorization: Basic dXNAZXI6cGFzcw==\r\n\r\n"
            ]


async def test_the_certificate_is_checked_through_a_tunnel(authority: trustme.CA, bundle: Path) -> None:
    context = server_context(authority, "other.example")
    async with serving(answering(OK), tls=context) as upstream, through(Egress(upstream.port), bundle) as client:
        with pytest.raises(TlsFailed):
            await post(client, Origin.parse("https://model.example"))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nstowaway",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000,
    ],
)
async def test_a_tunnel_that_is_not_opened_properly_is_a_connect_error(
    authority: trustme.CA, bundle: Path, answer: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(answer)

    async with serving(script) as server:
        environment = {"https_proxy": f"http://user:hunter2@127.0.0.1:{server.port}"}
        client = UpstreamClient(ClientOptions(ca_bundle=bundle, environment=environment))
        with pytest.raises(ConnectFailed) as failure:
            await post(client, Origin.parse("https://model.example"))
        assert not failure.value.may_have_been_processed
        assert "hunter2" not in str(failure.value)
        assert "aHVudGVyMg" not in str(failure.value)
        assert client.connections == 0
        await client.close()


async def test_plain_http_goes_through_the_proxy_in_absolute_form() -> None:
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            heads.append((await peer.request()).head)
            await peer.send(OK)

    async with serving(script) as server:
        environment = {"http_proxy": f"http://user:pass@127.0.0.1:{server.port}"}
        client = UpstreamClient(ClientOptions(environment=environment))
        await client.send(Origin.parse("http://model.example:81/v1"), method=b"GET", target=b"/v1/models?a=b")
        assert heads == [
            b"GET http://model.example:81/v1/models?a=b HTTP/1.1\r\nhost: model.example:81\r\n"
            b"accept-encoding: identity\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n\r\n"
        ]
        await client.close()


async def test_no_proxy_is_obeyed(authority: trustme.CA, bundle: Path) -> None:
    async with serving(answering(OK), tls=server_context(authority, "127.0.0.1")) as upstream:
        egress = Egress(upstream.port)
        async with through(egress, bundle) as client:
            assert (await post(client, upstream.origin)).body == b"ok"  # loopback is never proxied
            with pytest.raises(ConnectFailed):
                await post(client, Origin.parse("https://direct.example"))
            assert egress.heads == []
