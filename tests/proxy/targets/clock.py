"""Time that passes when a test says so, and boards by it that hear each other."""

from core.targets import Notice
from proxy.targets import Board


class Clock:
    """Monotonic seconds."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> float:
        self.now += seconds
        return self.now


def boards(*clocks: Clock) -> list[Board]:
    """One for each clock; what one shares, all hear at once, itself too."""
    made = [Board(f"proxy-{number}", clock) for number, clock in enumerate(clocks)]

    def share(notice: Notice) -> None:
        for board in made:
            board.hear(notice)

    for board in made:
        board.share = share
    return made
