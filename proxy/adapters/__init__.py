"""How a call is put to each kind of provider: path, query, credential and the name of the model.

Adding a provider is one file with an `Adapter` and one line in `ADAPTERS`.
"""

from typing import Protocol

from core.snapshot import Target
from proxy.adapters.azure_openai import AzureOpenAI
from proxy.adapters.openai import OpenAI
from proxy.adapters.openai_compatible import OpenAICompatible
from proxy.endpoints import Endpoint

__all__ = ["ADAPTERS", "Adapter"]


class Adapter(Protocol):
    """One kind of provider. Its methods are called once a target and endpoint, not once a call."""

    def path(self, target: Target, endpoint: Endpoint) -> str:
        """Path and query below the upstream's host, percent-encoded, its endpoint's base path included."""
        ...

    def credential(self, secret: str) -> tuple[bytes, bytes]:
        """The header that carries the upstream's secret."""
        ...


ADAPTERS: dict[str, Adapter] = {
    "azure_openai": AzureOpenAI(),
    "openai": OpenAI(),
    "openai_compatible": OpenAICompatible(),
}
