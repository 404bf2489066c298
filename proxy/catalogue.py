"""/v1/models and its kin on Azure's paths: the models that the caller may use, from the snapshot."""

import time
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from core.snapshot import Caller, Route, Snapshot
from proxy.authentication import authenticate_caller, verify_caller
from proxy.calls import Gateway
from proxy.errors import unknown_model
from proxy.headers import read_request_head


def catalogue(gateway: Gateway) -> APIRouter:
    """The routes that list and describe models."""
    router = APIRouter()

    async def enter(request: Request) -> tuple[Snapshot, Caller]:
        snapshot = gateway.route_table().snapshot
        head = read_request_head(request.headers.raw)
        caller = authenticate_caller(head.credential, snapshot, gateway.peppers, gateway.tokens, time.time())
        if caller is None:
            caller = await verify_caller(head.credential, gateway.snapshot, gateway.tokens)
        return snapshot, caller

    # Azure's dated surface takes api-version; it changes nothing here.
    @router.get("/v1/models")
    @router.get("/openai/models")
    @router.get("/openai/v1/models")
    async def list_models(request: Request) -> Response:
        snapshot, caller = await enter(request)
        models = [_model(snapshot.routes[name]) for name in sorted(snapshot.routes) if caller.policy.allows_model(name)]
        return _json({"object": "list", "data": models})

    @router.get("/v1/models/{model:path}")
    @router.get("/openai/models/{model:path}")
    @router.get("/openai/v1/models/{model:path}")
    async def retrieve_model(model: str, request: Request) -> Response:
        snapshot, caller = await enter(request)
        route = snapshot.routes.get(model)
        if route is None or not caller.policy.allows_model(model):
            raise unknown_model(model)
        return _json(_model(route))

    return router


def _model(route: Route) -> dict[str, Any]:
    """OpenAI's model object (https://platform.openai.com/docs/api-reference/models/object)."""
    return {"id": route.model, "object": "model", "created": route.created, "owned_by": "aduana"}


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
