"""An estate for tests of objects: two providers' resources, and callers of two teams and of another client."""

import json
import re
from typing import Any

import httpx
import openai

from core.keys import generate
from tests.proxy.stack import Stack
from tests.simulators.fixtures import Simulator

CALLERS = {
    "alice": ("contoso", "research", "alice"),
    "bob": ("contoso", "sales", "bob"),
    "eve": ("fabrikam", "it", "eve"),
}
CHAT_MODELS = ("gpt-4o", "gpt-4o-mini")


def seed_text(first: Simulator, second: Simulator, **upstream: Any) -> str:
    """Every model on both resources, gpt-4o-mini on the second alone."""
    both = [{"upstream": "one", "deployment": "gpt-4o"}, {"upstream": "two", "deployment": "gpt-4o"}]
    surface = {"provider": "azure_openai", "auth": {"none": True}}
    clients: dict[str, dict[str, dict[str, list[dict[str, str]]]]] = {}
    for name, (client, team, app) in CALLERS.items():
        keys = clients.setdefault(client, {}).setdefault(team, {}).setdefault(app, [])
        keys.append({"name": "key", "secret_ref": f"env:KEY_{name.upper()}"})
    routes = [
        {"model": "gpt-4o", "targets": both},
        {"model": "gpt-4o-mini", "targets": [{"upstream": "two", "deployment": "gpt-4o-mini"}]},
        *({"model": model, "targets": [{"upstream": "one", "deployment": model}]} for model in OTHERS),
        {"model": "many-*", "targets": [{"upstream": "one", "deployment": "gpt-4o"}]},
    ]
    return json.dumps(
        {
            "upstreams": [
                {"name": "one", "endpoint": first.url, **surface, **upstream},
                {"name": "two", "endpoint": second.url, **surface},
            ],
            "routes": routes,
            "policies": [{"name": "open", "unpriced_models": "allow"}],
            "clients": [
                {
                    "name": client,
                    "policy": "open",
                    "teams": [
                        {"name": team, "apps": [{"name": app, "keys": keys} for app, keys in apps.items()]}
                        for team, apps in teams.items()
                    ],
                }
                for client, teams in clients.items()
            ],
            "prices": [
                {
                    "provider": "azure_openai",
                    "model": model,
                    "input_per_million": "2.50",
                    "output_per_million": "10.00",
                    "effective_from": "2024-01-01",
                }
                for model in CHAT_MODELS
            ],
        }
    )


OTHERS = (
    "dall-e-3",
    "dall-e-2",
    "gpt-image-1",
    "gpt-image-1.5",
    "gpt-4o-mini-tts",
    "tts-1",
    "whisper-1",
    "gpt-4o-transcribe",
    "omni-moderation-latest",
    "sora-2",
    "gpt-4o-realtime-preview",
    "gpt-realtime",
    "text-embedding-3-small",
    "gpt-3.5-turbo-instruct",
    "gpt-6-luna",
)


class Estate:
    """The stack, its two simulators, and an SDK for each caller."""

    def __init__(self, stack: Stack, first: Simulator, second: Simulator) -> None:
        self.stack = stack
        self.simulators = {"one": first, "two": second}
        self.keys = {name: generate().text for name in CALLERS}

    def start(self, **upstream: Any) -> None:
        keys = {f"KEY_{name.upper()}": key for name, key in self.keys.items()}
        self.stack.seed(seed_text(*self.simulators.values(), **upstream), **keys)
        self.stack.start_proxy()
        self.stack.start_writer()
        # The writer's first look at a new client's stream: lists wait for it a second, and a loaded machine takes longer.
        for caller in CALLERS:
            made = self.sdk(caller).vector_stores.with_raw_response.create()
            self.stack.row(made.headers["x-request-id"])

    def sdk(self, caller: str, surface: str = "/v1") -> openai.OpenAI:
        if surface == "azure":
            return openai.AzureOpenAI(
                azure_endpoint=self.stack.url,
                api_key=self.keys[caller],
                api_version="2025-04-01-preview",
                max_retries=0,
            )
        return openai.OpenAI(base_url=self.stack.url + surface, api_key=self.keys[caller], max_retries=0)

    def asked(self) -> list[dict[str, Any]]:
        """What callers' calls were sent on as, oldest first by simulator; not what the gateway asks for itself."""
        every = [request for simulator in self.simulators.values() for request in simulator.requests()]
        return [request for request in every if ["user-agent", "aduana"] not in request["headers"]]

    def heard(self) -> set[str]:
        """The ids of these. Compare them, not their number: the journal forgets its oldest requests."""
        return {request["id"] for request in self.asked()}

    def home_of(self, object_id: str) -> str:
        """Which simulator has an object."""
        path = _PATHS[re.split("[-_]", object_id)[0]]
        (name,) = (
            name
            for name, simulator in self.simulators.items()
            if httpx.get(f"{simulator.url}/v1/{path}/{object_id}", trust_env=False).status_code == 200
        )
        return name


_PATHS = {"resp": "responses", "file": "files", "vs": "vector_stores", "batch": "batches"}
