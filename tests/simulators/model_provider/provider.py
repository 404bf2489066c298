"""The simulated provider's memory: configuration, faults at work, bill, journal, prompt cache, objects."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from tests.simulators.model_provider import errors, tokens
from tests.simulators.model_provider.bill import Bill, Journal
from tests.simulators.model_provider.configuration import Configuration, Model
from tests.simulators.model_provider.faults import FaultPlan, FaultScript
from tests.simulators.model_provider.prompt_cache import PromptCache
from tests.simulators.model_provider.provisioned import Capacity
from tests.simulators.model_provider.rate_limits import RateLimits
from tests.simulators.model_provider.shelf import Shelf

_WINDOWS = (
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-32k", 32_768),
    ("gpt-4", 8_192),
    ("gpt-3.5", 16_385),
    ("gpt-35", 16_385),
    ("gpt-5", 400_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4", 200_000),
    ("text-embedding-", 8_192),
)
_WINDOW = 128_000

# What `GET /v1/models` shows where none are configured.
CATALOGUE = (
    "gpt-5",
    "gpt-5-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "o3",
    "o4-mini",
    "gpt-4",
    "gpt-3.5-turbo",
    "gpt-3.5-turbo-instruct",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
)


class Provider:
    """One provider, OpenAI and an Azure OpenAI resource at once; lives as long as the process."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.models = {model.name: model for model in configuration.models}
        self.keys = frozenset(configuration.api_keys)
        self.bearer_tokens: frozenset[str] | None = None
        self.accept_tokens(configuration.bearer_tokens)
        self.marker = secrets.token_hex(4)
        """Which provider this is; the ids of its objects start with it."""
        self.capacity = Capacity(configuration.provisioned)
        self.faults = FaultScript(configuration.faults)
        self.limits = RateLimits(configuration.limits)
        self.bill = Bill()
        self.journal = Journal(configuration.remembered_requests)
        self.prompts = PromptCache()
        self._shelves: dict[str, Shelf] = {}
        self._ephemeral: set[str] = set()
        self._at_work: set[asyncio.Task[None]] = set()

    def shelf(self, kind: str) -> Shelf:
        """The objects of a kind."""
        return self._shelves.setdefault(kind, Shelf(kind))

    def new_id(self, prefix: str) -> str:
        """An id for an object of this provider."""
        return f"{prefix}{self.marker}{secrets.token_hex(12)}"

    async def later(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do something in the background, so many seconds from now; with 0 before this returns."""
        if seconds <= 0:
            await work()
            return

        async def wait() -> None:
            await asyncio.sleep(seconds)
            await work()

        task = asyncio.create_task(wait())
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    def accept_tokens(self, tokens: list[str] | None) -> None:
        """Replace the access tokens that Azure's surfaces accept; None: they are not looked at."""
        self.bearer_tokens = None if tokens is None else frozenset(tokens)

    def accept_ephemeral(self, key: str) -> None:
        """Accept a key for realtime sessions."""
        self._ephemeral.add(key)

    def holds_ephemeral(self, key: str | None) -> bool:
        """Whether this is a key for realtime sessions."""
        return key in self._ephemeral

    def plan_faults(self, plan: FaultPlan) -> None:
        """Replace the rules, their counts and their chances."""
        self.faults = FaultScript(plan)

    def model(self, name: str) -> Model:
        """The model of that name.

        Raises:
            ApiError: 404, where models are configured and it is none of them.
        """
        if name in self.models:
            return self.models[name]
        if self.models:
            raise errors.no_model(name)
        return Model(name)

    def deployed(self, deployment: str) -> Model:
        """The model behind a deployment.

        Raises:
            ApiError: 404, where deployments are configured and it is none of them.
        """
        deployments = self.configuration.deployments
        if deployments and deployment not in deployments:
            raise errors.no_deployment()
        return self.model(deployments.get(deployment, deployment))


def window_of(model: Model) -> int:
    """The model's context window, in tokens."""
    if model.context_window is not None:
        return model.context_window
    return next((window for prefix, window in _WINDOWS if model.name.startswith(prefix)), _WINDOW)


def encoding_of(model: Model) -> str:
    """The model's encoding."""
    return model.encoding or tokens.encoding_of(model.name)
