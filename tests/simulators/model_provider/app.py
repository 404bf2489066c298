"""The surfaces: which path is which endpoint, on OpenAI's side and on Azure's."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.simulators.model_provider import admin, decisions, errors, images, responses_socket, speech, transcription
from tests.simulators.model_provider.chat import chat_completions
from tests.simulators.model_provider.completions import completions
from tests.simulators.model_provider.embeddings import embeddings
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import AZURE, AZURE_V1, OPENAI, Exchange
from tests.simulators.model_provider.model_list import model, models
from tests.simulators.model_provider.paths import PathTree
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.realtime.door import Door
from tests.simulators.model_provider.resources import (
    agent_sessions,
    agents,
    assistants,
    batches,
    containers,
    conversations,
    evals,
    files,
    fine_tuning,
    graders,
    moderations,
    provenance,
    realtime_secrets,
    response_objects,
    runs,
    skills,
    stored_chat,
    threads,
    uploads,
    vaults,
    vector_store_files,
    vector_stores,
    videos,
    voices,
)

Handler = Callable[[Exchange], Awaitable[None]]
Methods = Mapping[str, Handler]

_OF_MODELS: dict[str, Methods] = {
    "chat/completions": {"POST": chat_completions},
    "completions": {"POST": completions},
    "embeddings": {"POST": embeddings},
    **images.PATHS,
    **speech.PATHS,
    **transcription.PATHS,
}
_OF_THE_RESOURCE: dict[str, Methods] = {
    **response_objects.PATHS,
    **stored_chat.PATHS,
    **conversations.PATHS,
    **decisions.PATHS,
    "models": {"GET": models},
    "models/{id}": {"GET": model},
    **files.PATHS,
    **uploads.PATHS,
    **batches.PATHS,
    **vector_stores.PATHS,
    **vector_store_files.PATHS,
    **images.VARIATIONS,
    **moderations.PATHS,
    **voices.PATHS,
    **assistants.PATHS,
    **threads.PATHS,
    **runs.PATHS,
    **realtime_secrets.PATHS,
    **fine_tuning.PATHS,
    **graders.PATHS,
    **videos.PATHS,
    **containers.PATHS,
    **skills.PATHS,
    **evals.PATHS,
    **provenance.PATHS,
    **agents.PATHS,
    **agent_sessions.PATHS,
    **vaults.PATHS,
}
# (where it starts, whose it is, what is there)
_SURFACES: list[tuple[str, str, tuple[dict[str, Methods], ...]]] = [
    ("/v1", OPENAI, (_OF_MODELS, _OF_THE_RESOURCE)),
    ("/openai/v1", AZURE_V1, (_OF_MODELS, _OF_THE_RESOURCE)),
    ("/openai/deployments/{deployment}", AZURE, (_OF_MODELS,)),
    ("/openai", AZURE, (_OF_THE_RESOURCE,)),
]


_SOCKETS = {
    "/v1/realtime": OPENAI,
    "/openai/v1/realtime": AZURE_V1,
    "/openai/realtime": AZURE,
    "/v1/responses": OPENAI,
    "/openai/v1/responses": AZURE_V1,
    "/openai/responses": AZURE,
}


class Application:
    """All that the provider answers, as an ASGI application."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._admin: ASGIApp = Starlette(routes=admin.routes(provider))
        self._paths: PathTree[tuple[str, dict[str, Handler]]] = PathTree()
        for prefix, surface, tables in _SURFACES:
            together: dict[str, dict[str, Handler]] = {}
            for table in tables:
                for path, methods in table.items():
                    together.setdefault(path, {}).update(methods)
            for path, methods in together.items():
                self._paths.add(f"{prefix}/{path}", (surface, methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] == "websocket":
            surface = _SOCKETS.get(path)
            if surface is None:
                await receive()
                await send({"type": "websocket.close", "code": 1000})  # 403, before it is accepted
                return
            if path.endswith("/responses"):
                await responses_socket.serve(self._provider, surface, scope, receive, send)
            else:
                await Door(self._provider, surface, scope, receive, send).run()
            return
        if path.startswith("/_simulator/"):
            await self._admin(scope, receive, send)
            return
        found = self._paths.find(path)
        if found is None:
            surface = AZURE if path.startswith("/openai") else OPENAI
            await Exchange(self._provider, surface, scope, receive, send).run(_refuse)
            return
        (surface, methods), scope["path_params"] = found
        await Exchange(self._provider, surface, scope, receive, send).run(_by_method(surface, methods))


def _by_method(surface: str, methods: Methods) -> Handler:
    async def handle(exchange: Exchange) -> None:
        if surface == AZURE and not exchange.query.get("api-version", [""])[0]:
            raise errors.azure_not_found()
        if surface == OPENAI:
            _check_beta(exchange)
        handler = methods.get(exchange.method)
        if handler is None:
            allowed = " or ".join(methods)
            raise ApiError(
                405,
                f"Not allowed to {exchange.method} on {exchange.path}. "
                f"(HINT: Perhaps you meant to make your HTTP request using {allowed}?)",
                code="method_not_supported",
            )
        await handler(exchange)

    return handle


_BETA = {"agents": "agents=v1", "vaults": "agents=v1", "assistants": "assistants=v2", "threads": "assistants=v2"}


def _check_beta(exchange: Exchange) -> None:
    """What is in beta is asked for as such."""
    wanted = _BETA.get(exchange.path.removeprefix("/v1/").split("/")[0])
    if wanted is not None and wanted not in exchange.headers.get("openai-beta", ""):
        message = f"You must provide the 'OpenAI-Beta' header to access this API: 'OpenAI-Beta: {wanted}'."
        raise ApiError(400, message, code="invalid_beta")


async def _refuse(exchange: Exchange) -> None:
    if exchange.azure:
        raise errors.azure_not_found()
    raise ApiError(404, f"Invalid URL ({exchange.method} {exchange.path})", code="unknown_url")


def build(provider: Provider) -> Application:
    """The application that serves this provider."""
    return Application(provider)
