"""What goes wrong, and when: by the `x-simulate` header of one request, or by rules that match requests.

A fault changes one answer. Rules are tried in order and the first that strikes is it; a request's own header goes
before all rules.
"""

from fnmatch import fnmatchcase
from random import Random

import msgspec

HEADER = "x-simulate"


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """The faults of one answer. Sizes are bytes, times are seconds; a chunk is an event that carries text."""

    latency: float = 0.0
    """Wait before the first byte."""
    status: int = 0
    """Answer with this status and the provider's error body."""
    retry_after: float | None = None
    """With `status`: the `retry-after` and `retry-after-ms` headers."""
    error_code: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    reset: bool = False
    """Reset the connection (RST) before answering."""
    hang: bool = False
    """Take the request and never answer."""
    garbage: bool = False
    """Answer 200 with something that is not JSON."""
    garbage_stream: bool = False
    """Answer 200 with a stream of events that are not JSON."""
    huge_header: int = 0
    """Add a header of this size (without a value: 128 KiB)."""
    body_bytes: int = 0
    """Write a text of at least this size."""
    no_usage: bool = False
    """Never report usage, asked or not. It is billed all the same."""
    chunk_delay: float | None = None
    """Wait after each chunk (`slow-chunks` is the same)."""
    split_bytes: int = 0
    """Write each event in pieces of this size."""
    cut_after: int | None = None
    """Close the connection after so many chunks, or in the middle of an answer that is not a stream."""
    hang_after: int | None = None
    """Say nothing more after so many chunks, until the client hangs up."""
    fail_after: int | None = None
    """Send the provider's error event after so many chunks, and end the stream."""
    ready_after: float | None = None
    """What goes on after the answer (a batch, a job, a run) ends so many seconds later; 0: before the answer."""
    ends_as: str | None = None
    """The state in which it ends: `failed`, `expired`, ..."""


NONE = Faults()

_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(Faults))
_ALIASES = {"slow-chunks": "chunk-delay"}
_WITHOUT_VALUE = {"huge-header": "131072"}


class UnknownFault(Exception):
    """A fault was asked for that there is none of; the message names it and those that there are."""


def parse(header: str) -> Faults:
    """The faults of an `x-simulate` header: `latency=0.2; status=429; retry-after=3`, in any order.

    Raises:
        UnknownFault: a name or a value means nothing.
    """
    values: dict[str, str] = {}
    for part in header.split(";"):
        name, given, value = part.strip().partition("=")
        if not name:
            continue
        name = _ALIASES.get(name.strip().lower(), name.strip().lower())
        if name not in _KNOWN:
            raise UnknownFault(f"{HEADER}: there is no fault '{name}'; there are {', '.join(sorted(_KNOWN))}")
        values[name] = value.strip() if given else _WITHOUT_VALUE.get(name, "true")
    try:
        return msgspec.convert(values, Faults, strict=False)
    except msgspec.ValidationError as error:
        raise UnknownFault(f"{HEADER}: {error}") from error


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Faults for the requests that match: shell patterns over the path, the model and the deployment."""

    faults: Faults
    path: str = "*"
    model: str = "*"
    deployment: str = "*"
    key: str = "*"
    """The credential that was sent."""
    probability: float = 1.0
    skip: int = 0
    """Let so many matching requests pass first."""
    first: int | None = None
    """Strike only so many of them after that."""


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rules, and the seed of their chances: the same requests in the same order meet the same faults."""

    seed: int = 0
    rules: list[Rule] = []


class FaultScript:
    """A plan at work: it counts what has matched."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._matched = [0] * len(plan.rules)
        self._random = Random(plan.seed)

    def faults_for(self, *, path: str, model: str, deployment: str, key: str) -> Faults:
        """The faults that strike this request."""
        for number, rule in enumerate(self.plan.rules):
            if not (
                fnmatchcase(path, rule.path)
                and fnmatchcase(model, rule.model)
                and fnmatchcase(deployment, rule.deployment)
                and fnmatchcase(key, rule.key)
            ):
                continue
            order = self._matched[number]
            self._matched[number] += 1
            if order < rule.skip or (rule.first is not None and order >= rule.skip + rule.first):
                continue
            if rule.probability >= 1 or self._random.random() < rule.probability:
                return rule.faults
        return NONE
