"""The ASGI application: hot endpoints as plain Starlette routes on raw bytes, everything else on FastAPI behind them."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route, Router

from core.ids import new_event_id
from proxy.calls import CallEndpoint, Gateway
from proxy.catalogue import catalogue
from proxy.endpoints import caller_paths
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal, method_not_allowed, unknown_url
from proxy.headers import read_request_head
from proxy.health import health
from proxy.readiness import Readiness

_HOT = frozenset({"chat.completions", "completions", "embeddings", "responses"})
_DOCS = None  # no interactive documentation on the data plane


class Surface(Router):
    """Starlette's router, which tries its routes in turn, behind a look-up of the hot ones whose path is literal."""

    def __init__(self, hot: list[Route], **options: Any) -> None:
        super().__init__(hot, redirect_slashes=False, **options)
        self._literal: dict[str, Any] = {route.path: route.app for route in hot if "{" not in route.path}

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:  # type: ignore[override]
        endpoint = self._literal.get(scope.get("path", ""))
        if endpoint is not None:
            answered: Awaitable[None] = endpoint(scope, receive, send)
            return answered
        return super().__call__(scope, receive, send)


def build_app(
    gateway: Gateway, readiness: Readiness, lifespan: Callable[[Any], AbstractAsyncContextManager[None]]
) -> Surface:
    """The whole surface of the proxy."""
    hot = [
        Route(path.replace("{deployment}", "{deployment:path}"), CallEndpoint(endpoint, gateway))
        for endpoint in ENDPOINTS
        if endpoint.name in _HOT
        for path in caller_paths(endpoint)
    ]
    return Surface(hot, default=_build_rest(gateway, readiness), lifespan=lifespan)


def _build_rest(gateway: Gateway, readiness: Readiness) -> FastAPI:
    app = FastAPI(openapi_url=_DOCS, docs_url=_DOCS, redoc_url=_DOCS, redirect_slashes=False)
    app.include_router(health(gateway, readiness))
    app.include_router(catalogue(gateway))

    @app.middleware("http")
    async def name_the_request(request: Request, call_next: Any) -> Response:
        request_id = read_request_head(request.headers.raw).request_id or "req_" + new_event_id().hex()
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
