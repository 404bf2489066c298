"""The storage that Terraform's states are kept in: where it is, who holds a state's lock, and how it is made.

It is reached by Entra ID alone: its keys are switched off.
"""

from deployer.state.location import StateLocation, locate_state
from deployer.state.lock import StateLock, Unreadable, read_lock

__all__ = ["StateLocation", "StateLock", "Unreadable", "locate_state", "read_lock"]
