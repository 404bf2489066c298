"""/livez, /readyz and /metrics."""

import msgspec
from fastapi import APIRouter, Response

from proxy.calls import Gateway
from proxy.readiness import Readiness


def health(gateway: Gateway, readiness: Readiness) -> APIRouter:
    """The routes that orchestrators and Prometheus ask."""
    router = APIRouter()

    @router.get("/livez")
    async def live() -> Response:
        return Response(b'{"live":true}', media_type="application/json")

    @router.get("/readyz")
    async def ready() -> Response:
        missing = readiness.missing()
        body = msgspec.json.encode({"ready": not missing, "missing": missing})
        return Response(body, 503 if missing else 200, media_type="application/json")

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(gateway.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
