"""One request and its answer on one connection: reading, credentials, faults, headers, hang-ups and the charge.

Handlers raise `ApiError` for an error answer; that the client has gone, or that a fault cut the connection, ends them
by an exception too.
"""

import asyncio
import secrets
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tests.simulators.model_provider import errors, faults
from tests.simulators.model_provider.bill import Charge, SeenRequest
from tests.simulators.model_provider.bodies import Body, ClientGone, Message, Receive, take_in
from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.credentials import credential_of, refusal
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.faults import Faults, UnknownFault
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.shelf import Kept

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

OPENAI = "openai"
AZURE = "azure"
"""`/openai/...?api-version=`"""
AZURE_V1 = "azure_v1"
"""`/openai/v1/...`"""

TRANSPORT = "simulator.transport"
"""Where in the scope the server puts the connection."""

_GARBAGE = b"<html><head><title>502 Bad Gateway</title></head><body>not JSON at all {{{\x00\xff"
_FLUSH_WITHIN = 5.0


class Cut(Exception):
    """A fault closed the connection."""


class Exchange:
    """A request, and the way to answer it once."""

    def __init__(self, provider: Provider, surface: str, scope: Scope, receive: Receive, send: Send) -> None:
        self.provider = provider
        self.surface = surface
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.path_params: Mapping[str, str] = scope.get("path_params", {})
        self.query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.faults: Faults = faults.NONE
        self.charge: Charge | None = None
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport = scope["extensions"][TRANSPORT]
        self.body = Body()
        self._began = time.perf_counter()
        self._thought = False
        self._told_headers: dict[str, str] = {}
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        self.headers = dict(headers)
        self.seen = SeenRequest(
            id=f"req_{secrets.token_hex(16)}",
            method=self.method,
            path=self.path,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
        )

    # The request

    async def run(self, handle: Callable[["Exchange"], Awaitable[None]]) -> None:
        """Take the request in, let what is wrong with it or simulated happen, else hand it to its handler; then charge
        it.
        """
        self.provider.journal.add(self.seen)
        try:
            try:
                self.body = await take_in(self._receive, self.headers.get("content-type", ""), self.seen)
                self._choose_faults()
                await self._suffer()
                self._authenticate()
                await self._within_capacity(handle)
            except ApiError as error:
                self.charge = None
                self._told_headers |= error.headers
                await self.answer(error.body(), status=error.status)
        except ClientGone:
            self.seen.hung_up = True
        except Cut:
            self.seen.cut = True
        finally:
            if self.charge is not None:
                self.seen.charge = self.charge
                self.provider.bill.add(self.charge, broken_off=self.seen.hung_up or self.seen.cut)
            self.seen.done = True

    def json(self) -> dict[str, Any]:
        """The body as JSON (`bodies.Body.json`)."""
        return self.body.json()

    def form(self) -> dict[str, Any]:
        """The body as a form (`bodies.Body.form`)."""
        return self.body.form()

    def kept(self, kind: str) -> Kept:
        """The object that the path names.

        Raises:
            ApiError: 404, there is none of that id.
        """
        return self.provider.shelf(kind).find(self.path_params[kind])

    def model(self, body: Mapping[str, Any]) -> Model:
        """The model that the request names, by its body or by its deployment.

        Raises:
            ApiError: none is named, or there is none of that name.
        """
        if "deployment" in self.path_params:
            return self.provider.deployed(self.path_params["deployment"])
        name = body.get("model")
        if name is None or name == "":
            raise ApiError(400, "you must provide a model parameter", param="model")
        if not isinstance(name, str):
            raise errors.wrong_type("model", "a string")
        return self.provider.model(name) if self.surface == OPENAI else self.provider.deployed(name)

    @property
    def ready_after(self) -> float:
        """Seconds after which what this request starts ends."""
        asked = self.faults.ready_after
        return self.provider.configuration.ready_after if asked is None else asked

    @property
    def azure(self) -> bool:
        """Whether Azure was asked."""
        return self.surface != OPENAI

    def _choose_faults(self) -> None:
        given = self.headers.get(faults.HEADER)
        if given is not None:
            try:
                self.faults = faults.parse(given)
            except UnknownFault as error:
                raise ApiError(400, str(error), param=faults.HEADER, code="unknown_fault") from error
        else:
            deployment = self.path_params.get("deployment", "")
            key = credential_of(self.headers, azure=self.azure) or ""
            self.faults = self.provider.faults.faults_for(
                path=self.path, model=self._named() or deployment, deployment=deployment, key=key
            )
        if self.faults is not faults.NONE:
            self.seen.faults = msgspec.to_builtins(self.faults)

    def _named(self) -> str:
        name = self.seen.body.get("model") if isinstance(self.seen.body, dict) else None
        return name if isinstance(name, str) else ""

    async def _suffer(self) -> None:
        """Let the faults happen that leave nothing of the answer."""
        struck = self.faults
        if not (struck.reset or struck.hang or struck.garbage or struck.garbage_stream or struck.status):
            return
        await self.think()
        if struck.reset:
            await self._reset()
        if struck.hang:
            await self.wait_for_hang_up()
        if struck.garbage:
            await self._write(200, _GARBAGE, {"content-type": "application/json"})
            raise Cut
        if struck.garbage_stream:
            noise = b'data: {"id": "chatcmpl-\n\ndata: not json\n\nevent: \xff\xfe\n: \x00\n\ndata: [1, 2\n\n'
            await self._write(200, noise, {"content-type": "text/event-stream; charset=utf-8"})
            raise Cut
        deployment = self.path_params.get("deployment", "")
        raise errors.by_status(
            struck.status,
            azure=self.azure,
            model=self._named() or deployment,
            wait=struck.retry_after,
            code=struck.error_code,
            kind=struck.error_type,
            message=struck.error_message,
        )

    def _authenticate(self) -> None:
        refused = refusal(self.provider, self.headers, azure=self.azure)
        if refused is not None:
            raise refused

    async def _within_capacity(self, handle: Callable[["Exchange"], Awaitable[None]]) -> None:
        deployment = (self.path_params.get("deployment") or self._named()) if self.azure else ""
        occupied = self.provider.capacity.enter(deployment)
        self._told_headers |= occupied
        try:
            await handle(self)
        finally:
            if occupied:
                self.provider.capacity.leave(deployment)

    # The charge

    def bill(self, charge: Charge) -> None:
        """Say what the answer costs; may be added to until the exchange ends.

        Raises:
            ApiError: 429, where the provider's limits are enforced and reached.
        """
        self._told_headers |= self.provider.limits.take(charge.model, charge.prompt_tokens)
        self.charge = charge

    # The answer

    async def think(self) -> None:
        """Wait as long as the first byte is to take."""
        if not self._thought:
            self._thought = True
            await self.pause(self.faults.latency)

    async def answer(self, body: Any, *, status: int = 200) -> None:
        """Answer with JSON, once."""
        await self.think()
        encoded = msgspec.json.encode(body)
        headers = {"content-type": "application/json"}
        if status >= 400 and self.faults.retry_after is not None:
            headers["retry-after"] = f"{self.faults.retry_after:g}"
            headers["retry-after-ms"] = f"{round(self.faults.retry_after * 1000)}"
        if status == 200 and (self.faults.cut_after is not None or self.faults.hang_after is not None):
            await self._write_half(encoded, headers)
        await self._write(status, encoded, headers)

    async def answer_bytes(self, pieces: Iterable[bytes], size: int | None, content_type: str, **headers: str) -> None:
        """Answer with what is no JSON, piece by piece; of an unknown size it goes in chunks."""
        await self.think()
        head = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if size is not None:
            head["content-length"] = str(size)
        await self._start(200, head)
        breaks = self.faults.cut_after is not None or self.faults.hang_after is not None
        sent = 0
        for piece in pieces:
            await self.write(piece)
            sent += len(piece)
            if breaks and size is not None and sent >= size // 2:
                await self._break_off()
        if breaks:
            await self._break_off()
        await self.end_stream()

    async def start_stream(self) -> None:
        """Answer with the head of a stream."""
        await self.think()
        await self._start(200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})

    async def write(self, data: bytes) -> None:
        """Send a part of a stream.

        Raises:
            ClientGone: the client has hung up.
        """
        if self._transport.is_closing():
            raise ClientGone
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end_stream(self) -> None:
        """End the stream as it should end."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def cut(self) -> None:
        """Close the connection once what was written has left, and end the exchange.

        Raises:
            Cut: always.
        """
        self._transport.close()
        await self._closed()
        raise Cut

    async def pause(self, seconds: float) -> None:
        """Wait; with 0, let the others have their turn.

        Raises:
            ClientGone: the client has hung up meanwhile.
        """
        if seconds <= 0:
            await asyncio.sleep(0)
            if self._transport.is_closing():
                raise ClientGone
            return
        try:
            async with asyncio.timeout(seconds):
                await self.wait_for_hang_up()
        except TimeoutError:
            return

    async def wait_for_hang_up(self) -> None:
        """Wait for the client to close the connection, for as long as it takes.

        Raises:
            ClientGone: always.
        """
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientGone

    def _head(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        took = round((time.perf_counter() - self._began) * 1000)
        head = {**headers, "x-request-id": self.seen.id, "openai-processing-ms": str(took), **self._told_headers}
        if self.azure:
            head["apim-request-id"] = self.seen.id.removeprefix("req_")
            head["x-ms-region"] = self.provider.configuration.region
            head["azureml-model-session"] = "simulated"
        else:
            head["openai-version"] = "2020-10-01"
            head["openai-organization"] = "org-simulated"
        head["x-simulator"] = self.provider.marker
        if self.faults.huge_header:
            head["x-huge"] = "h" * self.faults.huge_header
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.items()]

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        if self._transport.is_closing():
            raise ClientGone
        self.seen.status = status
        self.seen.answered_at = time.time()
        await self._send({"type": "http.response.start", "status": status, "headers": self._head(headers)})

    async def _write(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        await self._start(status, {**headers, "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _write_half(self, body: bytes, headers: Mapping[str, str]) -> None:
        await self._start(200, {**headers, "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await self._break_off()

    async def _break_off(self) -> None:
        if self.faults.hang_after is not None:
            await self.wait_for_hang_up()
        await self.cut()

    async def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            # To linger for no time is to send RST instead of FIN.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        await self._closed()
        raise Cut

    async def _closed(self) -> None:
        try:
            async with asyncio.timeout(_FLUSH_WITHIN):
                await self.wait_for_hang_up()
        except ClientGone:
            return
        except TimeoutError:
            self._transport.abort()
