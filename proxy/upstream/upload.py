"""A request's body that comes piece by piece, written as fast as the upstream takes it.

Runs in a task of its own beside the wait for the answer: an upstream may answer (and mostly refuse) before it has
everything, and then the rest is not sent.
"""

import asyncio
from collections.abc import AsyncIterator

from proxy.upstream.connection import Connection


class Upload:
    """One body on its way. `content_length` None: chunked."""

    __slots__ = ("_begun", "_connection", "_content_length", "_first_byte_timeout", "_pieces", "_task")

    def __init__(
        self, pieces: AsyncIterator[bytes], content_length: int | None, first_byte_timeout: float | None
    ) -> None:
        self._pieces = pieces
        self._content_length = content_length
        self._first_byte_timeout = first_byte_timeout
        self._begun = False
        self._task: asyncio.Task[None] | None = None

    @property
    def begun(self) -> bool:
        """A piece was asked for: the body cannot be sent a second time."""
        return self._begun

    def start(self, connection: Connection) -> None:
        """Send, once the head is written."""
        self._connection = connection
        connection.attach(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """The rest is not wanted any more."""
        task = self._task
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _run(self) -> None:
        connection = self._connection
        try:
            await self._send()
        except Exception as error:
            connection.fail(error)  # what the body's source raised is the caller's to see, as it is
        except asyncio.CancelledError:
            if connection.busy and not connection.closed:
                raise
        else:
            if not connection.closed:
                connection.uploaded(self._first_byte_timeout)
        finally:
            close = getattr(self._pieces, "aclose", None)
            if close is not None and self._begun:
                await close()

    async def _send(self) -> None:
        connection, left = self._connection, self._content_length
        self._begun = True
        async for piece in self._pieces:
            if connection.closed:
                return
            if not piece:
                continue
            if left is None:
                connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                left -= len(piece)
                if left < 0:
                    raise ValueError("the request's body is longer than its content_length")
                connection.write(piece)
            await connection.writable()
        if left:
            raise ValueError("the request's body is shorter than its content_length")
        if left is None and not connection.closed:
            connection.write(b"0\r\n\r\n")
