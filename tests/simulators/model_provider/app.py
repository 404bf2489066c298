"""The surfaces: which path is which endpoint, on OpenAI's side and on Azure's."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tests.simulators.model_provider import admin, errors, responses
from tests.simulators.model_provider.chat import chat_completions
from tests.simulators.model_provider.completions import completions
from tests.simulators.model_provider.embeddings import embeddings
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import AZURE, AZURE_V1, OPENAI, Exchange
from tests.simulators.model_provider.model_list import model, models
from tests.simulators.model_provider.provider import Provider

Handler = Callable[[Exchange], Awaitable[None]]
Methods = dict[str, Handler]

_OF_MODELS: dict[str, Methods] = {
    "/chat/completions": {"POST": chat_completions},
    "/completions": {"POST": completions},
    "/embeddings": {"POST": embeddings},
}
_OF_THE_RESOURCE: dict[str, Methods] = {
    "/responses": {"POST": responses.create},
    "/responses/{id}": {"GET": responses.retrieve, "DELETE": responses.delete},
    "/responses/{id}/input_items": {"GET": responses.input_items},
    "/models": {"GET": models},
    "/models/{id}": {"GET": model},
}
# (where it starts, whose it is, what is there)
_SURFACES: list[tuple[str, str, dict[str, Methods]]] = [
    ("/v1", OPENAI, _OF_MODELS | _OF_THE_RESOURCE),
    ("/openai/v1", AZURE_V1, _OF_MODELS | _OF_THE_RESOURCE),
    ("/openai/deployments/{deployment}", AZURE, _OF_MODELS),
    ("/openai", AZURE, _OF_THE_RESOURCE),
]


class Endpoint:
    """One path of one surface, as an ASGI application."""

    def __init__(self, provider: Provider, surface: str, methods: Methods) -> None:
        self._provider = provider
        self._surface = surface
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Exchange(self._provider, self._surface, scope, receive, send).run(self._handle)

    async def _handle(self, exchange: Exchange) -> None:
        if self._surface == AZURE and not exchange.query.get("api-version", [""])[0]:
            raise errors.azure_not_found()
        handler = self._methods.get(exchange.method)
        if handler is None:
            allowed = " or ".join(self._methods)
            raise ApiError(
                405,
                f"Not allowed to {exchange.method} on {exchange.path}. "
                f"(HINT: Perhaps you meant to make your HTTP request using {allowed}?)",
                code="method_not_supported",
            )
        await handler(exchange)


class Nowhere:
    """Every other path."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        surface = AZURE if scope["path"].startswith("/openai") else OPENAI
        await Exchange(self._provider, surface, scope, receive, send).run(self._refuse)

    async def _refuse(self, exchange: Exchange) -> None:
        if exchange.azure:
            raise errors.azure_not_found()
        raise ApiError(404, f"Invalid URL ({exchange.method} {exchange.path})", code="unknown_url")


def build(provider: Provider) -> Starlette:
    """The application that serves this provider."""
    paths: list[BaseRoute] = [
        Route(prefix + path, Endpoint(provider, surface, methods))
        for prefix, surface, endpoints in _SURFACES
        for path, methods in endpoints.items()
    ]
    app = Starlette(routes=[*paths, *admin.routes(provider)])
    app.router.default = Nowhere(provider)
    app.router.redirect_slashes = False
    return app
