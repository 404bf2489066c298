"""Uvicorn as the proxy runs it: uvloop, our `Connection`, no access log, a drain that ends without a signal's exit code."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn

from core.settings import Settings
from proxy.connection import Connection, watch_patience
from proxy.realtime.entrance import open_socket
from proxy.realtime.limits import MAX_MESSAGE_BYTES, PING_EVERY, PONG_WITHIN


class Server(uvicorn.Server):
    """SIGTERM and SIGINT drain: no new connection is taken, streams in flight may end within the drain time."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, self.handle_exit)
            else:
                loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def configure(app: Any, settings: Settings) -> uvicorn.Config:
    """Uvicorn's settings. Nothing of a request is logged here: the ledger is the record."""
    return uvicorn.Config(
        app,
        http=Connection,
        interface="asgi3",
        ws=open_socket,  # type: ignore[arg-type]
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_EVERY,
        ws_ping_timeout=PONG_WITHIN,
        ws_per_message_deflate=False,
        loop="auto",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout)),
        backlog=2048,
    )


async def serve(app: Any, settings: Settings, sock: socket.socket) -> None:
    """Serve on a bound socket until a signal, and drain."""
    server = Server(configure(app, settings))
    patience = asyncio.get_running_loop().create_task(
        watch_patience(server.server_state.connections, settings.header_timeout, settings.body_timeout)
    )
    try:
        await server.serve(sockets=[sock])
    finally:
        patience.cancel()


def bind(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """A listening address. `reuse_port`: several processes bind it, and the kernel spreads connections over them.

    Raises `OSError` where the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def configure_logging(level: str, name: str) -> None:
    """Lines on standard error: time, level, which process, where, what."""
    logging.basicConfig(
        level=level.upper(),
        format=f"%(asctime)s %(levelname)s {name} %(name)s: %(message)s",
        stream=sys.stderr,
        force=True,
    )
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
