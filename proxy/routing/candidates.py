"""Targets made ready for an endpoint: origin, path and model as one upstream wants them, worked out once a snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from core.snapshot import Route, Target, Upstream
from proxy.adapters import ADAPTERS
from proxy.endpoints import Endpoint, Metering
from proxy.upstream import Origin


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A target made ready for one endpoint: nothing of it has to be built per call."""

    target: Target
    origin: Origin
    path: bytes  # with the query; what the caller names in it is still `{kind}`
    model: bytes  # the body's "model", as JSON; b"": as the caller said it
    upstream: str
    deployment: str
    stream_usage: bool
    cap_field: str  # what it calls a cap of the output


def prepare(route: Route, endpoint: Endpoint) -> Sequence[Sequence[Candidate]]:
    """A route's candidates, a list for each priority."""
    tiers: dict[int, list[Candidate]] = {}
    for target in route.targets:
        tiers.setdefault(target.priority, []).append(candidate_of(target, endpoint))
    return [tiers[priority] for priority in sorted(tiers)]


def candidate_at(upstream: Upstream, endpoint: Endpoint) -> Candidate:
    """An upstream itself, for what names no model."""
    return candidate_of(Target(upstream, "", 0, 1, ()), endpoint)


def candidate_of(target: Target, endpoint: Endpoint) -> Candidate:
    """One target for one endpoint."""
    upstream = target.upstream
    return Candidate(
        target,
        Origin.parse(upstream.endpoint),
        ADAPTERS[upstream.provider].path(target, endpoint).encode("ascii"),
        msgspec.json.encode(target.deployment) if target.deployment else b"",
        upstream.name,
        target.deployment,
        upstream.stream_usage,
        _cap_field(endpoint, upstream.provider),
    )


def _cap_field(endpoint: Endpoint, provider: str) -> str:
    if endpoint.metering is Metering.RESPONSES:
        return "max_output_tokens"
    # Reasoning models know no max_tokens; compatible servers do not always know its successor.
    if endpoint.metering is Metering.CHAT and provider != "openai_compatible":
        return "max_completion_tokens"
    return "max_tokens"
