"""How each target is: whether its circuit is closed, whether it asked not to be called, how much is in flight.

`circuit` counts failures, `health` is one target's state as the hot path reads it, `board` holds all of them over
snapshots, `sharing` tells other replicas and hears from them. No call ever waits for anything here.
"""

from proxy.targets.board import Board
from proxy.targets.health import Health

__all__ = ["Board", "Health"]
