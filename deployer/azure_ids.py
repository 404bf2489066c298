"""The forms of what names things in Azure and around it, for the tenant file."""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

# Who they are in Azure. A resource id is matched without regard to case, as Azure itself does.
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True)]
_RESOURCE_ID = r"(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]{1,90}/providers/"
VnetId = Annotated[str, StringConstraints(pattern=_RESOURCE_ID + r"Microsoft\.Network/virtualNetworks/[^/]+$")]
SubnetId = Annotated[
    str, StringConstraints(pattern=_RESOURCE_ID + r"Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+$")
]
ZoneId = Annotated[str, StringConstraints(pattern=_RESOURCE_ID + r"Microsoft\.Network/privateDnsZones/[^/]+$")]
AccountId = Annotated[str, StringConstraints(pattern=_RESOURCE_ID + r"Microsoft\.CognitiveServices/accounts/[^/]+$")]
WorkspaceId = Annotated[
    str, StringConstraints(pattern=_RESOURCE_ID + r"Microsoft\.OperationalInsights/workspaces/[^/]+$")
]
RegistryId = Annotated[str, StringConstraints(pattern=_RESOURCE_ID + r"Microsoft\.ContainerRegistry/registries/[^/]+$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}[a-z0-9]{2,40}$")]
HostName = Annotated[
    str, StringConstraints(pattern=r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", to_lower=True)
]
# By digest alone: a tag may be moved under a tenant that runs.
ImageReference = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[\w][\w.-]{0,127})?@sha256:[0-9a-f]{64}$",
        max_length=512,
    ),
]
# https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations
TagName = Annotated[str, StringConstraints(pattern=r"^[^<>%&\\?/]+$", min_length=1, max_length=512)]
TagValue = Annotated[str, StringConstraints(max_length=256)]


def _iso_currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError("a currency is three capital letters of ISO 4217, such as USD or EUR")
    return text


Currency = Annotated[str, AfterValidator(_iso_currency)]
