"""The counters in this process's memory: where there is no Redis, and for as long as it is away. The same operations and
the same answers as proxy/ledger/apply.lua; it never waits and never fails."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proxy.limits import Plan
from proxy.limits.looking import left_of
from proxy.limits.operations import BUCKET, CALENDAR, DOWNSHIFTS, LIVE, REFUSES

_MINUTE = 60_000_000  # microseconds
_EPOCH = 1_700_000_000_000_000  # times are kept relative to it, so that doubles hold parts of a microsecond
_ROUNDING = 0.001  # microseconds: what the doubles of a full bucket may be off
_KEPT = 2 * 86_400  # seconds that a counter outlives its period: late settlements
_TIDY = 3600 * 1_000_000
_LIVE_WAIT = 1_000_000  # a hint: nobody knows when a live call ends

# How much a denial weighs: the one that lasts longest tells.
_BY_LIVE, _BY_BUCKET, _BY_CALENDAR, _FOR_EVER = 1, 2, 3, 4

_decode = msgspec.msgpack.Decoder(strict=False).decode
Amounts = tuple[int, int, int, int]  # by unit, from 1: requests, tokens, nano-dollars
Check = Sequence[Any]  # an array of proxy.limits.operations
Checks = Sequence[Check]


class _Lease:
    """What a live call holds."""

    __slots__ = ("amounts", "checks", "debited", "incarnation", "on")

    def __init__(self, incarnation: str, checks: Checks, amounts: Amounts, debited: bool, on: frozenset[int]) -> None:
        self.incarnation = incarnation
        self.checks = checks
        self.amounts = amounts
        self.debited = debited
        self.on = on  # the conditioned buckets that counted


class _Judgement:
    """What the checks say to some amounts."""

    __slots__ = ("exceeded", "failed", "on", "rank", "wait", "wants_shift")

    def __init__(self) -> None:
        self.wants_shift = False
        self.failed = 0
        self.wait = 0
        self.rank = 0
        self.on: set[int] = set()
        self.exceeded: set[int] = set()

    def deny(self, index: int, wait: int, rank: int) -> None:
        if rank > self.rank or (rank == self.rank and wait > self.wait):
            self.failed, self.wait, self.rank = index, wait, rank


class MemoryLimiter:
    """`Limiter` on dicts. `lease_seconds`: an incarnation that was not heard for so long has its leases given back."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease = lease_seconds * 1e6
        self._full: dict[str, float] = {}  # when a bucket is full again
        self.spent: dict[str, int] = {}
        self.reserved: dict[str, int] = {}
        self._leases: dict[bytes, _Lease] = {}
        self._heard: dict[str, float] = {}
        self._expires_at = 0.0
        self._tidies_at = 0.0

    # ── The port ────────────────────────────────────────────────────────────────────────────────────────────────────

    def admit(self, operation: bytes, incarnation: str, now: int) -> list[int]:
        """See `Limiter.admit`."""
        at = self.hear(incarnation, now)
        _, event_id, tokens, cost, checks, cheaper = _read(operation)
        amounts = (0, 1, tokens, cost)
        judged = self._judge(checks, amounts, at, shifted=False)
        shifted = judged.wants_shift and cheaper is not None
        if shifted:
            amounts = (0, 1, tokens, cheaper)
            judged = self._judge(checks, amounts, at, shifted=True)
        elif judged.wants_shift and not judged.failed:
            index = min(i for i in judged.exceeded if checks[i - 1][4] == DOWNSHIFTS)
            over = amounts[checks[index - 1][2]] > checks[index - 1][3]
            judged.failed, judged.wait = index, -1 if over else 0
        if judged.failed:
            used, held = self._figures(checks[judged.failed - 1], at)
            left = [self._left(check, at) for check in checks]
            return [0, judged.failed, judged.wait, used, held, *left]
        for index, check in enumerate(checks, 1):
            if check[0] == BUCKET and _counts(check, judged.on, index):
                self._full[check[1]] = max(self._full.get(check[1], 0.0), at) + amounts[check[2]] * _MINUTE / check[3]
        self._take(event_id, _Lease(incarnation, checks, amounts, True, frozenset(judged.on)))
        return [2 if shifted else 1, 0, 0, 0, 0, *(self._left(check, at) for check in checks)]

    def hold(self, operation: bytes, incarnation: str, now: int) -> None:
        """See `Limiter.hold`."""
        self.hear(incarnation, now)
        _, event_id, tokens, cost, checks = _read(operation)
        if event_id not in self._leases:
            self._take(event_id, _Lease(incarnation, checks, (0, 1, tokens, cost), False, frozenset()))

    def settle(self, operation: bytes, now: int) -> None:
        """See `Limiter.settle`."""
        _, event_id, tokens, cost, counters = _read(operation)
        used = (0, 1, tokens, cost)
        self._give_back(event_id, used, now - _EPOCH)
        for field, unit in counters:
            self.spent[field] = self.spent.get(field, 0) + used[unit]

    def void(self, operation: bytes, now: int) -> None:
        """See `Limiter.void`."""
        self._give_back(_read(operation)[1], None, now - _EPOCH)

    def remaining(self, plan: Plan, now: int) -> tuple[int, ...]:
        """What is left of each check of a plan; nothing is asked for."""
        fields = [check.field for check in plan.checks]
        full = [self._full.get(field, 0.0) for field in fields]
        spent = [self.spent.get(field, 0) for field in fields]
        return left_of(plan, full, spent, [self.reserved.get(field, 0) for field in fields], now - _EPOCH)

    def load(self, spent: Mapping[str, int]) -> None:
        """Replace all that is spent."""
        self.spent = dict(spent)

    # ── Judging ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _judge(self, checks: Checks, amounts: Amounts, now: float, *, shifted: bool) -> _Judgement:
        judged = _Judgement()
        for index, check in enumerate(checks, 1):
            if check[0] != CALENDAR or check[3] < 0:
                continue
            _, field, unit, limit, mode = check
            if self.spent.get(field, 0) + self.reserved.get(field, 0) + amounts[unit] > limit:
                judged.exceeded.add(index)
                judged.wants_shift |= mode == DOWNSHIFTS and not shifted
                if mode == REFUSES:
                    over = amounts[unit] > limit
                    judged.deny(index, -1 if over else 0, _FOR_EVER if over else _BY_CALENDAR)
        for index, check in enumerate(checks, 1):
            if check[0] == BUCKET and (check[4] == 0 or check[4] in judged.exceeded):
                if check[4]:
                    judged.on.add(index)
                self._judge_bucket(judged, index, check, amounts[check[2]], now)
            elif check[0] == LIVE and self.reserved.get(check[1], 0) + 1 > check[2]:
                judged.deny(index, _LIVE_WAIT, _BY_LIVE)
        return judged

    def _judge_bucket(self, judged: _Judgement, index: int, check: Check, amount: int, now: float) -> None:
        _, field, _, limit, _ = check
        if amount > limit:
            judged.deny(index, -1, _FOR_EVER)
            return
        excess = max(self._full.get(field, 0.0), now) + amount * _MINUTE / limit - now - _MINUTE
        if excess > _ROUNDING:
            judged.deny(index, -int(-excess // 1), _BY_BUCKET)

    def _figures(self, check: Check, now: float) -> tuple[int, int]:
        """What is used, and what live calls hold."""
        if check[0] == BUCKET:
            used = (max(self._full.get(check[1], 0.0), now) - now) * check[3] / _MINUTE
            return -int(-(used - _ROUNDING) // 1), 0
        held = self.reserved.get(check[1], 0)
        return (self.spent.get(check[1], 0) if check[0] == CALENDAR else 0), held

    def _left(self, check: Check, now: float) -> int:
        if check[0] == BUCKET:
            debt = max(self._full.get(check[1], 0.0), now) - now
            return max(0, int(((_MINUTE - debt) * check[3] / _MINUTE + _ROUNDING) // 1))
        if check[0] == LIVE:
            rest: int = check[2] - self.reserved.get(check[1], 0)
        else:
            rest = check[3] - self.spent.get(check[1], 0) - self.reserved.get(check[1], 0)
        return max(0, rest)

    # ── Leases ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, event_id: bytes, lease: _Lease) -> None:
        if lease.checks:
            self._leases[event_id] = lease
            self._reserve(lease, 1)

    def _reserve(self, lease: _Lease, sign: int) -> None:
        """Calendars and live calls: each field once, whatever number of rules share it."""
        seen: set[str] = set()
        for check in lease.checks:
            field = check[1]
            if field in seen or check[0] == BUCKET or (check[0] == CALENDAR and check[3] < 0):
                continue
            seen.add(field)
            amount = 1 if check[0] == LIVE else lease.amounts[check[2]]
            rest = self.reserved.get(field, 0) + sign * amount
            if rest:
                self.reserved[field] = rest
            else:
                self.reserved.pop(field, None)

    def _give_back(self, event_id: bytes, used: Amounts | None, now: float) -> None:
        """Put what was used in the place of what is held; None: nothing was, not even the request."""
        lease = self._leases.pop(event_id, None)
        if lease is None:
            return
        self._reserve(lease, -1)
        for index, check in enumerate(lease.checks, 1):
            if check[0] != BUCKET or not _counts(check, lease.on, index):
                continue
            unit = check[2]
            if unit == 1:
                difference = -1 if used is None and lease.debited else 0
            else:
                difference = (used[unit] if used else 0) - (lease.amounts[unit] if lease.debited else 0)
            if difference:
                at = max(self._full.get(check[1], 0.0), now)
                self._full[check[1]] = at + difference * _MINUTE / check[3]

    def hear(self, incarnation: str, now: int) -> float:
        """An incarnation lives; what the silent ones hold is given back. Returns the time by the counters' own epoch."""
        at = float(now - _EPOCH)
        heard = self._heard.get(incarnation)
        if heard is not None and heard + self._lease < at:
            self._drop({incarnation})
        self._heard[incarnation] = at
        if at >= self._expires_at:
            dead = {who for who, when in self._heard.items() if when + self._lease < at}
            for who in dead:
                del self._heard[who]
            self._drop(dead)
            self._expires_at = min((when + self._lease for when in self._heard.values()), default=at + self._lease)
        if at >= self._tidies_at:
            self._tidies_at = at + _TIDY
            self._tidy(at)
        return at

    def _drop(self, dead: set[str]) -> None:
        for event_id, lease in list(self._leases.items()):
            if lease.incarnation in dead:
                del self._leases[event_id]
                self._reserve(lease, -1)

    def _tidy(self, now: float) -> None:
        """Forget full buckets and counters of periods long gone."""
        self._full = {field: full for field, full in self._full.items() if full > now}
        seconds = (now + _EPOCH) / 1e6 - _KEPT
        self.spent = {field: amount for field, amount in self.spent.items() if not _ended(field, seconds)}


def _read(operation: bytes) -> Any:
    """Event ids go as strings that are no text; here they are read as what they are."""
    return _decode(operation[:2] + b"\xc4\x10" + operation[3:])


def _counts(check: Check, on: frozenset[int] | set[int], index: int) -> bool:
    return check[4] == 0 or index in on


def _ended(field: str, before: float) -> bool:
    end = int(field.split(":", 5)[4].partition("-")[2])
    return end != 0 and end < before
