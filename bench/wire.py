"""Writing small pieces to a socket for less than a transport's queue costs."""

import asyncio
import os


def write(transport: asyncio.WriteTransport, fd: int, data: bytes) -> None:
    """Straight to the socket; what does not fit goes through the transport, and all that follows until it is empty."""
    if not transport.get_write_buffer_size():
        try:
            written = os.write(fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            transport.abort()
            return
        if written == len(data):
            return
        data = data[written:]
    transport.write(data)
