"""One target's state: what the hot path reads, and what an attempt's end does to it.

`impeded` is False while nothing speaks against a target: then one attribute is all that choosing it costs.
"""

from collections.abc import Callable

from core.targets import Change
from proxy.targets.circuit import Circuit, CircuitRules, CircuitState

DEFAULT_COOLDOWN = 1.0  # seconds, of a 429 that does not say how long
LONGEST_COOLDOWN = 86_400.0
SPILL_HOLD = 1.0  # seconds for which a reading over the mark holds: the next one has to come from somewhere

# The target failed, whoever asked: 401 and 403 are about our credential. A 429 is no failure but a wish.
_FAILURES = frozenset({401, 403, 408})
# Nothing was heard for a whole time-out.
_SILENCE = frozenset({"upstream_first_byte_timeout", "upstream_answer_timeout", "upstream_connect_timeout"})
# Ours, not the target's.
_NO_VERDICT = frozenset({"upstream_connections_exhausted", "upstream_body_too_large"})

_NEVER = float("-inf")

Tell = Callable[["Health", Change, float], None]


class Health:
    """Of one upstream and deployment, in this process. Times are monotonic seconds."""

    __slots__ = (
        "_tell",
        "answered_at",
        "circuit",
        "cooldowns",
        "cooling_until",
        "deployment",
        "impeded",
        "in_flight",
        "openings",
        "spilled_until",
        "upstream",
    )

    def __init__(self, upstream: str, deployment: str, tell: Tell, rules: CircuitRules) -> None:
        self.upstream = upstream
        self.deployment = deployment
        self.circuit = Circuit(rules)
        self.impeded = False  # something may speak against it: ask `admits` and `spilled`
        self.in_flight = 0  # calls of this process
        self.cooling_until = _NEVER  # it asked not to be called before
        self.spilled_until = _NEVER  # it is used over its mark
        self.answered_at = _NEVER  # when it last said anything
        self.openings = 0
        self.cooldowns = 0
        self._tell = tell

    # ── Before an attempt ───────────────────────────────────────────────────────────────────────────────────────────

    def admits(self, now: float) -> bool:
        """Whether it may be called now."""
        if now < self.cooling_until:
            return False
        if self.circuit.closed:
            self.impeded = now < self.spilled_until
            return True
        return self.circuit.admits(now)

    def spilled(self, now: float) -> bool:
        """Whether others are to be asked first."""
        return now < self.spilled_until

    def wait(self, now: float) -> float:
        """Seconds until it may be called; 0: now, or as soon as a probe under way is answered."""
        until = self.cooling_until if self.circuit.closed else max(self.cooling_until, self.circuit.open_until)
        return max(0.0, until - now)

    def state(self, now: float) -> str:
        """For people: cooling, open, half_open, spilled or closed."""
        if now < self.cooling_until:
            return "cooling"
        circuit = self.circuit.state(now)
        if circuit is CircuitState.CLOSED and self.spilled(now):
            return "spilled"
        return circuit.value

    # ── An attempt ──────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, now: float) -> None:
        """An attempt begins; `end` follows, whatever becomes of it."""
        self.in_flight += 1
        if self.impeded:
            self.circuit.begin(now)

    def end(self, began: float) -> None:
        """The call that `began` is over."""
        self.in_flight -= 1
        if self.circuit.probe is not None:
            self.circuit.abandoned(began)

    def answered(self, status: int, began: float, now: float, wait: float | None = None) -> None:
        """An answer's head came; `wait`: the seconds that it asks for."""
        self.answered_at = now
        if status < 400:
            if self.circuit.succeeded(began, now):
                self._closed(now)
            return
        if status == 429:
            self.cool(DEFAULT_COOLDOWN if wait is None else wait, now)
            if self.circuit.alive(began, now):
                self._closed(now)
        elif status >= 500 or status in _FAILURES:
            if wait is not None and status >= 500:
                self.cool(wait, now)
            self._fail(began, now, silent=False)
        elif self.circuit.succeeded(began, now):  # the caller's own mistake: the target works
            self._closed(now)

    def failed(self, code: str, began: float, now: float) -> None:
        """No answer, or none that is of use (`UpstreamError.code`)."""
        if code not in _NO_VERDICT:
            self._fail(began, now, silent=code in _SILENCE and self.answered_at < began)

    def cool(self, seconds: float, now: float) -> None:
        """It asked not to be called for so long."""
        until = now + min(max(seconds, 0.0), LONGEST_COOLDOWN)
        if until > self.cooling_until:
            self.cooling_until = until
            self.impeded = True
            self.cooldowns += 1
            self._tell(self, Change.COOLING, until - now)

    def used(self, percent: float, mark: int, now: float) -> None:
        """It says how far it is used, and others are to be asked first from `mark` percent on."""
        if percent >= mark:
            told = now < self.spilled_until - SPILL_HOLD / 2
            self.spilled_until = now + SPILL_HOLD
            self.impeded = True
            if not told:
                self._tell(self, Change.SPILLED, SPILL_HOLD)
        elif now < self.spilled_until:
            self.spilled_until = _NEVER
            self._tell(self, Change.SPARE, 0.0)

    # ── What other replicas say ─────────────────────────────────────────────────────────────────────────────────────

    def heard(self, change: Change, seconds: float, now: float) -> None:
        """Take over what another replica found, without saying it again."""
        if change is Change.COOLING:
            self.cooling_until = max(self.cooling_until, now + min(seconds, LONGEST_COOLDOWN))
            self.impeded = True
        elif change is Change.SPILLED:
            self.spilled_until = max(self.spilled_until, now + seconds)
            self.impeded = True
        elif change is Change.SPARE:
            self.spilled_until = _NEVER
        elif change is Change.CLOSED:
            if not self.circuit.closed:
                self.circuit.close(now)
        elif self.circuit.closed or now + seconds > self.circuit.open_until:
            self.circuit.open(now, seconds)
            self.impeded = True

    def _fail(self, began: float, now: float, *, silent: bool) -> None:
        if self.circuit.failed(began, now, silent=silent):
            self.impeded = True
            self.openings += 1
            self._tell(self, Change.OPEN, self.circuit.open_for)

    def _closed(self, now: float) -> None:
        self._tell(self, Change.CLOSED, 0.0)
