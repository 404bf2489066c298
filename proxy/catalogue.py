"""/v1/models and its kin on Azure's paths: the models that the caller may use, aliases among them, wildcards not."""

import time
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from core.snapshot import Caller, Route
from proxy.authentication import authenticate_head, verify_caller
from proxy.calls import Gateway
from proxy.connection import HEAD_KEY
from proxy.headers import Headers, RequestHead
from proxy.routing import RouteTable
from proxy.routing.table import allows


def catalogue(gateway: Gateway) -> APIRouter:
    """The routes that list and describe models."""
    router = APIRouter()

    async def enter(request: Request) -> tuple[RouteTable, Caller, Headers]:
        routes = gateway.route_table()
        head: RequestHead = request.scope[HEAD_KEY]
        caller = authenticate_head(head, routes, gateway.peppers, gateway.tokens, time.time())
        if caller is None:
            caller = await verify_caller(head.credential, gateway.snapshot, gateway.tokens)
        return routes, caller, await gateway.told(head)

    # Azure's dated surface takes api-version; it changes nothing here.
    @router.get("/v1/models")
    @router.get("/openai/models")
    @router.get("/openai/v1/models")
    async def list_models(request: Request) -> Response:
        routes, caller, told = await enter(request)
        names = routes.names.exact()
        models = [_model(name, names[name]) for name in sorted(names) if allows(caller.policy, name, names[name])]
        return _json({"object": "list", "data": models}, told)

    @router.get("/v1/models/{model:path}")
    @router.get("/openai/models/{model:path}")
    @router.get("/openai/v1/models/{model:path}")
    async def retrieve_model(model: str, request: Request) -> Response:
        routes, caller, told = await enter(request)
        return _json(_model(model, routes.find(caller, model)), told)

    return router


def _model(name: str, route: Route) -> dict[str, Any]:
    """OpenAI's model object (https://platform.openai.com/docs/api-reference/models/object)."""
    return {"id": name, "object": "model", "created": route.created, "owned_by": "aduana"}


def _json(value: object, told: Headers) -> Response:
    headers = {name.decode(): content.decode() for name, content in told}
    return Response(msgspec.json.encode(value), media_type="application/json", headers=headers)
