"""Targets made ready for an endpoint: origin, path and model as one upstream wants them, worked out once a snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from core.model_names import STAR
from core.settings import Timeouts
from core.snapshot import Route, Snapshot, Target, Upstream
from proxy.adapters import ADAPTERS
from proxy.endpoints import Endpoint, Metering
from proxy.routing.parameters import Parameters
from proxy.targets import Board, Health
from proxy.upstream import Origin


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A target made ready for one endpoint: nothing of it has to be built per call."""

    route: Route
    target: Target
    health: Health
    origin: Origin
    path: bytes  # with the query; what the caller names in it is still `{kind}`
    model: bytes  # the body's "model", as JSON; b"": as the caller said it
    upstream: str
    deployment: str
    stream_usage: bool
    cap_field: str  # what it calls a cap of the output
    timeouts: Timeouts
    parameters: Parameters | None  # what its route sets of a request
    beta: bytes | None = None  # the `OpenAI-Beta` of what the gateway asks there by itself


class Preparer:
    """Makes the candidates of one snapshot."""

    def __init__(self, snapshot: Snapshot, board: Board, timeouts: Timeouts) -> None:
        self._snapshot = snapshot
        self._board = board
        self._timeouts = timeouts  # where an upstream has none of its own
        self._parameters: dict[str, Parameters | None] = {}  # by route: one and the same for all its candidates

    def tiers(self, route: Route, model: str, endpoint: Endpoint) -> Sequence[Sequence[Candidate]]:
        """A route's candidates for a model as the caller says it, a list for each priority."""
        tiers: dict[int, list[Candidate]] = {}
        for target in route.targets:
            candidate = self._candidate(route, self.named(target, model), endpoint, target.deployment)
            tiers.setdefault(target.priority, []).append(candidate)
        return [tiers[priority] for priority in sorted(tiers)]

    def place(self, upstream: Upstream, endpoint: Endpoint) -> Candidate:
        """An upstream itself, for what names no model."""
        target = Target(upstream, "", 0, 1, ())
        return self._candidate(Route("", (target,), None, None, 0), target, endpoint, "")

    def _parameters_of(self, route: Route) -> Parameters | None:
        if route.model not in self._parameters:
            self._parameters[route.model] = Parameters.of(route)
        return self._parameters[route.model]

    def named(self, target: Target, model: str) -> Target:
        """The target itself, or where its deployment is a star the one that the caller names."""
        if target.deployment != STAR:
            return target
        own = self._snapshot.prices.get((target.upstream.provider, model))
        return replace(target, deployment=model, prices=own if own and target.priced_by_name else target.prices)

    def _candidate(self, route: Route, target: Target, endpoint: Endpoint, kept_as: str) -> Candidate:
        upstream = target.upstream
        origin = Origin.parse(upstream.endpoint)
        if upstream.max_connections is not None:
            origin = replace(origin, pool=upstream.name, max_connections=upstream.max_connections)
        return Candidate(
            route,
            target,
            self._board.health(upstream.name, kept_as),
            origin,
            ADAPTERS[upstream.provider].path(target, endpoint).encode("ascii"),
            msgspec.json.encode(target.deployment) if target.deployment else b"",
            upstream.name,
            target.deployment,
            upstream.stream_usage,
            _cap_field(endpoint, upstream.provider),
            replace(self._timeouts, **upstream.timeouts),
            self._parameters_of(route),
            endpoint.beta,
        )


def _cap_field(endpoint: Endpoint, provider: str) -> str:
    if endpoint.metering is Metering.RESPONSES:
        return "max_output_tokens"
    # Reasoning models know no max_tokens; compatible servers do not always know its successor.
    if endpoint.metering is Metering.CHAT and provider != "openai_compatible":
        return "max_completion_tokens"
    return "max_tokens"
