"""Admission by limits and budgets: what a call asks for, what it is told, and the counters behind the answer.

`plan` compiles a caller's rules into checks, `memory` counts in this process, `proxy/ledger/apply.lua` counts in Redis; both
by the same operations (docs/decisions/0004-limits.md). Nothing here reads a request or writes the ledger.
"""

from dataclasses import dataclass
from typing import Protocol

import msgspec

from core.limits import Budget, Rule


@dataclass(frozen=True, slots=True)
class Check:
    """One rule as it is checked for one caller and model, in one calendar period."""

    rule: Rule
    field: str  # of its counter
    limit: int  # requests, tokens, nano-dollars, live calls
    resets_at: float | None  # Unix seconds, of a calendar period; None: a bucket, live calls, or never
    throttled_by: Budget | None = None  # whose exceeding makes it count


@dataclass(frozen=True, slots=True)
class Plan:
    """All checks of one caller and model, and the counters that they need, until the next period begins."""

    checks: tuple[Check, ...]  # in the order of the operation; what is only counted has none and comes last
    encoded: bytes  # the operation's checks, MessagePack
    counters: bytes  # the settlement's [[field, unit]...], MessagePack
    families: bytes  # of the client, as the gate compares them; empty: none
    since: float  # Unix seconds
    until: float
    told: tuple[tuple[tuple[bytes, bytes, bytes], tuple[int, ...]], ...] = ()  # what x-ratelimit-* choose from: their
    # names (limit, remaining, reset of a unit), indexes of checks
    downshifts: bool = False  # whether a budget among the checks may ask for the cheaper model


class Claim(msgspec.Struct, frozen=True):
    """What one call reserves."""

    id: bytes  # 16 bytes
    tokens: int
    cost: int  # nano-dollars
    plan: Plan
    downshift_cost: int | None = None  # by the cheaper model; None: there is none


class Verdict(msgspec.Struct, frozen=True):
    """What the counters say to a claim."""

    admitted: bool
    downshifted: bool
    remaining: tuple[int, ...]  # of each check, after the claim where it was admitted
    failed: Check | None = None
    wait: float | None = None  # seconds until it would pass if nobody else called; None: it never would
    used: int = 0  # of the failed check: spent,
    reserved: int = 0  # and held by live calls


UNLIMITED = Verdict(admitted=True, downshifted=False, remaining=())


class Limiter(Protocol):
    """Counters by the operations of docs/decisions/0004-limits.md. `now`: microseconds since 1970."""

    def admit(self, operation: bytes, incarnation: str, now: int) -> list[int]: ...
    def hold(self, operation: bytes, incarnation: str, now: int) -> None: ...
    def settle(self, operation: bytes, now: int) -> None: ...
    def void(self, operation: bytes, now: int) -> None: ...
