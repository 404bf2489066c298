"""Ports on 127.0.0.1: whether one is free, and one that is."""

import random
import socket
from contextlib import suppress

# Below the range from which the kernel takes the ports of outgoing connections (32768 on Linux, 49152 elsewhere): a
# server that is killed and started again finds its port still free.
_FIRST, _LAST = 20_000, 32_700


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
    """A port that nothing listens on."""
    for port in random.sample(range(_FIRST, _LAST), 200):
        if is_free(port):
            return port
    raise OSError("no free port was found between 20000 and 32700")
