"""Before the installation is bootstrapped: a proxy whose pepper is not in its vault yet is alive, not ready, and waits.

An orchestrator that sees it end would start it again and again, each time later. What waiting cannot mend ends it still.
"""

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.secrets import SecretError
from core.settings import Settings

_log = logging.getLogger("aduana.proxy")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0  # seconds
_PATIENCE = 5.0  # seconds for them

Opened = TypeVar("Opened")


async def opened(open_it: Callable[[], Awaitable[Opened]], settings: Settings, sock: socket.socket) -> Opened | None:
    """What `open_it` gives, tried again while a vault does not have or show what it needs; None: a signal came first.

    Raises what it raises where waiting helps nobody: a variable or a file that is not there. Meanwhile `sock` answers probes.
    """
    try:
        return await open_it()
    except SecretError as error:
        if not _keeps_in_a_vault(settings):
            raise
        reason = str(error)
    stop = _stop_signals()
    _log.warning("not ready, it waits: %s", reason)
    listening = socket.socket(fileno=socket.dup(sock.fileno()))
    server = await asyncio.start_server(_answer, sock=listening)
    try:
        return await _try_again(open_it, reason, stop)
    finally:
        server.close()
        for number in () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)


async def _try_again(open_it: Callable[[], Awaitable[Opened]], reason: str, stop: asyncio.Event) -> Opened | None:
    pause = _FIRST_PAUSE
    while True:
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            pass
        else:
            return None
        try:
            return await open_it()
        except SecretError as error:
            if str(error) != reason:
                reason = str(error)
                _log.warning("not ready, it waits: %s", reason)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request a connection. The reason stands in the log alone: it names the vault, and anybody may ask."""
    try:
        async with asyncio.timeout(_PATIENCE):
            asked = await reader.readuntil(b"\r\n\r\n")
        alive = asked.split(b" ", 2)[1:2] == [b"/livez"]
        missing = {"secrets": "the pepper, or another secret, cannot be read from its vault yet"}
        body = json.dumps({"live": True} if alive else {"ready": False, "missing": missing}).encode()
        status = b"200 OK" if alive else b"503 Service Unavailable"
        head = (
            status,
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"connection: close",
            b"",
            b"",
        )
        writer.write(b"HTTP/1.1 " + b"\r\n".join(head) + body)
        await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


def _keeps_in_a_vault(settings: Settings) -> bool:
    references = [settings.database_url, settings.redis_url or "", *settings.peppers.values()]
    return any(text.startswith("kv:") for text in references)


def _stop_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: stop.set())
        else:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
