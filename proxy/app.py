"""The ASGI application: hot endpoints as plain Starlette routes on raw bytes, everything else on FastAPI behind them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route, Router

from core.ids import new_event_id
from proxy.calls import CallEndpoint, Gateway
from proxy.catalogue import catalogue
from proxy.endpoints import ENDPOINTS, caller_paths
from proxy.errors import Refusal, method_not_allowed, unknown_url
from proxy.headers import read_request_head
from proxy.health import health
from proxy.readiness import Readiness

_DOCS = None  # no interactive documentation on the data plane


def build_app(
    gateway: Gateway, readiness: Readiness, lifespan: Callable[[Any], AbstractAsyncContextManager[None]]
) -> Router:
    """The whole surface of the proxy."""
    hot = [
        Route(path.replace("{deployment}", "{deployment:path}"), CallEndpoint(endpoint, gateway))
        for endpoint in ENDPOINTS
        for path in caller_paths(endpoint)
    ]
    hot.sort(key=lambda route: "{" in route.path)  # a literal path is decided first
    return Router(hot, redirect_slashes=False, default=_build_rest(gateway, readiness), lifespan=lifespan)


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
        headers = {"retry-after": str(max(1, round(refusal.retry_after)))} if refusal.retry_after is not None else None
        return Response(refusal.body(), refusal.status, headers, media_type="application/json")

    @app.exception_handler(HTTPException)
    async def no_such_row(request: Request, error: HTTPException) -> Response:
        refusal = (method_not_allowed if error.status_code == 405 else unknown_url)(request.method, request.url.path)
        return Response(refusal.body(), error.status_code, error.headers, media_type="application/json")

    return app
