"""Microsoft Graph for one directory: groups, applications, service principals, and who may make them.

`graph.directory` holds plain facts that a test changes; `graph.journal` tells what was asked.
"""

from tests.simulators.azure.graph.directory import Directory
from tests.simulators.azure.graph.service import GraphService

__all__ = ["Directory", "GraphService"]
