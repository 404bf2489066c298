"""What tests ask of the simulator itself, under `/_simulator/`: what it saw, what it would bill, and what is to go
wrong.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.simulators.model_provider.configuration import Provisioned
from tests.simulators.model_provider.faults import FaultPlan
from tests.simulators.model_provider.provider import Provider


def routes(provider: Provider) -> list[Route]:
    """The routes, for this provider."""

    async def show_requests(request: Request) -> Response:
        last = request.query_params.get("last")
        return _json({"requests": provider.journal.last(int(last) if last and last.isdigit() else None)})

    async def clear_requests(request: Request) -> Response:
        provider.journal.clear()
        return Response(status_code=204)

    async def show_usage(request: Request) -> Response:
        return _json({"models": provider.bill.by_model()})

    async def clear_usage(request: Request) -> Response:
        provider.bill.clear()
        return Response(status_code=204)

    async def show_faults(request: Request) -> Response:
        return _json(provider.faults.plan)

    async def put_faults(request: Request) -> Response:
        try:
            plan = msgspec.json.decode(await request.body(), type=FaultPlan)
        except msgspec.MsgspecError as error:
            return _json({"error": {"message": f"the faults cannot be used: {error}"}}, 400)
        provider.plan_faults(plan)
        return _json(provider.faults.plan)

    async def clear_faults(request: Request) -> Response:
        provider.plan_faults(FaultPlan())
        return Response(status_code=204)

    async def put_tokens(request: Request) -> Response:
        try:
            tokens = msgspec.json.decode(await request.body(), type=list[str] | None)
        except msgspec.MsgspecError as error:
            return _json({"error": {"message": f"the tokens cannot be used: {error}"}}, 400)
        provider.accept_tokens(tokens)
        return Response(status_code=204)

    async def put_provisioned(request: Request) -> Response:
        try:
            deployments = msgspec.json.decode(await request.body(), type=dict[str, Provisioned])
        except msgspec.MsgspecError as error:
            return _json({"error": {"message": f"the deployments cannot be used: {error}"}}, 400)
        provider.capacity.deployments = deployments
        return Response(status_code=204)

    async def healthy(request: Request) -> Response:
        return _json({"status": "ok", "simulator": provider.marker})

    return [
        Route("/_simulator/requests", show_requests, methods=["GET"]),
        Route("/_simulator/requests", clear_requests, methods=["DELETE"]),
        Route("/_simulator/usage", show_usage, methods=["GET"]),
        Route("/_simulator/usage", clear_usage, methods=["DELETE"]),
        Route("/_simulator/faults", show_faults, methods=["GET"]),
        Route("/_simulator/faults", put_faults, methods=["PUT"]),
        Route("/_simulator/faults", clear_faults, methods=["DELETE"]),
        Route("/_simulator/bearer_tokens", put_tokens, methods=["PUT"]),
        Route("/_simulator/provisioned", put_provisioned, methods=["PUT"]),
        Route("/_simulator/health", healthy, methods=["GET"]),
    ]


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
