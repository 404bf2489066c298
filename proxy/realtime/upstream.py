"""The provider's end of a session: a WebSocket over the same way out as every other call (egress, private CA, egress proxy)."""

import asyncio
import logging
import socket
import ssl
from typing import NamedTuple
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.uri import parse_uri

from proxy.headers import Headers
from proxy.realtime.limits import CLOSE_WITHIN, MAX_MESSAGE_BYTES, PING_EVERY, PONG_WITHIN
from proxy.routing import Candidate
from proxy.upstream import BadAnswer, ConnectFailed, ConnectTimedOut, FirstByteTimedOut, TlsFailed, UpstreamClient

_QUEUE = 8  # events that wait to be read; then the provider has to
_MOST_ERROR_BYTES = 64 * 1024

# Its debug lines would hold headers and events.
_wire = logging.getLogger("aduana.realtime.wire")
_wire.setLevel(logging.WARNING)


class Answer(NamedTuple):
    """What a provider says in place of opening a session."""

    status: int
    headers: Headers
    body: bytes


class HandshakeRefused(Exception):
    """The provider answered, and not with a session."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"the provider answered {answer.status}")
        self.answer = answer


async def open_session(client: UpstreamClient, candidate: Candidate, target: str, headers: Headers) -> ClientConnection:
    """A session at a provider. Raises `UpstreamError` where nothing usable answers, and `HandshakeRefused`."""
    timeouts = candidate.timeouts
    secure = candidate.origin.scheme == "https"
    host = candidate.origin.host_header.decode()
    uri = parse_uri(f"{'wss' if secure else 'ws'}://{host}{target}")
    try:
        async with asyncio.timeout(timeouts.connect):
            sock, context = await client.dial(candidate.origin)
            connection = await _over(sock, uri, context, candidate.origin.host)
    except TimeoutError:
        raise ConnectTimedOut(f"no connection to {candidate.origin} within {timeouts.connect:g} s") from None
    except ssl.SSLError as error:
        raise TlsFailed(f"TLS with {candidate.origin} failed: {error.reason or type(error).__name__}") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConnectFailed(f"cannot connect to {candidate.origin}: {reason}") from None
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    try:
        async with asyncio.timeout(timeouts.first_byte):
            await connection.handshake(sent, None)
    except BaseException as error:
        connection.transport.abort()
        raise _fault(error, candidate) from None
    connection.start_keepalive()
    return connection


async def _over(sock: socket.socket, uri: object, context: ssl.SSLContext | None, host: str) -> ClientConnection:
    def make() -> ClientConnection:
        protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES, logger=_wire)  # type: ignore[arg-type]
        return ClientConnection(
            protocol,
            ping_interval=PING_EVERY,
            ping_timeout=PONG_WITHIN,
            close_timeout=CLOSE_WITHIN,
            max_queue=_QUEUE,
        )

    loop = asyncio.get_running_loop()
    try:
        if context is None:
            _, connection = await loop.create_connection(make, sock=sock)
        else:
            _, connection = await loop.create_connection(make, sock=sock, ssl=context, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    return connection


def _fault(error: BaseException, candidate: Candidate) -> BaseException:
    origin = candidate.origin
    if isinstance(error, InvalidStatus):
        response = error.response
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.raw_items()
        ]
        return HandshakeRefused(Answer(response.status_code, headers, bytes(response.body or b"")[:_MOST_ERROR_BYTES]))
    if isinstance(error, TimeoutError):
        return FirstByteTimedOut(f"{origin} did not open a session in time")
    if isinstance(error, InvalidHandshake | WebSocketException | OSError | EOFError | ValueError):
        return BadAnswer(f"{origin} did not open a WebSocket")
    return error


def target_of(candidate: Candidate, *, transcribes: bool) -> str:
    """Path and query of a session: the dated surface names deployments, the others models."""
    target = candidate.path.decode("ascii")
    upstream = candidate.target.upstream
    pairs = []
    if transcribes:
        pairs.append("intent=transcription")
    if candidate.deployment:
        dated = upstream.provider == "azure_openai" and upstream.api_version is not None
        pairs.append(f"{'deployment' if dated else 'model'}={quote(candidate.deployment, safe='')}")
    if not pairs:
        return target
    return f"{target}{'&' if '?' in target else '?'}{'&'.join(pairs)}"
