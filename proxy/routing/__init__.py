"""The second step: a model's name becomes the targets to try, in order, each prepared for its endpoint.

`names` knows which route a name means, `candidates` prepares its targets once a snapshot, `table` puts them in order,
`affinity` by the prompt where a route wants it, and `choice` takes the next one by how the targets are (proxy.targets).
"""

from proxy.routing.candidates import Candidate
from proxy.routing.table import RouteTable, check_endpoint

__all__ = ["Candidate", "RouteTable", "check_endpoint"]
