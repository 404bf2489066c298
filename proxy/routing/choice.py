"""Which candidate comes next: by the route's order, passing over those that must not be called or are better spared.

It is asked before every attempt, for what was true when the call was admitted may have changed.
"""

from collections.abc import Collection, Sequence

from core.snapshot import Route
from proxy.errors import Refusal
from proxy.routing.candidates import Candidate


def choose(candidates: Sequence[Candidate], tried: Collection[Candidate], now: float) -> Candidate | None:
    """The next candidate; None where none is left that may be called.

    Of one route, those that are used over their mark or hold as many calls as they should come last; the fallback's come
    after all of the route's.
    """
    spare: Candidate | None = None
    route: Route | None = None
    spent = False
    for candidate in candidates:
        if candidate.route is not route:
            if spare is not None:
                return spare
            route = candidate.route
            spent = route.max_attempts is not None and _tried_of(route, tried) >= route.max_attempts
        if spent or candidate in tried:
            continue
        health = candidate.health
        if health.impeded:
            if not health.admits(now):
                continue
            if health.spilled(now):
                spare = spare or candidate
                continue
        most = candidate.target.max_in_flight
        if most is not None and health.in_flight >= most:
            spare = spare or candidate
            continue
        return candidate
    return spare


def soonest(candidates: Sequence[Candidate], now: float) -> float:
    """Seconds until one of them may be called."""
    return min(candidate.health.wait(now) for candidate in candidates)


def nobody(candidates: Sequence[Candidate], now: float) -> Refusal:
    """What a caller is told where no candidate may be called now."""
    wait = max(soonest(candidates, now), 0.1)
    if all(candidate.health.circuit.closed for candidate in candidates):
        return all_busy(wait)
    return Refusal(
        503,
        "upstreams_unavailable",
        "The model providers of this model fail or ask not to be called now. Try again when Retry-After says.",
        kind="server_error",
        retry_after=wait,
    )


def all_busy(wait: float) -> Refusal:
    """Every candidate asks to wait, the soonest for so many seconds."""
    return Refusal(
        429,
        "upstream_rate_limited",
        "The model providers of this model are at their own rate limits. Try again when Retry-After says.",
        kind="rate_limit_error",
        retry_after=wait,
    )


def _tried_of(route: Route, tried: Collection[Candidate]) -> int:
    return sum(candidate.route is route for candidate in tried)
