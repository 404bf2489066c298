"""Comments that keep silent streams alive, beside the streams' own writers."""

import asyncio

from proxy.streaming import CallerStream, KeepAlive


class Caller:
    """Stands for an `Answer`; what it was given, in order."""

    def __init__(self, *, reads: bool = True) -> None:
        self.got: list[bytes] = []
        self._reads = asyncio.Event()
        if reads:
            self._reads.set()

    async def start(self, status, headers, first) -> None:
        self.got.append(first)

    async def piece(self, data: bytes) -> None:
        await self._reads.wait()
        self.got.append(data)

    async def end(self, last: bytes) -> None:
        await self._reads.wait()
        self.got.append(b"the end")


async def open_stream(caller: Caller) -> CallerStream:
    stream = CallerStream(caller, 200, [])  # type: ignore[arg-type]
    await stream.write(b"first")
    return stream


async def test_a_stream_that_ends_while_another_one_is_stuck_is_told_nothing_more():
    keep_alive = KeepAlive(0.06)
    stuck, ending = await open_stream(Caller(reads=False)), Caller()
    stream = await open_stream(ending)
    keep_alive._streams = [stuck, stream]  # type: ignore[assignment] - in this order
    comments = asyncio.create_task(keep_alive.run())
    try:
        await asyncio.sleep(0.085)  # the stuck one is waited for from 0.06 or 0.08 on, for 0.05 seconds
        await stream.end(b"")
        await asyncio.sleep(0.15)
    finally:
        comments.cancel()

    assert ending.got[-1] == b"the end"


async def test_a_silent_stream_is_kept_alive():
    keep_alive = KeepAlive(0.03)
    caller = Caller()
    keep_alive.add(await open_stream(caller))
    comments = asyncio.create_task(keep_alive.run())
    try:
        async with asyncio.timeout(5):
            while len(caller.got) < 2:
                await asyncio.sleep(0.01)
    finally:
        comments.cancel()

    assert caller.got[1] == b": keep-alive\n\n"
