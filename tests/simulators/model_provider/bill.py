"""What the provider would charge, and what it has seen: both kept for the tests that compare them with the product's
own ledger.

An answer is billed for what was generated until the client hung up or the connection was cut; a request that was
refused, or that the provider never worked on, is not billed.
"""

import time
from collections import deque
from typing import Any

import msgspec


class Charge(msgspec.Struct):
    """The tokens of one answer; cached ones are a part of the prompt's, reasoning ones of the completion's."""

    model: str
    prompt_tokens: int
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    units: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    """What else is billed, or what the tokens are made of: `image`, `character`, `audio_second`, `video_second`,
    `trained_token`, `audio_input_token`, `image_output_token`, ...
    """


class Total(msgspec.Struct):
    """The sum of a model's charges."""

    requests: int = 0
    broken_off: int = 0
    """Those of them whose client hung up, or whose connection was cut."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    units: dict[str, float] | msgspec.UnsetType = msgspec.UNSET


class SeenRequest(msgspec.Struct):
    """A request as it arrived, and what became of it."""

    id: str
    """The answer's `x-request-id`."""
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    """Names in lower case, with their values, credentials too: in the order in which they came."""
    body: Any = None
    """The JSON, or a form's fields, with a file's name, size and SHA-256 in its place; a body that is neither, or JSON
    over 1 MiB, is told by its size alone.
    """
    body_bytes: int = 0
    status: int | None = None
    """None while nothing was answered."""
    faults: dict[str, Any] = {}
    chunks: int = 0
    """Chunks of text sent."""
    hung_up: bool = False
    """Whether the client closed the connection before it had the whole answer."""
    cut: bool = False
    """Whether a fault did."""
    done: bool = False
    """Whether the simulator is through with it."""
    charge: Charge | None = None
    arrived_at: float = msgspec.field(default_factory=time.time)
    """Unix seconds, as is the other: when its head was here."""
    answered_at: float | None = None
    """When the head of its answer went out."""


class Bill:
    """The sum of everything charged, by model."""

    def __init__(self) -> None:
        self._totals: dict[str, Total] = {}

    def add(self, charge: Charge, *, broken_off: bool) -> None:
        """Add an answer's charge."""
        total = self._totals.setdefault(charge.model, Total())
        total.requests += 1
        total.broken_off += broken_off
        total.prompt_tokens += charge.prompt_tokens
        total.cached_tokens += charge.cached_tokens
        total.completion_tokens += charge.completion_tokens
        total.reasoning_tokens += charge.reasoning_tokens
        total.total_tokens += charge.prompt_tokens + charge.completion_tokens
        if charge.units:
            units = total.units or {}
            total.units = units | {unit: units.get(unit, 0) + amount for unit, amount in charge.units.items()}

    def by_model(self) -> dict[str, Total]:
        """The totals."""
        return dict(sorted(self._totals.items()))

    def clear(self) -> None:
        """Start again from nothing."""
        self._totals.clear()


class Journal:
    """The last requests, oldest first."""

    def __init__(self, size: int) -> None:
        self._seen: deque[SeenRequest] = deque(maxlen=size)

    def add(self, request: SeenRequest) -> None:
        """Take up a request; it is filled in while it is answered."""
        self._seen.append(request)

    def last(self, number: int | None = None) -> list[SeenRequest]:
        """The last `number` of them, or all that are remembered."""
        seen = list(self._seen)
        return seen if number is None else seen[max(len(seen) - number, 0) :]

    def clear(self) -> None:
        """Forget them."""
        self._seen.clear()
