"""Who shares an upstream: what one client made there behind the gateway's back must be nobody else's."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from core.model_names import common

_C = TypeVar("_C")


def users_of(models: Collection[str], clients: Mapping[_C, Iterable[str] | None]) -> list[_C]:
    """The clients whose own policy allows one of an upstream's models; by each the models that it allows, None: all.

    The policies of the levels below may only tighten. `models` are names and patterns of routes, aliases among them.
    """
    return [client for client, allowed in clients.items() if models and (allowed is None or common(allowed, models))]
