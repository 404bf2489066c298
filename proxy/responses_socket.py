"""Responses over a WebSocket: each `response.create` is a call of its own, as if it had come as a streamed request.

So it is authenticated, held to policy and limits, routed, metered and written down like any other; only the way in differs.
The model provider is asked by request, whatever its own sockets keep between two responses (docs/decisions/0021-agents.md).
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from uvicorn.protocols.utils import ClientDisconnected

from core.ids import new_event_id
from proxy.authentication import authenticate_caller, verify_caller
from proxy.connection import ANSWER_KEY, CONNECTION_KEY, HEAD_KEY
from proxy.endpoints import Endpoint
from proxy.errors import Refusal, not_ready
from proxy.headers import Headers, RequestHead, read_request_head
from proxy.metering.events import EventSplitter, data_of, events
from proxy.realtime.entrance import refuse
from proxy.routing import check_endpoint
from proxy.unreadable import UNREADABLE

if TYPE_CHECKING:
    from proxy.calls import CallEndpoint, Gateway

_IDLE = 600.0  # seconds without a response after which a socket is closed: it counts against no limit
_WAITING = 16  # events that wait for the response before them; then the caller has to
_NOT_THE_CALLS = (b"sec-websocket-", b"x-request-id", b"content-")
_PATH = "/v1/responses"
_NORMAL, _GOING_AWAY = 1000, 1001

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

Send = Callable[[Any], Awaitable[None]]


class ResponsesSocket:
    """The ASGI application of the row `responses.connect`; `call` is that of requests."""

    def __init__(self, endpoint: Endpoint, gateway: "Gateway", call: "CallEndpoint") -> None:
        self._endpoint = endpoint
        self._gateway = gateway
        self._call = call

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        gateway = self._gateway
        head = read_request_head(scope["headers"])
        request_id = head.request_id or "req_" + new_event_id().hex()
        own_headers: Headers = [(b"x-request-id", request_id.encode("ascii"))]
        await receive()  # the connection's beginning
        try:
            if gateway.realtime is None:
                raise not_ready("it serves no WebSockets here")
            snapshot = gateway.snapshot()
            caller = authenticate_caller(head.credential, snapshot, gateway.peppers, gateway.tokens, time.time())
            if caller is None:
                caller = await verify_caller(head.credential, gateway.snapshot, gateway.tokens)
            check_endpoint(caller, self._endpoint)
        except Refusal as refusal:
            await refuse(send, refusal, own_headers, gateway.metrics.refused)
            return
        await send({"type": "websocket.accept", "headers": own_headers})
        gateway.realtime.keep(asyncio.current_task())
        headers = [pair for pair in scope["headers"] if not pair[0].startswith(_NOT_THE_CALLS)]
        await _Session(self._call, headers, receive, send).run()


class _Session:
    """One socket: its responses one after the other."""

    def __init__(self, call: "CallEndpoint", headers: Headers, receive: Any, send: Send) -> None:
        self._call = call
        self._headers = headers
        self._head: RequestHead = read_request_head(headers)
        self._receive = receive
        self._send = send
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._running: _Line | None = None

    async def run(self) -> None:
        """Until its caller goes, nothing was asked for long enough, or the process drains."""
        reading = asyncio.get_running_loop().create_task(self._read())
        try:
            while not reading.done():
                getting = asyncio.get_running_loop().create_task(self._waiting.get())
                await asyncio.wait([getting, reading], timeout=_IDLE, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    if not reading.done():
                        await self._close(_NORMAL, "nothing was asked")
                    return
                await self._take(getting.result())
        except asyncio.CancelledError:
            await self._close(_GOING_AWAY, "the gateway is restarting")
        except ClientDisconnected:
            pass
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        """What the caller sends; when it goes, what runs for it is told."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                if self._running is not None:
                    self._running.hang_up()
                return
            text = message.get("text")
            await self._waiting.put(text.encode() if text is not None else message.get("bytes") or b"")

    async def _take(self, data: bytes) -> None:
        lane: Any = None
        try:
            try:
                fields = _decode_fields(data)
                kind = _decode(fields.pop("type", b"null"))
                lane = _decode(fields.pop("stream_id", b"null"))
            except UNREADABLE:
                raise _invalid("an event is a JSON object with a 'type'", None) from None
            if kind != "response.create":
                raise _invalid("the gateway takes the event 'response.create' alone", "type")
            if bytes(fields.get("background", b"null")) not in (b"null", b"false"):
                raise _invalid("'background' is not taken over a WebSocket", "background")
        except Refusal as refusal:
            await self._send_json(_error(refusal.status, refusal.body(), ()), lane)
            return
        fields["stream"] = msgspec.Raw(b"true")
        line = self._running = _Line(_encode(fields), lambda event: self._send_json(event, lane))
        scope = {
            "type": "http",
            "method": "POST",
            "path": _PATH,
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), *self._headers],
            CONNECTION_KEY: line,
            ANSWER_KEY: line,
            HEAD_KEY: self._head,
        }
        line.task = asyncio.get_running_loop().create_task(self._call(scope, _nothing, _nothing_more))
        try:
            await asyncio.wait([line.task])
        except asyncio.CancelledError:
            line.task.cancel()
            await asyncio.gather(line.task, return_exceptions=True)
            raise
        finally:
            self._running = None
        if line.last is not None:
            await self._send_json(line.last, lane)

    async def _send_json(self, event: bytes, lane: Any) -> None:
        if lane is not None:  # events say which of the caller's lines they belong to
            event = _encode({**_decode(event), "stream_id": lane})
        await self._send({"type": "websocket.send", "text": event.decode("utf-8", "replace")})

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(ClientDisconnected, RuntimeError):
            await self._send({"type": "websocket.close", "code": code, "reason": reason})


class _Line:
    """What a call takes for its caller's connection and for its answer: events of a stream become messages."""

    slow = False

    def __init__(self, body: bytes, tell: Callable[[bytes], Awaitable[None]]) -> None:
        self.task: asyncio.Task[None]
        self.interrupt: Callable[[], Any] | None = None
        self.lost = False
        self.started = False
        self.last: bytes | None = None  # what is told when the call is over
        self._body: bytes | None = body
        self._tell = tell
        self._splitter = EventSplitter()

    def hang_up(self) -> None:
        """Its caller has gone."""
        self.lost = True
        if self.interrupt is not None:
            self.interrupt()

    # As of proxy.connection.Answer.

    def take_body(self) -> bytes | None:
        body, self._body = self._body, None
        return body

    async def unblocked(self) -> None:
        pass

    async def start(self, status: int, headers: Headers, first: bytes, content_length: bytes | None = None) -> None:
        self.started = True
        await self.piece(first)

    async def piece(self, data: bytes) -> None:
        whole = self._splitter.feed(data)
        for event in events(whole) if whole else ():
            said = data_of(event)
            if said is not None and said.startswith(b"{"):
                try:
                    await self._tell(said)
                except ClientDisconnected:
                    self.hang_up()

    async def end(self, last: bytes = b"") -> None:
        if last:
            await self.piece(last)

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self.started = True
        self.last = _error(status, body, headers)

    def abort(self) -> None:
        self.started = True

    def hang_up_after(self) -> None:
        pass


def _error(status: int, body: bytes, headers: Any) -> bytes:
    """An answer that is no stream, as the event that tells of an error."""
    try:
        error = _decode(body)["error"]
    except (*UNREADABLE, KeyError, TypeError):
        error = {"type": "upstream_error", "code": "upstream_bad_answer", "message": "The answer was no stream."}
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name != b"content-type"}
    return _encode({"type": "error", "status": status, "error": {**error, **({"headers": told} if told else {})}})


def _invalid(why: str, param: str | None) -> Refusal:
    return Refusal(400, "invalid_event", f"This event cannot be taken: {why}.", param=param)


async def _nothing() -> Any:
    return {"type": "http.disconnect"}


async def _nothing_more(message: Any) -> None:
    pass
