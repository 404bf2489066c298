"""A real TCP or TLS server whose every move a test writes down, one coroutine a connection."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.upstream import Origin


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived, byte for byte."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    def values(self, name: bytes) -> list[bytes]:
        """Every field of that name."""
        fields = (line.partition(b": ") for line in self.head.split(b"\r\n")[1:])
        return [value for field_name, _, value in fields if field_name.lower() == name]


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> Request:
        """Read one request to its end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: ([0-9]+)\r\n", head)
        if length is not None:
            return Request(head, await self.reader.readexactly(int(length[1])))
        body = b""
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            assert await self.reader.readexactly(2) == b"\r\n"
        return Request(head, body)

    async def send(self, *segments: bytes) -> None:
        """Each segment reaches the client's parser apart from the next: the loop goes round between them."""
        for segment in segments:
            self.writer.write(segment)
            await self.writer.drain()
            for _ in range(4):
                await asyncio.sleep(0)

    async def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Hang up with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hung_up(self) -> bool:
        """Wait until the client hangs up, whatever it still sends."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        return True


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class ScriptedServer:
    """`peers` are the connections in order of their coming."""

    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    peers: list[Peer] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    @property
    def origin(self) -> Origin:
        return Origin.parse(f"{self.scheme}://{self.host}:{self.port}")


@asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """A failed assertion in the script fails the test."""
    served = ScriptedServer(scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer = Peer(reader, writer)
        served.peers.append(peer)
        try:
            await script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except BaseException as failure:
            served.failures.append(failure)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(play, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for failure in served.failures:
        raise failure


def answering(*segments: bytes, then_close: bool = False) -> Script:
    """Every request on every connection gets these bytes."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*segments)
            if then_close:
                await peer.close()
                return

    return script


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll for what must come true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not come true in time"
        await asyncio.sleep(0.002)
