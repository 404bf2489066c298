"""An upstream that behaves as a test says, and orders for the loader."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.loader import Order, Report
from bench.loader.run import Run
from bench.traffic import TAG_LENGTH, TAG_PREFIX, Plan

Answer = Callable[[Plan, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def upstream_that(answer: Answer) -> AsyncIterator[int]:
    """A server that reads whole requests and lets `answer` write to each; gives its port."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                at = body.index(TAG_PREFIX)
                await answer(Plan.from_tag(body[at : at + TAG_LENGTH]), writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def order(port: int, **wishes) -> Order:
    """A short run."""
    usual = {"mode": "closed", "connections": 2, "seconds": 0.2, "patience": 5.0, "loader_core": 0}
    return Order(host="127.0.0.1", port=port, **{**usual, **wishes})


async def load(port: int, **wishes) -> Report:
    """What the loader reports of a short run."""
    return await Run(order(port, **wishes)).report()


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with its length declared."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
