"""The list of models, and one of them."""

from typing import Any

from tests.simulators.model_provider.configuration import Model
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.provider import CATALOGUE

_CREATED = 1_715_367_049


async def models(exchange: Exchange) -> None:
    """GET .../models."""
    names = list(exchange.provider.models) or list(CATALOGUE)
    await exchange.answer({"object": "list", "data": [_shown(exchange, name) for name in names]})


async def model(exchange: Exchange) -> None:
    """GET .../models/{id}."""
    found: Model = exchange.provider.model(exchange.path_params["id"])
    await exchange.answer(_shown(exchange, found.name))


def _shown(exchange: Exchange, name: str) -> dict[str, Any]:
    if not exchange.azure:
        return {"id": name, "object": "model", "created": _CREATED, "owned_by": "system"}
    embeds = name.startswith("text-embedding")
    return {
        "id": name,
        "object": "model",
        "created_at": _CREATED,
        "status": "succeeded",
        "lifecycle_status": "generally-available",
        "capabilities": {
            "fine_tune": False,
            "inference": True,
            "completion": not embeds,
            "chat_completion": not embeds,
            "embeddings": embeds,
        },
        "deprecation": {"inference": 1_893_456_000},
    }
