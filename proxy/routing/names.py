"""Which route a name means: a route's own name or alias before any wildcard, a longer wildcard before a shorter one."""

from collections.abc import Mapping

from core.model_names import is_wildcard
from core.snapshot import Route

_LONGEST = 256  # characters: what a wildcard allows is kept by its name, and written into the ledger


class Names:
    """Of one snapshot. It keeps nothing of what callers say: a wildcard lets them invent names."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._exact: dict[str, Route] = {alias: route for route in routes.values() for alias in route.aliases}
        self._exact.update((name, route) for name, route in routes.items() if not is_wildcard(name))
        wildcards = [(name[:-1], route) for name, route in routes.items() if is_wildcard(name)]
        self._wildcards = sorted(wildcards, key=lambda each: len(each[0]), reverse=True)

    def find(self, model: str) -> Route | None:
        """The route of what a caller says; None for a name that is longer than any."""
        route = self._exact.get(model)
        if route is None and self._wildcards and len(model) <= _LONGEST and not is_wildcard(model):
            for prefix, wild in self._wildcards:
                if model.startswith(prefix):
                    return wild
        return route

    def exact(self) -> Mapping[str, Route]:
        """All names that are no wildcards, aliases among them."""
        return self._exact
