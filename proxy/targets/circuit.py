"""A circuit breaker: consecutive failures or their share open it, one probe at a time closes it again.

Times are monotonic seconds, handed in. An attempt is known by when it began: what began before the last change says
nothing about the target since.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """When a circuit opens, and for how long. Times in seconds."""

    consecutive: int = 5  # failures in a row that open it
    share: float = 0.5  # of failures in the window that opens it,
    least: int = 20  # of at least so many attempts
    window: float = 10.0  # counted in halves: the last 5 to 10 seconds
    first_open: float = 1.0  # doubled with each probe that fails
    longest_open: float = 60.0


class CircuitState(StrEnum):
    """Half open: one probe at a time may pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


_NEVER = float("-inf")


class Circuit:
    """Of one target."""

    __slots__ = (
        "_bad",
        "_bad_before",
        "_consecutive",
        "_good",
        "_good_before",
        "_half_began",
        "_rules",
        "changed_at",
        "closed",
        "open_for",
        "open_until",
        "probe",
    )

    def __init__(self, rules: CircuitRules) -> None:
        self._rules = rules
        self.closed = True
        self.open_until = _NEVER
        self.open_for = 0.0  # seconds, this time
        self.changed_at = _NEVER  # when it last opened or closed
        self.probe: float | None = None  # when the probe under way began
        self._consecutive = 0
        self._half_began = _NEVER
        self._good = self._bad = self._good_before = self._bad_before = 0

    def state(self, now: float) -> CircuitState:
        if self.closed:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self.open_until else CircuitState.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether an attempt may begin."""
        return self.closed or (now >= self.open_until and self.probe is None)

    def begin(self, now: float) -> None:
        """An attempt begins that `admits` let pass."""
        if not self.closed:
            self.probe = now

    def abandoned(self, began: float) -> None:
        """An attempt ended without a verdict (its caller hung up): where it was the probe, the next one may go."""
        if self.probe == began:
            self.probe = None

    def succeeded(self, began: float, now: float) -> bool:
        """An attempt was answered; whether that closed the circuit."""
        if self.closed:
            self._consecutive = 0
            if now - self._half_began >= self._rules.window / 2:
                self._roll(now)
            self._good += 1
            return False
        return self.alive(began, now)

    def alive(self, began: float, now: float) -> bool:
        """An attempt was answered, though not with what was asked for; whether that closed the circuit."""
        if self.closed or began < self.changed_at:
            return False
        self.close(now)
        return True

    def failed(self, began: float, now: float, *, silent: bool = False) -> bool:
        """An attempt failed; whether that opened the circuit. `silent`: nothing at all was heard while it waited."""
        if began < self.changed_at:
            return False
        if not self.closed:
            self.open(now, min(self.open_for * 2, self._rules.longest_open))
            return True
        if now - self._half_began >= self._rules.window / 2:
            self._roll(now)
        self._bad += 1
        self._consecutive += 1
        if silent or self._consecutive >= self._rules.consecutive or self._too_many():
            self.open(now, self._rules.first_open)
            return True
        return False

    def open(self, now: float, seconds: float) -> None:
        """Open it for so long."""
        self.closed = False
        self.open_for = seconds
        self.open_until = now + seconds
        self.changed_at = now
        self.probe = None

    def close(self, now: float) -> None:
        """Close it, and forget what was counted."""
        self.closed = True
        self.changed_at = now
        self.probe = None
        self._consecutive = 0
        self._good = self._bad = self._good_before = self._bad_before = 0

    def _too_many(self) -> bool:
        bad = self._bad + self._bad_before
        total = bad + self._good + self._good_before
        return total >= self._rules.least and bad >= self._rules.share * total

    def _roll(self, now: float) -> None:
        """A new half of the window begins."""
        recent = now - self._half_began < self._rules.window
        self._good_before, self._bad_before = (self._good, self._bad) if recent else (0, 0)
        self._good = self._bad = 0
        self._half_began = now
