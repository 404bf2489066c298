"""The wish to stop: by Ctrl-C, by a signal, or by another thread. The first is a request, the second an order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Cancellation:
    """Counts how often somebody wished to stop."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._times = 0

    @property
    def requested(self) -> bool:
        return self._requested.is_set()

    @property
    def times(self) -> int:
        """How often it was wished."""
        return self._times

    def request(self) -> None:
        """Wish it once more. From any thread, and from a signal's handler."""
        self._times += 1
        self._requested.set()

    def wait(self, seconds: float) -> bool:
        """Sleep, and wake up at once when somebody wishes to stop; whether that is so."""
        return self._requested.wait(seconds)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While inside, Ctrl-C and the system's signal to end are wishes. Elsewhere than in the main thread: nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in _signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.request()


def _signals() -> tuple[signal.Signals, ...]:
    ending: signal.Signals = getattr(signal, "SIGBREAK", signal.SIGTERM)  # SIGBREAK: Windows
    return (signal.SIGINT, ending)
