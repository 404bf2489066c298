"""Azure as the installer calls it: Resource Manager, Microsoft Graph and a few data planes, over one connection pool and as one
identity.

`open_azure` opens a session from settings; `Session.arm` and `Session.graph` are the two clients, `Session.service` any other
host. Everything is a plain JSON document as Azure's REST reference shows it: there is no model of Azure here, and nothing
of what an installation is. A token never leaves for a host that it is not for, and is in no error.
"""

from deployer.azure.arm import Arm
from deployer.azure.clouds import Cloud, cloud_of
from deployer.azure.errors import AzureError, Refused, SignInFailed, Unreachable, as_command_error
from deployer.azure.graph import Graph
from deployer.azure.session import Session, open_azure
from deployer.azure.settings import AzureSettings, AzureSettingsError

__all__ = [
    "Arm",
    "AzureError",
    "AzureSettings",
    "AzureSettingsError",
    "Cloud",
    "Graph",
    "Refused",
    "Session",
    "SignInFailed",
    "Unreachable",
    "as_command_error",
    "cloud_of",
    "open_azure",
]
