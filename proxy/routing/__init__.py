"""The second step: a model's name becomes the targets to try, in order, each prepared for its endpoint.

`table` finds a name's route and orders its candidates, `candidates` prepares them once a snapshot. Nothing here knows
whether a target is well: that is `proxy.targets`', and `proxy.forwarding` asks it.
"""

from proxy.routing.candidates import Candidate
from proxy.routing.table import RouteTable, check_endpoint

__all__ = ["Candidate", "RouteTable", "check_endpoint"]
