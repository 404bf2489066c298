"""The WebSocket: who may open one, faults, and events in both directions."""

import asyncio
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tests.simulators.model_provider import errors, faults
from tests.simulators.model_provider.bill import SeenRequest
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.credentials import credential_of, refusal
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import AZURE, OPENAI, TRANSPORT
from tests.simulators.model_provider.faults import Faults, UnknownFault
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.realtime.answering import respond
from tests.simulators.model_provider.realtime.dialect import Dialect
from tests.simulators.model_provider.realtime.session import Session

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SHOWN = 1000  # events that the journal tells
_SERVER_ERROR = 1011


class _Closed(Exception):
    """The connection is gone, by the client or by a fault."""


class Door:
    """One connection."""

    def __init__(self, provider: Provider, surface: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._provider = provider
        self._surface = surface
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport = scope["extensions"][TRANSPORT]
        self._query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        self._headers = dict(headers)
        self._faults: Faults = faults.NONE
        self._closing = asyncio.Event()
        self._events: list[Any] = []
        self._seen = SeenRequest(
            id=f"req_{secrets.token_hex(16)}",
            method="GET",
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body={"events": self._events},
        )

    async def run(self) -> None:
        """Open the session, or refuse it; then serve it until one side closes."""
        self._provider.journal.add(self._seen)
        await self._receive()  # the connection's beginning
        try:
            try:
                self._choose_faults()
                model = await self._admitted()
            except ApiError as error:
                await self._refuse(error)
                return
            self._seen.status = 101
            head = [(b"x-request-id", self._seen.id.encode()), (b"x-simulator", self._provider.marker.encode())]
            await self._send({"type": "websocket.accept", "headers": head})
            await self._serve(model)
        except _Closed:
            return
        finally:
            self._seen.done = True

    # Who may come in

    @property
    def _azure(self) -> bool:
        return self._surface != OPENAI

    def _asked(self, name: str) -> str:
        return str(self._query.get(name, [""])[0])

    def _named(self) -> str:
        return self._asked("deployment") or self._asked("model")

    def _choose_faults(self) -> None:
        given = self._headers.get(faults.HEADER)
        if given is not None:
            try:
                self._faults = faults.parse(given)
            except UnknownFault as error:
                raise ApiError(400, str(error), param=faults.HEADER, code="unknown_fault") from error
        else:
            self._faults = self._provider.faults.faults_for(
                path=self._seen.path,
                model=self._named(),
                deployment=self._asked("deployment"),
                key=credential_of(self._headers, azure=self._azure) or "",
            )
        if self._faults is not faults.NONE:
            self._seen.faults = msgspec.to_builtins(self._faults)

    async def _admitted(self) -> Model:
        struck = self._faults
        if struck.latency:
            await asyncio.sleep(struck.latency)
        if struck.reset:
            self._reset()
        if struck.hang:
            await self._receive()
            raise _Closed
        if struck.status:
            raise errors.by_status(
                struck.status,
                azure=self._azure,
                model=self._named(),
                wait=struck.retry_after,
                code=struck.error_code,
                kind=struck.error_type,
                message=struck.error_message,
            )
        if self._surface == AZURE and not self._asked("api-version"):
            raise errors.azure_not_found()
        headers = self._headers
        if self._azure and self._asked("api-key"):
            headers = {**headers, "api-key": self._asked("api-key")}
        refused = refusal(self._provider, headers, azure=self._azure)
        if refused is not None and not self._provider.holds_ephemeral(credential_of(headers, azure=self._azure)):
            raise refused
        name = self._asked("deployment") if self._surface == AZURE else self._asked("model")
        if not name and self._asked("intent") == "transcription":
            return Model("gpt-4o-transcribe")
        if not name:
            raise ApiError(400, "You must provide a model parameter.", param="model", code="missing_model")
        return self._provider.deployed(name) if self._azure else self._provider.model(name)

    async def _refuse(self, error: ApiError) -> None:
        self._seen.status = error.status
        head = {"content-type": "application/json", "x-request-id": self._seen.id, **error.headers}
        if self._faults.retry_after is not None:
            head["retry-after"] = f"{self._faults.retry_after:g}"
            head["retry-after-ms"] = f"{round(self._faults.retry_after * 1000)}"
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in head.items()]
        await self._send({"type": "websocket.http.response.start", "status": error.status, "headers": encoded})
        await self._send({"type": "websocket.http.response.body", "body": msgspec.json.encode(error.body())})

    # Events

    async def _serve(self, model: Model) -> None:
        beta = self._surface == AZURE or "realtime=v1" in self._headers.get("openai-beta", "")
        transcribes = self._asked("intent") == "transcription"
        session = Session(self._provider, model, Dialect(beta), self._emit, respond, transcribes=transcribes)
        try:
            await session.begin()
            while True:
                event = await self._next()
                await session.take(event)
        finally:
            await session.end()
            for charge in session.charges:
                self._provider.bill.add(charge, broken_off=self._seen.cut)
            if session.charges:
                self._seen.charge = session.charges[-1]

    async def _next(self) -> dict[str, Any]:
        closing = asyncio.create_task(self._closing.wait())
        receiving = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait((closing, receiving), return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                raise _Closed
            message = receiving.result()
        finally:
            closing.cancel()
            if not receiving.done():
                receiving.cancel()
        if message["type"] == "websocket.disconnect":
            self._seen.hung_up = True
            raise _Closed
        try:
            event = msgspec.json.decode(message.get("text") or message.get("bytes") or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            event = None
        shown = _without_sound(event) if isinstance(event, dict) else {}
        if len(self._events) < _SHOWN:
            self._events.append(shown)
        return event if isinstance(event, dict) else {}

    async def _emit(self, name: str, event: dict[str, Any]) -> None:
        if self._closing.is_set():
            raise _Closed
        if name.endswith(".delta"):
            await self._break()
            self._seen.chunks += 1
        if self._faults.no_usage and name == "response.done":
            event["response"]["usage"] = None
        try:
            await self._send({"type": "websocket.send", "text": msgspec.json.encode(event).decode()})
        except Exception as error:  # the server's own class for a client that has gone
            raise _Closed from error
        if name.endswith(".delta"):
            delay = self._faults.chunk_delay
            await asyncio.sleep(self._provider.configuration.chunk_delay if delay is None else delay)

    async def _break(self) -> None:
        """Let the faults happen that strike after so many chunks."""
        sent = self._seen.chunks
        if sent == self._faults.cut_after:
            self._seen.cut = True
            self._closing.set()
            self._transport.close()
            raise _Closed
        if sent == self._faults.hang_after:
            await self._closing.wait()
            raise _Closed
        if sent == self._faults.fail_after:
            self._closing.set()
            problem = {"type": "server_error", "code": "session_failed", "message": "The session failed."}
            failure = {"type": "error", "event_id": self._provider.new_id("event_"), "error": problem}
            await self._send({"type": "websocket.send", "text": msgspec.json.encode(failure).decode()})
            await self._send({"type": "websocket.close", "code": _SERVER_ERROR})
            raise _Closed

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._seen.cut = True
        self._transport.abort()
        raise _Closed


def _without_sound(event: Mapping[str, Any]) -> dict[str, Any]:
    audio = event.get("audio")
    return {**event, "audio": f"{len(audio)} characters"} if isinstance(audio, str) else dict(event)
