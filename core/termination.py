"""SIGTERM for a process that is the first of its container."""

import os
import signal
import sys
from types import FrameType


def end_when_told() -> None:
    """Let SIGTERM end this process from its first moment on, with 143.

    The kernel keeps from process 1 what it has no handler for (pid_namespaces(7)): without this, a start or a command that
    hangs in a container lives until it is killed. A service that drains puts its own handler in this one's place.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
