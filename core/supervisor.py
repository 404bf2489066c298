"""Runs named child processes: starts them, restarts the ones that die, keeps their output, stops them in order.

The local tenant and `python -m proxy --workers` are built on it. It knows nothing of what its children do.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable


def die_with_parent(at: int = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn` by which the kernel sends a child the signal `at` when its parent dies, however that dies.

    None where the system has no such thing (prctl(2), PR_SET_PDEATHSIG, is Linux's alone). "Parent" is the thread that
    starts the child, so children are started from a thread that lasts. Changing user clears it: `setpriv --pdeathsig`.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # bound before the fork: nothing may be loaded after it
    parent = os.getpid()

    def set_signal() -> None:
        prctl(1, at, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os._exit(127)

    return set_signal
