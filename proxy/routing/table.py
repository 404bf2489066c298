"""The routes of one snapshot: which candidates a caller's model has, and where a call goes that names none."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.prices import price_at
from core.settings import Timeouts
from core.snapshot import Caller, EffectivePolicy, Route, Snapshot, Target
from proxy.endpoints import Endpoint
from proxy.errors import Refusal, unknown_model
from proxy.limits import Plan
from proxy.limits.plan import plan_of
from proxy.routing.candidates import Candidate, Preparer
from proxy.routing.names import Names
from proxy.targets import Board

# Kept by a model's name as callers say it, of which a wildcard allows any number: beyond these they are worked out anew.
_MOST_PREPARED = 10_000
_MOST_PLANS = 50_000


@dataclass(frozen=True, slots=True)
class _Stage:
    """A route on the way: the one that was asked for, or a fallback."""

    route: Route
    tiers: Sequence[Sequence[Candidate]]  # a list for each priority


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a name means at an endpoint."""

    stages: Sequence[_Stage]
    sole: Sequence[Candidate] | None  # where there is nothing to choose from


class RouteTable:
    """The candidates of one snapshot, prepared when first asked for."""

    def __init__(self, snapshot: Snapshot, board: Board | None = None, timeouts: Timeouts | None = None) -> None:
        self.snapshot = snapshot
        self.mark = object()  # stands for this table where the table itself must not be kept
        self.names = Names(snapshot.routes)
        self._preparer = Preparer(snapshot, board or Board(), timeouts or Timeouts())
        self._prepared: dict[tuple[str, str], _Prepared] = {}
        self._places: dict[tuple[str, str], Candidate] = {}
        self._homes: dict[frozenset[str] | None, str | None] = {}  # by the models that are allowed
        self._plans: dict[tuple[str, str], Plan] = {}  # by key and model

    def route(
        self, caller: Caller, model: str, endpoint: Endpoint, now: float, *, upstream: str | None = None
    ) -> tuple[Route, Sequence[Candidate]]:
        """The route of a model and its candidates: by priority, then at random by weight, then those of its fallbacks.

        With `upstream`, those on this one alone: where what the call builds on lives. Refuses (404) a model that has no
        route or that the caller's policy does not allow, (403) an endpoint that it does not allow, (403) a model without
        a price at `now` (Unix seconds) where it wants one, and (400) one that `upstream` does not serve.
        """
        policy = caller.policy
        prepared = self._prepared.get((model, endpoint.name))
        if prepared is None:
            prepared = self._prepare(model, endpoint)
        route = prepared.stages[0].route
        if not allows(policy, model, route):
            raise unknown_model(model)
        check_endpoint(caller, endpoint)
        candidates = prepared.sole
        if candidates is None:
            candidates = _in_order(prepared.stages, policy)
        if upstream is not None:
            candidates = [candidate for candidate in candidates if candidate.upstream == upstream]
            if not candidates or candidates[0].route is not route:
                raise _not_on_upstream(model)
        if policy.refuse_unpriced:
            priced = [c for c in candidates if price_at(c.target.prices, now) is not None]
            if not priced and candidates:
                raise _unpriced(model)
            candidates = priced
        if not candidates:
            raise Refusal(503, "no_upstream", f"The model '{model}' has no upstream to serve it.", kind="server_error")
        return route, candidates

    def find(self, caller: Caller, model: str) -> Route:
        """The route of a name that a caller may use. Refuses (404) any other."""
        route = self.names.find(model)
        if route is None or not allows(caller.policy, model, route):
            raise unknown_model(model)
        return route

    def place(self, upstream: str, endpoint: Endpoint) -> Candidate:
        """An upstream, by name, for a call that names no model. Refuses (503) one that is gone."""
        candidate = self._places.get((upstream, endpoint.name))
        if candidate is None:
            found = self.snapshot.upstreams.get(upstream)
            if found is None:
                raise Refusal(
                    503,
                    "upstream_gone",
                    "The model provider's resource that holds this is no longer configured in the gateway. "
                    "Ask your Aduana administrator.",
                    kind="server_error",
                )
            candidate = self._places[(upstream, endpoint.name)] = self._preparer.place(found, endpoint)
        return candidate

    def home(self, caller: Caller) -> str:
        """The upstream, by name, where a caller's objects are made that name no model and no other object.

        The one that is marked so among those of the routes that the caller may use, else the one with the most of them.
        Refuses (503) where there is none.
        """
        allowed = caller.policy.allowed_models
        if allowed not in self._homes:
            self._homes[allowed] = self._find_home(caller)
        home = self._homes[allowed]
        if home is None:
            raise Refusal(
                503,
                "no_upstream",
                "No upstream serves any model that your policy allows, so there is nowhere to keep this. "
                "Ask your Aduana administrator.",
                kind="server_error",
            )
        return home

    def _find_home(self, caller: Caller) -> str | None:
        routes = Counter[str]()
        for route in self.snapshot.routes.values():
            if any(caller.policy.allows_model(name) for name in (route.model, *route.aliases)):
                routes.update({target.upstream.name for target in route.targets})
        marked = {name for name in routes if self.snapshot.upstreams[name].home}
        return min(marked or routes, key=lambda name: (-routes[name], name), default=None)

    def plan(self, caller: Caller, model: str, now: float) -> Plan:
        """The checks of a caller's limits for a model, by the calendar at `now` (Unix seconds)."""
        at = (caller.key_id, model)
        plan = self._plans.get(at)
        if plan is None or not plan.since <= now < plan.until:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            newer = self.snapshot.caller(caller.key_id)  # the caller may have come by an older snapshot
            plan = self._plans[at] = plan_of(newer or caller, model, now)
        return plan

    def downshift(
        self, caller: Caller, model: str, endpoint: Endpoint, now: float
    ) -> tuple[Route, Sequence[Candidate]] | None:
        """The cheaper route of a model's, where it has one that the caller may use."""
        route = self.names.find(model)
        if route is None or route.downshift is None:
            return None
        try:
            return self.route(caller, route.downshift, endpoint, now)
        except Refusal:
            return None

    def named(self, target: Target, model: str) -> Target:
        """The target for a model as the caller says it: itself, or where its deployment is a star the one that is named."""
        return self._preparer.named(target, model)

    def _prepare(self, model: str, endpoint: Endpoint) -> _Prepared:
        route = self.names.find(model)
        if route is None:
            raise unknown_model(model)
        tiers = self._preparer.tiers
        stages = [_Stage(each, tiers(each, model, endpoint)) for each in self.with_fallbacks(route)]
        only = stages[0].tiers if len(stages) == 1 else ()
        prepared = _Prepared(stages, only[0] if len(only) == 1 and len(only[0]) == 1 else None)
        if len(self._prepared) >= _MOST_PREPARED:
            self._prepared.clear()
        self._prepared[model, endpoint.name] = prepared
        return prepared

    def with_fallbacks(self, route: Route) -> list[Route]:
        """A route, its fallback, that one's, and so on; a circle ends where it would begin anew."""
        chain = [route]
        while (name := chain[-1].fallback) is not None:
            following = self.snapshot.routes.get(name)
            if following is None or following in chain:
                break
            chain.append(following)
        return chain


def allows(policy: EffectivePolicy, model: str, route: Route) -> bool:
    """Whether a policy allows a model as it is asked for, or the route that it means."""
    return policy.allows_model(model) or (route.model != model and policy.allows_model(route.model))


def check_endpoint(caller: Caller, endpoint: Endpoint) -> None:
    """Refuses (403) an endpoint that the caller's policy does not allow."""
    if not caller.policy.allows_endpoint(endpoint.scope):
        raise Refusal(
            403,
            "endpoint_not_allowed",
            f"Your policy does not allow the endpoint '{endpoint.scope}' (allowed_endpoints). "
            "Ask your Aduana administrator if you need it.",
            kind="permission_error",
        )


def _unpriced(model: str) -> Refusal:
    return Refusal(
        403,
        "model_unpriced",
        f"The model '{model}' has no price now, and your policy refuses unpriced models (unpriced_models). "
        "Ask your Aduana administrator to add one.",
        kind="permission_error",
        param="model",
    )


def _not_on_upstream(model: str) -> Refusal:
    return Refusal(
        400,
        "model_not_on_upstream",
        f"The model '{model}' is not served where the objects live that this call names (a file, a response, a vector "
        "store, …). Name objects that were made with this model, or a model that was used with them.",
        param="model",
    )


def _in_order(stages: Sequence[_Stage], policy: EffectivePolicy) -> list[Candidate]:
    """Lower priorities first; among equals a random order in which a weight of 3 comes first three times as often as 1.

    A fallback that the policy does not allow is passed over.
    """
    order: list[Candidate] = []
    for index, stage in enumerate(stages):
        if index and not policy.allows_model(stage.route.model):
            continue
        for tier in stage.tiers:
            if len(tier) == 1:
                order.append(tier[0])
            else:
                # Efraimidis and Spirakis, 2006: sort by u^(1/w); no cryptography hangs on it.
                order.extend(sorted(tier, key=_by_weight, reverse=True))
    return order


def _by_weight(candidate: Candidate) -> float:
    return random.random() ** (1 / candidate.target.weight)  # type: ignore[no-any-return] # noqa: S311
