"""Whether a service is ready: asked of the service itself, over HTTP."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

_TIMEOUT = 5.0  # seconds for one answer


async def is_ready(port: int) -> bool:
    """Whether `/readyz` on 127.0.0.1 answers 200."""
    return await _get(port, "/readyz") == 200


async def is_ready_among(port: int, pid: int, sharing: int) -> bool:
    """Whether the process `pid` is ready, where `sharing` processes share a port and the kernel picks who answers.

    It has to listen (as /proc says, where there is one), and of so many answers that its own is very likely among them,
    none may say that its sender is not ready.
    """
    if _listens(pid, port) is False:
        return False
    for _ in range(1 if sharing == 1 else 5 * sharing):
        if not await is_ready(port):
            return False
    return True


async def _get(port: int, path: str) -> int:
    """The status. Raises `OSError` (of which `TimeoutError` is one) and `ValueError`."""
    async with asyncio.timeout(_TIMEOUT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            line = await reader.readline()
        finally:
            writer.close()
    return int(line.split(b" ", 2)[1]) if line else 0


def _listens(pid: int, port: int) -> bool | None:
    """Whether a process listens on a port; None where the system does not say."""
    try:
        rows: list[list[str]] = [
            row.split()
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            if Path(table).exists()
            for row in Path(table).read_text().splitlines()[1:]
        ]
        # Local address, state 0A (LISTEN) and inode: proc(5).
        inodes = {row[9] for row in rows if row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port}
        targets: list[Any] = []
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                targets.append(str(descriptor.readlink()))
    except OSError:
        return None
    return any(f"socket:[{inode}]" in targets for inode in inodes) if rows else None
