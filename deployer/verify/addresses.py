"""What a name leads to, here."""

import asyncio
import socket


async def addresses_of(host: str) -> list[str]:
    """Every address, sorted. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return sorted({str(each[4][0]) for each in found})
