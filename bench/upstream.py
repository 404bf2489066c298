"""The fake upstream: just enough HTTP/1.1 on a bare asyncio protocol to be far cheaper than whatever is measured.

`python -m bench.upstream --port P`. It answers what the tag in the prompt asks for (bench.traffic) and believes every
head: paths, credentials and models are not looked at.
"""

import argparse
import asyncio
import gc
import signal
import struct
import sys

import uvloop

from bench.traffic import (
    CREDIT,
    CREDIT_GREETING,
    DONE,
    TAG_LENGTH,
    TAG_PREFIX,
    Plan,
    answer_body,
    events,
)
from bench.wire import write

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: fake\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Script:
    """The bytes that one plan's answer is written as: made once, for each wish about usage."""

    __slots__ = ("pace_ms", "plan", "whole", "writes")

    def __init__(self, plan: Plan, *, usage: bool) -> None:
        self.plan = plan
        self.pace_ms = plan.pace_ms
        self.whole: bytes | None = None
        self.writes: list[bytes] = []
        if plan.chunks == 0:
            self.whole = _whole_answer(answer_body(plan))
            return
        made = events(plan, usage=usage)
        visible = made[: plan.chunks]
        self.writes = [_chunk(event) for event in visible]
        self.writes[0] = _STREAM_HEAD + self.writes[0]
        self.writes[-1] += b"".join(_chunk(event) for event in made[plan.chunks :]) + _chunk(DONE) + b"0\r\n\r\n"


class Desk:
    """What the connections of one upstream share: the scripts, and the streams that wait for credit."""

    __slots__ = ("scripts", "waiting")

    def __init__(self) -> None:
        self.scripts: dict[tuple[bytes, bool], Script] = {}
        self.waiting: dict[int, Exchange] = {}

    def script(self, tag: bytes, usage: bool) -> Script:
        """What to write for a tag. Raises `ValueError` where it is none."""
        found = self.scripts.get((tag, usage))
        if found is None:
            found = self.scripts[tag, usage] = Script(Plan.from_tag(tag), usage=usage)
        return found


class Exchange(asyncio.Protocol):
    """One connection: a request at a time."""

    __slots__ = ("_desk", "_fd", "_next", "_pending", "_script", "_transport")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pending = b""
        self._fd = -1
        self._transport: asyncio.Transport | None = None
        self._script: Script | None = None
        self._next = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._fd = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._script is not None:
            self._desk.waiting.pop(self._script.plan.marker, None)

    def data_received(self, data: bytes) -> None:
        if self._pending:
            data = self._pending + data
            self._pending = b""
        head = data.find(b"\r\n\r\n")
        if head < 0:
            if data == CREDIT_GREETING:
                self._open_credit()
            else:
                self._pending = data
            return
        # "Content-Length" in any usual spelling; the measured subjects all send one for a JSON body.
        length = data.find(b"ength: ", 0, head + 2)
        if length < 0:
            self._refuse()
            return
        if len(data) < head + 4 + int(data[length + 7 : data.find(b"\r\n", length)]):
            self._pending = data
            return
        tag = data.find(TAG_PREFIX, head)
        try:
            script = self._desk.script(data[tag : tag + TAG_LENGTH], b"include_usage" in data)
        except ValueError:
            self._refuse()
            return
        if script.whole is not None:
            write(self._transport, self._fd, script.whole)  # type: ignore[arg-type]
            return
        self._script = script
        self._next = 0
        if script.pace_ms == CREDIT:
            self._desk.waiting[script.plan.marker] = self
        self.advance()

    def advance(self) -> None:
        """Write the stream's next event, and see to the one after it."""
        script = self._script
        if script is None or self._transport is None:
            return
        write(self._transport, self._fd, script.writes[self._next])
        self._next += 1
        if self._next == len(script.writes):
            self._script = None
            if script.pace_ms == CREDIT:
                self._desk.waiting.pop(script.plan.marker, None)
        elif script.pace_ms > 0:
            asyncio.get_running_loop().call_later(script.pace_ms / 1000, self.advance)
        elif script.pace_ms == 0:
            asyncio.get_running_loop().call_soon(self.advance)

    def _refuse(self) -> None:
        if self._transport is not None:
            self._transport.write(_REFUSAL)
            self._transport.close()

    def _open_credit(self) -> None:
        if self._transport is not None:
            self._transport.set_protocol(Credit(self._desk))


class Credit(asyncio.Protocol):
    """The loader's connection on which it says which streams may go on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._odd = b""

    def data_received(self, data: bytes) -> None:
        if self._odd:
            data = self._odd + data
        even = len(data) & ~1
        self._odd = data[even:]
        waiting = self._desk.waiting
        for (marker,) in struct.iter_unpack(">H", data[:even]):
            exchange = waiting.get(marker)
            if exchange is not None:
                exchange.advance()


async def serve(host: str, port: int) -> asyncio.Server:
    """Listen; port 0 takes a free one."""
    desk = Desk()
    return await asyncio.get_running_loop().create_server(lambda: Exchange(desk), host, port, backlog=2048)


def _whole_answer(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: fake\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    ) + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _run(host: str, port: int) -> None:
    server = await serve(host, port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gc.freeze()
    gc.disable()
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; the port stands on the first line of standard output."""
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args(arguments)
    uvloop.run(_run(chosen.host, chosen.port))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
