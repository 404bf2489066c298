"""The forms of what names things in Azure and around it, for the tenant file."""

import re
from typing import Annotated, Literal

from deployer.forms import Form
from deployer.regions import REGIONS, meant_region

_UUID_EXAMPLE = "3f2b8c1e-5d47-4a90-9c61-7e8f0a1b2c3d"
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def _no_example(text: str) -> str | None:
    return "stands for no real id; give the real one" if not text.strip("0-") else None


Uuid = Annotated[
    str, Form(_GUID, "an id of Azure or Entra (a GUID)", _UUID_EXAMPLE, prepare=str.lower, refuse=_no_example)
]


def _resource_id(provider_and_type: str, named: str, *, of: str = "") -> Form:
    """A resource's id. Azure does not look at the case of its words; ids are kept as they are written."""
    kind = re.escape(provider_and_type)
    parts = rf"{kind}/[^/\s]+" + (rf"/{of}/[^/\s]+" if of else "")
    example = f"/subscriptions/{_UUID_EXAMPLE}/resourceGroups/network/providers/{provider_and_type}/NAME" + (
        f"/{of}/NAME" if of else ""
    )
    return Form(
        rf"/subscriptions/{_GUID}/resourceGroups/[^/\s]{{1,90}}/providers/{parts}",
        f"the resource id of {named}",
        example,
        ignore_case=True,
        schema_pattern=r"^/[sS]ubscriptions/[^/]+/[rR]esource[gG]roups/[^/]+/[pP]roviders/[^/]+/[^/]+/.+$",
    )


VnetId = Annotated[str, _resource_id("Microsoft.Network/virtualNetworks", "a virtual network")]
SubnetId = Annotated[str, _resource_id("Microsoft.Network/virtualNetworks", "a subnet", of="subnets")]
ZoneId = Annotated[str, _resource_id("Microsoft.Network/privateDnsZones", "a private DNS zone")]
AccountId = Annotated[str, _resource_id("Microsoft.CognitiveServices/accounts", "an Azure OpenAI account")]
WorkspaceId = Annotated[str, _resource_id("Microsoft.OperationalInsights/workspaces", "a Log Analytics workspace")]
VaultId = Annotated[str, _resource_id("Microsoft.KeyVault/vaults", "a key vault")]
RegistryId = Annotated[str, _resource_id("Microsoft.ContainerRegistry/registries", "a container registry")]


ResourceGroup = Annotated[
    str,
    Form(
        r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]",
        "a resource group's name (1 to 90 letters, digits and _()-., no point at the end)",
        "contoso-llm",
    ),
]


def _misspelt(region: str) -> str | None:
    meant = meant_region(region)
    return f"is no region of Azure; {meant} is" if meant is not None and meant != region else None


def _squeezed(text: str) -> str:
    """`UK South`, as the portal writes it, is `uksouth`."""
    plain = text.replace(" ", "").lower()
    return plain if plain in REGIONS else text


Region = Annotated[
    str,
    Form(r"[a-z]{4,}[a-z0-9]{0,40}", "the name of a region of Azure", "uksouth", prepare=_squeezed, refuse=_misspelt),
]

# Under these, certificates and records are Azure's own.
_AZURE_DOMAINS = ("azurecontainerapps.io", "azurefd.net", "azurewebsites.net", "windows.net", "azure.com", "azure.net")


def _azure_domain(name: str) -> str | None:
    for domain in _AZURE_DOMAINS:
        if name == domain or name.endswith(f".{domain}"):
            return f"belongs to Azure ({domain}); give a name of a domain that you own"
    return None


HostName = Annotated[
    str,
    Form(
        r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]",
        "a host's name",
        "llm.contoso.com",
        prepare=str.lower,
        refuse=_azure_domain,
    ),
]
EgressHost = Annotated[
    str,
    Form(
        r"(?=.{4,255}$)(\*\.)?([a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]",
        "a host's name, or *. and a domain",
        "api.openai.com",
        prepare=str.lower,
    ),
]
CertificateId = Annotated[
    str,
    Form(
        r"https://[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)/(secrets|certificates)/[A-Za-z0-9-]{1,127}(/[0-9a-f]{32})?",
        "the address of a certificate or its secret in a key vault",
        "https://contoso-kv.vault.azure.net/secrets/llm-contoso-com",
    ),
]
# By digest alone: a tag may be moved under a tenant that runs.
ImageReference = Annotated[
    str,
    Form(
        r"(?=.{1,512}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@sha256:[0-9a-f]{64}",
        "an image with its digest (a tag alone may be moved)",
        f"ghcr.io/contoso/aduana-proxy@sha256:{'0123456789abcdef' * 4}",
    ),
]

# https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations
# Storage accounts, which are tagged as all else is, take names of 128 characters at most.


def _reserved_tag(name: str) -> str | None:
    for word in ("microsoft", "azure", "windows"):
        if name.lower().startswith(word):
            return f"begins with {word}, which Azure keeps for its own tags"
    return None


TagName = Annotated[
    str,
    Form(
        r"[^<>%&\\?/]{1,128}",
        r"a tag's name (1 to 128 characters, none of <>%&\?/)",
        "cost-centre",
        refuse=_reserved_tag,
    ),
]
TagValue = Annotated[str, Form(r"[^\x00-\x08\x0b-\x1f]{0,256}", "a tag's value of 256 characters at most", "4711")]

# In which Azure's price list can be asked: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
Currency = Literal[
    "USD",
    "AUD",
    "BRL",
    "CAD",
    "CHF",
    "CNY",
    "DKK",
    "EUR",
    "GBP",
    "INR",
    "JPY",
    "KRW",
    "NOK",
    "NZD",
    "RUB",
    "SEK",
    "TWD",
]

# https://learn.microsoft.com/azure/redis/overview#choosing-the-right-tier; without Flash, which keeps part of it on disk.
RedisSku = Literal[
    "Balanced_B0",
    "Balanced_B1",
    "Balanced_B3",
    "Balanced_B5",
    "Balanced_B10",
    "Balanced_B20",
    "Balanced_B50",
    "Balanced_B100",
    "Balanced_B150",
    "Balanced_B250",
    "Balanced_B350",
    "Balanced_B500",
    "Balanced_B700",
    "Balanced_B1000",
    "MemoryOptimized_M10",
    "MemoryOptimized_M20",
    "MemoryOptimized_M50",
    "MemoryOptimized_M100",
    "MemoryOptimized_M150",
    "MemoryOptimized_M250",
    "MemoryOptimized_M350",
    "MemoryOptimized_M500",
    "MemoryOptimized_M700",
    "MemoryOptimized_M1000",
    "MemoryOptimized_M1500",
    "MemoryOptimized_M2000",
    "ComputeOptimized_X3",
    "ComputeOptimized_X5",
    "ComputeOptimized_X10",
    "ComputeOptimized_X20",
    "ComputeOptimized_X50",
    "ComputeOptimized_X100",
    "ComputeOptimized_X150",
    "ComputeOptimized_X250",
    "ComputeOptimized_X350",
    "ComputeOptimized_X500",
    "ComputeOptimized_X700",
]
# What Terraform's azurerm takes: burstable, general purpose and memory optimised sizes, by generation.
PostgresSku = Annotated[
    str,
    Form(
        r"B_Standard_B((1|2|4|8|12|16|20)ms|2s)"
        r"|GP_Standard_(D(2|4|8|16|32|48|64)(s_v3|ds_v4)|D(2|4|8|16|32|48|64|96)(ds_v5|ds_v6|ads_v5)|DC(2|4|8|16|32|48|64|96)ads_v5)"
        r"|MO_Standard_(E(2|4|8|16|20|32|48|64)s_v3|E(2|4|6|8|16|20|32|48|64)ds_v4|E(2|4|8|16|20|32|48|64|96)ds_v5"
        r"|E(2|4|8|16|32|48|64|96)(ds_v6|ads_v5)|EC(2|4|8|16|20|32|48|64|96)(ads|as)_v5)",
        "a size of flexible servers: B_, GP_ or MO_ for burstable, general purpose or memory optimised, and the machine",
        "GP_Standard_D2ds_v5",
    ),
]
