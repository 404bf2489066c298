"""The ASGI application: hot endpoints as plain Starlette routes on raw bytes, everything else on FastAPI behind them."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Router

from core.ids import new_event_id
from proxy.calls import CallEndpoint, Gateway, answer_refusal
from proxy.catalogue import catalogue
from proxy.connection import ANSWER_KEY, HEAD_KEY
from proxy.endpoints import Endpoint, Sends
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal, method_not_allowed, unknown_url
from proxy.headers import RequestHead, read_request_head
from proxy.health import health
from proxy.paths import SOCKET, Paths
from proxy.readiness import Readiness
from proxy.realtime.entrance import Entrance, refuse
from proxy.realtime.minting import TokenEndpoint
from proxy.responses_socket import ResponsesSocket

_MINTS = frozenset(
    {"realtime.client_secrets.create", "realtime.sessions.create", "realtime.transcription_sessions.create"}
)
_MODELS = "/models"  # of which the catalogue answers most
_DOCS = None  # no interactive documentation on the data plane


class Surface(Router):
    """The endpoints of the table by method and path; behind them everything else, on FastAPI."""

    def __init__(self, gateway: Gateway, **options: Any) -> None:
        super().__init__([], redirect_slashes=False, **options)
        self._metrics = gateway.metrics
        self._paths = Paths((row, _application(row, gateway)) for row in ENDPOINTS)
        self._literal = self._paths.literal

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:  # type: ignore[override]
        apps = self._literal.get(scope.get("path", ""))
        if apps is not None:
            endpoint = apps.get(scope.get("method", SOCKET))
            if endpoint is not None:
                return cast("Awaitable[None]", endpoint(scope, receive, send))
        elif scope["type"] != "lifespan":
            found = self._paths.find(scope["path"])
            if found is not None:
                apps, scope["path_params"] = found
                endpoint = apps.get(scope.get("method", SOCKET))
                if endpoint is not None:
                    return cast("Awaitable[None]", endpoint(scope, receive, send))
        if scope["type"] == "websocket":
            return self._refuse_socket(scope, receive, send)
        if apps is None or _MODELS in scope["path"]:
            return super().__call__(scope, receive, send)
        return self._refuse_method(scope, apps)

    async def _refuse_socket(self, scope: Any, receive: Any, send: Any) -> None:
        head = read_request_head(scope["headers"])
        request_id = head.request_id or "req_" + new_event_id().hex()
        await receive()
        refusal = unknown_url("WebSocket", scope["path"])
        await refuse(send, refusal, [(b"x-request-id", request_id.encode())], self._metrics.refused)

    async def _refuse_method(self, scope: Any, apps: Mapping[str, Any]) -> None:
        head: RequestHead = scope[HEAD_KEY]
        request_id = head.request_id or "req_" + new_event_id().hex()
        methods = ", ".join(sorted(method for method in apps if method != SOCKET)) or "GET"
        refusal = method_not_allowed(scope.get("method", "GET"), scope["path"], allow=methods.encode())
        answer_refusal(scope[ANSWER_KEY], refusal, [(b"x-request-id", request_id.encode())], self._metrics)


_RESPONSES = next(row for row in ENDPOINTS if row.name == "responses")


def _application(row: Endpoint, gateway: Gateway) -> Any:
    if row.name == "responses.connect":
        return ResponsesSocket(row, gateway, CallEndpoint(_RESPONSES, gateway))
    if row.sends is Sends.SOCKET:
        return Entrance(row, gateway)
    if row.name in _MINTS:
        return TokenEndpoint(row, gateway)
    return CallEndpoint(row, gateway)


def build_app(
    gateway: Gateway, readiness: Readiness, lifespan: Callable[[Any], AbstractAsyncContextManager[None]]
) -> Surface:
    """The whole surface of the proxy."""
    return Surface(gateway, default=_build_rest(gateway, readiness), lifespan=lifespan)


def _build_rest(gateway: Gateway, readiness: Readiness) -> FastAPI:
    app = FastAPI(openapi_url=_DOCS, docs_url=_DOCS, redoc_url=_DOCS, redirect_slashes=False)
    app.include_router(health(gateway, readiness))
    app.include_router(catalogue(gateway))

    @app.middleware("http")
    async def name_the_request(request: Request, call_next: Any) -> Response:
        request_id = request.scope[HEAD_KEY].request_id or "req_" + new_event_id().hex()
        response: Response = await call_next(request)
        response.headers["x-request-id"] = request_id
        return response

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> Response:
        gateway.metrics.refused[refusal.code] += 1
        headers = {name.decode(): value.decode() for name, value in refusal.headers()}
        return Response(refusal.body(), refusal.status, headers, media_type="application/json")

    @app.exception_handler(HTTPException)
    async def no_such_row(request: Request, error: HTTPException) -> Response:
        refusal = (method_not_allowed if error.status_code == 405 else unknown_url)(request.method, request.url.path)
        return Response(refusal.body(), error.status_code, error.headers, media_type="application/json")

    return app
