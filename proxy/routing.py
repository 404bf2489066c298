"""The second step: a model's name becomes the targets to try, in order, each prepared for its endpoint."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from core.prices import price_at
from core.snapshot import Caller, Route, Snapshot, Target
from proxy.adapters import ADAPTERS
from proxy.endpoints import Endpoint, Metering
from proxy.errors import Refusal, unknown_model
from proxy.limits import Plan
from proxy.limits.plan import plan_of
from proxy.upstream import Origin


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A target made ready for one endpoint: nothing of it has to be built per call."""

    target: Target
    origin: Origin
    path: bytes  # with the query
    model: bytes  # the body's "model", as JSON
    upstream: str
    deployment: str
    stream_usage: bool
    cap_field: str  # what it calls a cap of the output


class RouteTable:
    """The candidates of one snapshot, prepared when first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._prepared: dict[tuple[str, str], Sequence[Sequence[Candidate]]] = {}
        self._plans: dict[tuple[str, str], Plan] = {}  # by key and model

    def route(self, caller: Caller, model: str, endpoint: Endpoint, now: float) -> tuple[Route, Sequence[Candidate]]:
        """The route of a model and its candidates: by priority, then at random by weight.

        Refuses (404) a model that has no route or that the caller's policy does not allow, (403) an endpoint that it
        does not allow, and (403) a model without a price at `now` (Unix seconds) where it wants one.
        """
        policy = caller.policy
        route = self.snapshot.routes.get(model)
        if route is None or not policy.allows_model(model):
            raise unknown_model(model)
        if not policy.allows_endpoint(endpoint.name):
            raise Refusal(
                403,
                "endpoint_not_allowed",
                f"Your policy does not allow the endpoint '{endpoint.name}' (allowed_endpoints). "
                "Ask your Aduana administrator if you need it.",
                kind="permission_error",
            )
        tiers = self._prepared.get((model, endpoint.name))
        if tiers is None:
            tiers = self._prepared[(model, endpoint.name)] = _prepare(route, endpoint)
        candidates = tiers[0] if len(tiers) == 1 and len(tiers[0]) == 1 else _in_order(tiers)
        if policy.refuse_unpriced:
            priced = [c for c in candidates if price_at(c.target.prices, now) is not None]
            if not priced and candidates:
                raise Refusal(
                    403,
                    "model_unpriced",
                    f"The model '{model}' has no price now, and your policy refuses unpriced models (unpriced_models). "
                    "Ask your Aduana administrator to add one.",
                    kind="permission_error",
                    param="model",
                )
            candidates = priced
        if not candidates:
            raise Refusal(503, "no_upstream", f"The model '{model}' has no upstream to serve it.", kind="server_error")
        return route, candidates

    def plan(self, caller: Caller, model: str, now: float) -> Plan:
        """The checks of a caller's limits for a model, by the calendar at `now` (Unix seconds)."""
        at = (caller.key_id, model)
        plan = self._plans.get(at)
        if plan is None or not plan.since <= now < plan.until:
            entry = self.snapshot.keys.get(caller.key_id)  # it may be a newer one than the caller came by
            plan = self._plans[at] = plan_of(entry.caller if entry is not None else caller, model, now)
        return plan

    def downshift(
        self, caller: Caller, model: str, endpoint: Endpoint, now: float
    ) -> tuple[Route, Sequence[Candidate]] | None:
        """The cheaper route of a model's, where it has one that the caller may use."""
        route = self.snapshot.routes.get(model)
        if route is None or route.downshift is None:
            return None
        try:
            return self.route(caller, route.downshift, endpoint, now)
        except Refusal:
            return None


def _prepare(route: Route, endpoint: Endpoint) -> Sequence[Sequence[Candidate]]:
    """A route's candidates, a list for each priority."""
    tiers: dict[int, list[Candidate]] = {}
    for target in route.targets:
        upstream = target.upstream
        adapter = ADAPTERS[upstream.provider]
        candidate = Candidate(
            target,
            Origin.parse(upstream.endpoint),
            adapter.path(target, endpoint).encode("ascii"),
            msgspec.json.encode(target.deployment),
            upstream.name,
            target.deployment,
            upstream.stream_usage,
            _cap_field(endpoint, upstream.provider),
        )
        tiers.setdefault(target.priority, []).append(candidate)
    return [tiers[priority] for priority in sorted(tiers)]


def _cap_field(endpoint: Endpoint, provider: str) -> str:
    if endpoint.metering is Metering.RESPONSES:
        return "max_output_tokens"
    # Reasoning models know no max_tokens; compatible servers do not always know its successor.
    if endpoint.metering is Metering.CHAT and provider != "openai_compatible":
        return "max_completion_tokens"
    return "max_tokens"


def _in_order(tiers: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Lower priorities first; among equals a random order in which a weight of 3 comes first three times as often as 1."""
    order: list[Candidate] = []
    for tier in tiers:
        if len(tier) == 1:
            order.append(tier[0])
        else:
            # Efraimidis and Spirakis, 2006: sort by u^(1/w); no cryptography hangs on it.
            order.extend(sorted(tier, key=lambda c: random.random() ** (1 / c.target.weight), reverse=True))  # noqa: S311
    return order
