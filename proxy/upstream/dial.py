"""A connected TCP socket to a host: resolved anew for each connection, IPv6 and IPv4 raced (RFC 8305).

uvloop's `create_connection` tries addresses one after the other, hence this. The socket stays ours to ask about.
"""

import asyncio
import socket
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any

from proxy.upstream.errors import EgressRefused

_HEAD_START = 0.25  # seconds that an attempt has before the next address is tried beside it (RFC 8305 §8)

_Address = tuple[int, int, int, str, Any]


def _alternating(addresses: list[_Address]) -> list[_Address]:
    """The resolver's order, families taking turns."""
    first = addresses[0][0]
    mine = [address for address in addresses if address[0] == first]
    others = [address for address in addresses if address[0] != first]
    return [address for address in chain.from_iterable(zip_longest(mine, others)) if address is not None]


async def _connect(address: _Address) -> socket.socket:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock


async def dial(host: str, port: int, problem: Callable[[str], str | None] | None = None) -> socket.socket:
    """Raises `OSError` (the first attempt's, where several failed). The caller bounds the time.

    `problem` says of an address why it is not to be connected to; with no other left, that is raised as `EgressRefused`.
    """
    loop = asyncio.get_running_loop()
    addresses: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not addresses:
        raise OSError("the name has no address")
    if problem is not None:
        addresses = _allowed(host, addresses, problem)
    if len(addresses) == 1:
        return await _connect(addresses[0])
    return await _race(_alternating(addresses))


def _allowed(host: str, addresses: list[Any], problem: Callable[[str], str | None]) -> list[Any]:
    refused = ""
    allowed = []
    for address in addresses:
        where = address[4][0]
        if (why := problem(where)) is None:
            allowed.append(address)
        else:
            refused = f"{host} is {where}, {why}" if where != host else f"{host} is {why}"
    if not allowed:
        raise EgressRefused(refused)
    return allowed


async def _race(addresses: list[_Address]) -> socket.socket:
    waiting = addresses[::-1]
    attempts: set[asyncio.Task[socket.socket]] = set()
    first_error: OSError | None = None
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.ensure_future(_connect(waiting.pop())))
            done, attempts = await asyncio.wait(
                attempts, timeout=_HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            winner: socket.socket | None = None
            for attempt in done:
                error = attempt.exception()
                if error is None and winner is None:
                    winner = attempt.result()
                elif error is None:
                    attempt.result().close()
                elif not isinstance(error, OSError):
                    raise error
                else:
                    first_error = first_error or error
            if winner is not None:
                return winner
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_late)
    raise first_error or OSError("no address could be reached")


def _close_late(attempt: "asyncio.Task[socket.socket]") -> None:
    """An attempt that connected in the moment of its cancellation must not leak its socket."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
