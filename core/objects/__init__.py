"""What callers made at the providers (files, responses, batches, ...): whose it is, and which upstream has it.

The types that both the proxy and the ledger's writer speak; `store` is their SQL. An owner never changes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_ID = re.compile(r"[!-~]{1,256}")


class ObjectIdInvalid(ValueError):
    """What a provider named its object by is no id: not printable ASCII, or of more than 256 characters."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not 1 to 256 characters of printable ASCII without spaces")


def is_object_id(text: str) -> bool:
    """Whether a text could name an object at all: what could not is asked of nobody."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class NewObject:
    """What a call has just made."""

    id: str  # the provider's
    kind: str  # file | response | batch | ... (`makes` of proxy.endpoints)
    upstream: str  # the name of the one that has it
    model: str | None = None  # as the caller asked for it
    parent_id: str | None = None  # the object that it is part of
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON: what the gateway has to know of it, 8 KiB at most
    deferred_path: str | None = None  # where its usage is asked for when it has ended, below the upstream's surface


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an object is, and where it lives."""

    id: str
    kind: str
    client_id: bytes  # 16 bytes each
    team_id: bytes
    app_id: bytes
    key_id: str  # that made it
    upstream: str
    model: str | None
    parent_id: str | None
    details: Mapping[str, Any]
    created_at: float  # Unix seconds
    removed: bool = False
