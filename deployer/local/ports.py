"""Ports on 127.0.0.1: whether one is free, and one that is."""

import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

# Below the range from which the kernel takes the ports of outgoing connections (32768 on Linux, 49152 elsewhere): a
# server that is killed and started again finds its port still free.
_FIRST, _LAST = 20_000, 32_700

_claims: dict[int, IO[bytes]] = {}


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server can bind the port now."""
    with socket.socket() as probe:
        # As servers do: what is left of closed connections does not count, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((host, port))
            probe.listen()
            return True
    return False


def free_port() -> int:
    """A port that nothing listens on, and that is given to nobody else as long as this process lives.

    The port is bound only when the server has started, which takes seconds: two processes that look at the same time
    (two tenants coming up, the workers of a test run) would otherwise be given the same one now and then.
    """
    for port in random.SystemRandom().sample(range(_FIRST, _LAST), 200):
        if port not in _claims and is_free(port) and _claim(port):
            return port
    raise OSError("no free port was found between 20000 and 32700")


def _claim(port: int) -> bool:
    if fcntl is None:
        return True
    directory = Path(tempfile.gettempdir()) / f"aduana-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    claim = (directory / str(port)).open("ab")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        claim.close()
        return False
    _claims[port] = claim
    return True
