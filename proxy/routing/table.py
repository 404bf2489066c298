"""The routes of one snapshot: which candidates a caller's model has, and where a call goes that names none."""

import random
from collections import Counter
from collections.abc import Sequence

from core.prices import price_at
from core.snapshot import Caller, Route, Snapshot
from proxy.endpoints import Endpoint
from proxy.errors import Refusal, unknown_model
from proxy.limits import Plan
from proxy.limits.plan import plan_of
from proxy.routing.candidates import Candidate, candidate_at, prepare


class RouteTable:
    """The candidates of one snapshot, prepared when first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._prepared: dict[tuple[str, str], Sequence[Sequence[Candidate]]] = {}
        self._places: dict[tuple[str, str], Candidate] = {}
        self._homes: dict[frozenset[str] | None, str | None] = {}  # by the models that are allowed
        self._plans: dict[tuple[str, str], Plan] = {}  # by key and model

    def route(
        self, caller: Caller, model: str, endpoint: Endpoint, now: float, *, upstream: str | None = None
    ) -> tuple[Route, Sequence[Candidate]]:
        """The route of a model and its candidates: by priority, then at random by weight.

        With `upstream`, those on this one alone: where what the call builds on lives. Refuses (404) a model that has no
        route or that the caller's policy does not allow, (403) an endpoint that it does not allow, (403) a model without
        a price at `now` (Unix seconds) where it wants one, and (400) one that `upstream` does not serve.
        """
        policy = caller.policy
        route = self.snapshot.routes.get(model)
        if route is None or not policy.allows_model(model):
            raise unknown_model(model)
        check_endpoint(caller, endpoint)
        tiers = self._prepared.get((model, endpoint.name))
        if tiers is None:
            tiers = self._prepared[(model, endpoint.name)] = prepare(route, endpoint)
        candidates = tiers[0] if len(tiers) == 1 and len(tiers[0]) == 1 else _in_order(tiers)
        if upstream is not None:
            candidates = [candidate for candidate in candidates if candidate.upstream == upstream]
            if not candidates:
                raise _not_on_upstream(model)
        if policy.refuse_unpriced:
            priced = [c for c in candidates if price_at(c.target.prices, now) is not None]
            if not priced and candidates:
                raise _unpriced(model)
            candidates = priced
        if not candidates:
            raise Refusal(503, "no_upstream", f"The model '{model}' has no upstream to serve it.", kind="server_error")
        return route, candidates

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
            candidate = self._places[(upstream, endpoint.name)] = candidate_at(found, endpoint)
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
        for name, route in self.snapshot.routes.items():
            if caller.policy.allows_model(name):
                routes.update({target.upstream.name for target in route.targets})
        marked = {name for name in routes if self.snapshot.upstreams[name].home}
        return min(marked or routes, key=lambda name: (-routes[name], name), default=None)

    def plan(self, caller: Caller, model: str, now: float) -> Plan:
        """The checks of a caller's limits for a model, by the calendar at `now` (Unix seconds)."""
        at = (caller.key_id, model)
        plan = self._plans.get(at)
        if plan is None or not plan.since <= now < plan.until:
            newer = self.snapshot.caller(caller.key_id)  # the caller may have come by an older snapshot
            plan = self._plans[at] = plan_of(newer or caller, model, now)
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
