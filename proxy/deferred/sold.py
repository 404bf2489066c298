"""As what a provider's model was sold: the name that callers know it by, and the price in force when its work was asked for.

Providers name models in their own way: a deployment's name, or the model's with its date behind it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.prices import Price, price_at
from core.snapshot import Route, Target
from proxy.deferred import Due
from proxy.metering import Tokens
from proxy.routing import RouteTable

_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$|-\d{4}$")


@dataclass(frozen=True, slots=True)
class Sold:
    """A model's name to the caller, its route and deployment, and what it cost."""

    model: str
    route: str
    deployment: str | None
    price: Price | None

    def bill(self, tokens: Tokens) -> tuple[int, bool]:
        """Nano-dollars, and whether a part of it has no price of its own."""
        return self.price.bill(tokens) if self.price is not None else (0, True)


def sold_as(
    routes: RouteTable, due: Due, named: str | None, models: Iterable[str] = (), *, may_change: bool = False
) -> Sold:
    """As what `named`, the provider's name of a model, was sold to the maker of `due`.

    `models`: those that the work asked for, as callers know them, where the making call does not name the one.
    `may_change`: it may be another one than the making call's.
    """
    asked = [due.call.requested_model] if due.call.requested_model else list(models)
    found: list[tuple[str, Route, Target]] = []
    for model in asked:
        route = routes.names.find(due.call.route if due.call.requested_model else model)
        found += [(model, each, target) for each, target in _targets(routes, route, due.upstream, model)]
    if named is not None and not asked:
        found = list(_by_deployment(routes, due.upstream, named))
    chosen = _choose(found, named, only=len(asked) == 1 and not may_change)
    if chosen is None and named is not None and may_change:
        chosen = _choose(list(_by_deployment(routes, due.upstream, named)), named, only=False)
    if chosen is None:
        return _unknown(routes, due, named or "")
    model, route, target = chosen
    return Sold(model, route.model, target.deployment, price_at(target.prices, due.made_at))


def _choose(
    found: list[tuple[str, Route, Target]], named: str | None, *, only: bool
) -> tuple[str, Route, Target] | None:
    """The one that goes by the name, exactly or without its date; where one model was asked for, any of its targets."""
    if named is not None:
        for spelt in (named, _DATE.sub("", named)):
            for model, route, target in found:
                if spelt in (target.deployment, model):
                    return model, route, target
    return found[0] if found and (only or named is None) else None


def _targets(routes: RouteTable, route: Route | None, upstream: str, model: str) -> Iterator[tuple[Route, Target]]:
    """Those of a route and its fallbacks on an upstream."""
    for each in routes.with_fallbacks(route) if route is not None else ():
        for target in each.targets:
            if target.upstream.name == upstream:
                yield each, routes.named(target, model)


def _by_deployment(routes: RouteTable, upstream: str, named: str) -> Iterator[tuple[str, Route, Target]]:
    for route in routes.snapshot.routes.values():
        for target in route.targets:
            if target.upstream.name == upstream:
                yield route.model, route, target


def _unknown(routes: RouteTable, due: Due, named: str) -> Sold:
    """A model that no route has: by the provider's own name."""
    upstream = routes.snapshot.upstreams.get(due.upstream)
    provider = upstream.provider if upstream is not None else ""
    for spelt in (named, _DATE.sub("", named)):
        prices = routes.snapshot.prices.get((provider, spelt))
        if prices is not None:
            return Sold(named, due.call.route, named or None, price_at(prices, due.made_at))
    return Sold(named or due.call.requested_model, due.call.route, named or None, None)
