"""Limits and budgets as rules: what is counted, for whom, over which time, and how much of it there may be.

The snapshot makes each caller's rules out of policies and budgets; the proxy checks them (proxy.limits), the writer sums
the ledger by their families. Nothing here counts.
"""

from dataclasses import dataclass
from enum import StrEnum

from core.model_names import covers


class Unit(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"  # input and output
    COST = "cost"  # whole nano-dollars


class Period(StrEnum):
    """A stretch of the calendar; a week begins on Monday (ISO 8601), `TOTAL` never ends."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class ScopeKind(StrEnum):
    """The levels of a caller."""

    CLIENT = "client"
    TEAM = "team"
    APP = "app"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose counter it is."""

    kind: ScopeKind
    id: str  # hex of the UUID; of a key its id
    name: str  # client/team/app/key, down to the kind


@dataclass(frozen=True, slots=True, order=True)
class Family:
    """What a client counts for all entities of a kind."""

    scope: ScopeKind
    unit: Unit
    period: Period
    time_zone: str  # IANA name
    model: str = ""  # as the rule names it; empty: all models
    names: tuple[str, ...] = ()  # what callers say that counts in it: the model, its aliases, wildcards

    def counts(self, model: str) -> bool:
        """Whether a call that asks for a model counts in it."""
        return not self.model or any(covers(name, model) for name in self.names)


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit per minute: a bucket that holds `amount` and refills at `amount` a minute."""

    name: str  # as policies say it: requests_per_minute
    scope: Scope
    unit: Unit  # REQUESTS or TOKENS
    amount: int
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Concurrency:
    """A limit on live calls."""

    name: str  # max_concurrent_requests
    scope: Scope
    amount: int
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit per calendar day or month."""

    name: str  # tokens_per_day
    scope: Scope
    unit: Unit
    period: Period
    time_zone: str
    amount: int
    model: str | None = None


class OnExceeded(StrEnum):
    """What becomes of a call that would exceed a budget."""

    BLOCK = "block"
    THROTTLE = "throttle"
    DOWNSHIFT = "downshift"


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount of money per period."""

    id: str  # hex of the UUID
    scope: Scope
    period: Period
    time_zone: str
    amount: int  # nano-dollars
    on_exceeded: OnExceeded
    throttle: tuple[Rate, ...] = ()
    credit: int = 0  # nano-dollars that a reset took off what is spent,
    credit_start: int = 0  # in the period that begins then (Unix seconds)


Rule = Rate | Concurrency | Quota | Budget


@dataclass(frozen=True, slots=True)
class Rules:
    """All that holds for one caller, from its key up to its client."""

    always: tuple[Rule, ...] = ()
    by_model: dict[str, tuple[Rule, ...]] | None = None  # what callers say (or a wildcard) → what holds besides
    families: tuple[Family, ...] = ()  # of the caller's client, sorted

    def of(self, model: str) -> tuple[Rule, ...]:
        """What holds for calls that ask for a model."""
        found = dict.fromkeys(self.always)
        for name, rules in (self.by_model or {}).items():
            if covers(name, model):
                found.update(dict.fromkeys(rules))
        return tuple(found)

    def every(self) -> tuple[Rule, ...]:
        """All rules, whatever is asked for, each once."""
        some = (rule for rules in (self.by_model or {}).values() for rule in rules)
        return tuple(dict.fromkeys((*self.always, *some)))


NO_RULES = Rules()
