"""Snapshots and callers for the tests of routing: small, and with names that say what they are."""

from core.prices import Price
from core.snapshot import Caller, EffectivePolicy, Route, Snapshot, Target, Upstream
from proxy.endpoints.table import ENDPOINTS
from proxy.routing import RouteTable
from proxy.targets import Board

CHAT, RESPONSES, FILES_RETRIEVE = (
    next(row for row in ENDPOINTS if row.name == name) for name in ("chat.completions", "responses", "files.retrieve")
)
NOW = 1000.0
PRICE = (Price(0.0, 1, 1, 1),)


def target(
    name, *, deployment=None, priority=0, weight=1, prices=PRICE, spill_at=None, most=None, **upstream
) -> Target:
    usual = {"provider": "openai", "endpoint": "https://api.example", "api_version": None}
    made = Upstream(id=name, name=name, secret_ref=None, stream_usage=True, **{**usual, **upstream})
    return Target(made, deployment or f"{name}-deployment", priority, weight, prices, spill_at, most, not prices)


def route(model: str, *targets: Target, fallback: str | None = None, **settings) -> Route:
    return Route(model, targets, fallback, None, 0, **settings)


def serving(*routes: Route, board: Board | None = None, prices=None) -> RouteTable:
    """A table of some routes, and the upstreams that they name."""
    upstreams = {t.upstream.name: t.upstream for route in routes for t in route.targets}
    by_model = {route.model: route for route in routes}
    return RouteTable(Snapshot(1, 0.0, routes=by_model, upstreams=upstreams, prices=prices or {}), board)


def caller(**policy) -> Caller:
    return Caller("k", b"app", b"", b"", "c/t/a/k", EffectivePolicy(**policy))


def order(routes: RouteTable, model: str = "m", who: Caller | None = None, endpoint=CHAT) -> list[str]:
    """The upstreams of a model's candidates."""
    return [candidate.upstream for candidate in routes.route(who or caller(), model, endpoint, NOW)[1]]
