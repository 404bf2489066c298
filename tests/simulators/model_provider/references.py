"""Ids within bodies: what they name has to be there, in whatever position they stand."""

from typing import Any

from tests.simulators.model_provider.provider import Provider

_KINDS = {
    "file_id": "file",
    "file_ids": "file",
    "vector_store_ids": "vector_store",
    "vector_store_id": "vector_store",
}


def check(provider: Provider, value: Any) -> None:
    """See that every file, vector store and container that is named exists.

    Raises:
        ApiError: 400, one does not.
    """
    if isinstance(value, list):
        for one in value:
            check(provider, one)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == "annotations":
                continue  # of an answer that is sent back: the files of a container, say
            kind = "container" if name == "container" and isinstance(inner, str) else _KINDS.get(name)
            if kind is None:
                check(provider, inner)
                continue
            for wanted in inner if isinstance(inner, list) else [inner]:
                if wanted is not None:
                    provider.shelf(kind).find(wanted, status=400, param=name)
