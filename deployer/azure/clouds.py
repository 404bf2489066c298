"""Azure's clouds: where each one's services are, and what their tokens are for.

https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure#guidance-for-developers and
https://learn.microsoft.com/azure/china/resources-developer-guide#check-endpoints-in-azure
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of them. URLs have no slash at their end; `{vault}`, `{account}` and `{host}` stand for
    a resource's name."""

    name: str  # as Terraform's azurerm calls it
    arm: str
    graph: str
    authority: str
    vault: str
    blob: str
    arm_audience: str
    graph_audience: str
    vault_audience: str
    logs: str  # what Log Analytics is asked at
    logs_audience: str

    registry: str = "https://{host}"

    storage_audience = "https://storage.azure.com"
    registry_audience = "https://containerregistry.azure.net"


CLOUDS: Mapping[str, Cloud] = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            name="public",
            arm="https://management.azure.com",
            graph="https://graph.microsoft.com",
            authority="https://login.microsoftonline.com",
            vault="https://{vault}.vault.azure.net",
            blob="https://{account}.blob.core.windows.net",
            arm_audience="https://management.azure.com",
            graph_audience="https://graph.microsoft.com",
            vault_audience="https://vault.azure.net",
            logs="https://api.loganalytics.azure.com",
            logs_audience="https://api.loganalytics.io",
        ),
        Cloud(
            name="usgovernment",
            arm="https://management.usgovcloudapi.net",
            graph="https://graph.microsoft.us",
            authority="https://login.microsoftonline.us",
            vault="https://{vault}.vault.usgovcloudapi.net",
            blob="https://{account}.blob.core.usgovcloudapi.net",
            arm_audience="https://management.usgovcloudapi.net",
            graph_audience="https://graph.microsoft.us",
            vault_audience="https://vault.usgovcloudapi.net",
            logs="https://api.loganalytics.us",
            logs_audience="https://api.loganalytics.us",
        ),
        Cloud(
            name="china",
            arm="https://management.chinacloudapi.cn",
            graph="https://microsoftgraph.chinacloudapi.cn",
            authority="https://login.partner.microsoftonline.cn",
            vault="https://{vault}.vault.azure.cn",
            blob="https://{account}.blob.core.chinacloudapi.cn",
            arm_audience="https://management.chinacloudapi.cn",
            graph_audience="https://microsoftgraph.chinacloudapi.cn",
            vault_audience="https://vault.azure.cn",
            logs="https://api.loganalytics.azure.cn",
            logs_audience="https://api.loganalytics.azure.cn",
        ),
    )
}


def cloud_of(region: str) -> Cloud:
    """The cloud that a region is in: `usgovvirginia` and `chinanorth3` are in clouds of their own."""
    if region.startswith(("usgov", "usdod")):
        return CLOUDS["usgovernment"]
    return CLOUDS["china" if region.startswith("china") else "public"]
