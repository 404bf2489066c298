"""The process: uvicorn on a socket, with the connection of each request handed to the application.

Faults need it: to reset a connection, to cut one, and to see at once that a client has hung up.
"""

import asyncio
import socket
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from tests.simulators.model_provider import tokens
from tests.simulators.model_provider.app import build
from tests.simulators.model_provider.exchange import TRANSPORT
from tests.simulators.model_provider.provider import Provider

_DRAIN = 1  # seconds that streams get when the simulator is told to stop


class _Protocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {TRANSPORT: self.transport}


class _SocketProtocol(WebSocketsSansIOProtocol):
    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)  # starts a task, which has not run yet
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[TRANSPORT] = self.transport


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and self.started:
            scheme = "https" if self.config.is_ssl else "http"
            host, port = sockets[0].getsockname()[:2]
            print(f"listening on {scheme}://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
            self._loading = asyncio.create_task(tokens.load_usual())


def listen(host: str, port: int) -> socket.socket:
    """A socket on this address; port 0 picks a free one.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def serve(
    provider: Provider, listening: socket.socket, certificate: Path | None = None, key: Path | None = None
) -> None:
    """Serve until told to stop (SIGINT, SIGTERM); says on standard output where, once it accepts."""
    config = uvicorn.Config(
        build(provider),
        http=_Protocol,
        ws=_SocketProtocol,
        ws_ping_interval=None,
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_level="warning",
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_DRAIN,
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    _Server(config).run(sockets=[listening])
