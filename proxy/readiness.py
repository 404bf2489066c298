"""Whether this process can serve, and what is missing where it cannot."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Readiness:
    """A list of conditions, each with what to say while it does not hold."""

    conditions: list[tuple[str, Callable[[], str | None]]] = field(default_factory=list)

    def needs(self, name: str, missing: Callable[[], str | None]) -> None:
        """`missing` says what is missing now; None: nothing."""
        self.conditions.append((name, missing))

    def missing(self) -> dict[str, str]:
        """What stands between this process and its first call, by condition."""
        return {name: what for name, missing in self.conditions if (what := missing()) is not None}
