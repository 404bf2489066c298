"""The surface: a row an endpoint, on OpenAI's paths and on Azure's. A path in no row is a clear 404.

The caller's path says which row; the row says how the call is forwarded and metered.
"""

from dataclasses import dataclass
from enum import Enum


class Metering(Enum):
    """How a row's usage is read from its answers (proxy.metering)."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One billable endpoint."""

    name: str  # as policies and the ledger say it
    path: str  # behind /v1 and /openai/v1, without a slash in front
    metering: Metering
    by_deployment: bool  # Azure's dated surface has it below /openai/deployments/{deployment}
    streams: bool  # takes "stream": true
    creates: bool = False  # leaves something at the provider: a retry could make it twice


ENDPOINTS = (
    Endpoint("chat.completions", "chat/completions", Metering.CHAT, by_deployment=True, streams=True),
    Endpoint("responses", "responses", Metering.RESPONSES, by_deployment=False, streams=True, creates=True),
    Endpoint("embeddings", "embeddings", Metering.EMBEDDINGS, by_deployment=True, streams=False),
    Endpoint("completions", "completions", Metering.COMPLETIONS, by_deployment=True, streams=True),
)


def caller_paths(endpoint: Endpoint) -> tuple[str, ...]:
    """Every path that a caller may use for a row; `{deployment}` stands for the model."""
    azure = (
        f"/openai/deployments/{{deployment}}/{endpoint.path}" if endpoint.by_deployment else f"/openai/{endpoint.path}"
    )
    return (f"/v1/{endpoint.path}", azure, f"/openai/v1/{endpoint.path}")
