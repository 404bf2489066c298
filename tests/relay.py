"""A TCP relay between a process and a server, which can be slow, break connections, and end TLS. It runs in a thread."""

import asyncio
import contextlib
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class Passage:
    """One connection through it."""

    def __init__(self, relay: "Relay", to: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
        self._relay = relay
        self.to_server, self.to_client = to, back
        self._late: deque[bytes] = deque()

    def answer(self, data: bytes) -> None:
        """Hand on what the server said, after the relay's delay, in order."""
        self._late.append(data)
        asyncio.get_running_loop().call_later(self._relay.delay, self._next)

    def _next(self) -> None:
        data = self._late.popleft()
        if not self.to_client.is_closing():
            self.to_client.write(data)

    def drop(self) -> None:
        for side in (self.to_server, self.to_client):
            side.transport.abort()


class Relay:
    """`delay`: seconds by which each answer is late. `watch` is shown what clients send."""

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        watch: Callable[[Passage, bytes], None] | None = None,
    ) -> None:
        self.to = port
        self.delay = 0.0
        self.dropped = 0
        self.passages: set[Passage] = set()
        self._tls = tls
        self._watch = watch
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._dropping: asyncio.Task[None] | None = None

    def __enter__(self) -> "Relay":
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._pass, "127.0.0.1", 0, ssl=self._tls))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def url(self, url: str) -> str:
        """A server's URL, through here."""
        return url.replace(f":{self.to}", f":{self.port}")

    def drop_every(self, seconds: float | None) -> None:
        """From now on break all connections again and again; None: no more."""

        async def start() -> None:
            if self._dropping is not None:
                self._dropping.cancel()
            self._dropping = None if seconds is None else asyncio.create_task(self._drop_on_and_on(seconds))

        self._do(start())

    async def _drop_on_and_on(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            for passage in list(self.passages):
                passage.drop()
                self.dropped += 1

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.to)
            passage = Passage(self, there_writer, writer)
            self.passages.add(passage)
            try:
                await asyncio.gather(self._forth(reader, passage), self._back(there_reader, passage))
            finally:
                self.passages.discard(passage)
                passage.drop()

    async def _forth(self, reader: asyncio.StreamReader, passage: Passage) -> None:
        while data := await reader.read(65536):
            if self._watch is not None:
                self._watch(passage, data)
            passage.to_server.write(data)
        raise ConnectionResetError

    async def _back(self, reader: asyncio.StreamReader, passage: Passage) -> None:
        while data := await reader.read(65536):
            passage.answer(data)
        raise ConnectionResetError

    async def _close(self) -> None:
        self._server.close()
        if self._dropping is not None:
            self._dropping.cancel()
        for passage in list(self.passages):
            passage.drop()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
