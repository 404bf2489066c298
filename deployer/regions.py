"""The regions of Azure's public cloud: which have zones, and which is whose pair.

https://learn.microsoft.com/azure/reliability/regions-list as of 2025-09-23. A region that is not here is newer: what
would be checked by this table is left to `aduana preflight`, which asks Azure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

AS_OF = "2025-09-23"


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """What is known of a region: its name for people, whether it has availability zones, and its pair's name."""

    display_name: str
    zones: bool
    pair: str | None


# name: (for people, zones, pair)
_TABLE: Mapping[str, tuple[str, bool, str | None]] = {
    "australiacentral": ("Australia Central", False, "australiacentral2"),
    "australiacentral2": ("Australia Central 2", False, "australiacentral"),
    "australiaeast": ("Australia East", True, "australiasoutheast"),
    "australiasoutheast": ("Australia Southeast", False, "australiaeast"),
    "austriaeast": ("Austria East", True, None),
    "belgiumcentral": ("Belgium Central", True, None),
    "brazilsouth": ("Brazil South", True, "southcentralus"),
    "brazilsoutheast": ("Brazil Southeast", False, "brazilsouth"),
    "canadacentral": ("Canada Central", True, "canadaeast"),
    "canadaeast": ("Canada East", False, "canadacentral"),
    "centralindia": ("Central India", True, "southindia"),
    "centralus": ("Central US", True, "eastus2"),
    "chilecentral": ("Chile Central", True, None),
    "denmarkeast": ("Denmark East", True, None),
    "eastasia": ("East Asia", True, "southeastasia"),
    "eastus": ("East US", True, "westus"),
    "eastus2": ("East US 2", True, "centralus"),
    "francecentral": ("France Central", True, "francesouth"),
    "francesouth": ("France South", False, "francecentral"),
    "germanynorth": ("Germany North", False, "germanywestcentral"),
    "germanywestcentral": ("Germany West Central", True, "germanynorth"),
    "indonesiacentral": ("Indonesia Central", True, None),
    "israelcentral": ("Israel Central", True, None),
    "italynorth": ("Italy North", True, None),
    "japaneast": ("Japan East", True, "japanwest"),
    "japanwest": ("Japan West", True, "japaneast"),
    "koreacentral": ("Korea Central", True, "koreasouth"),
    "koreasouth": ("Korea South", False, "koreacentral"),
    "malaysiawest": ("Malaysia West", True, None),
    "mexicocentral": ("Mexico Central", True, None),
    "newzealandnorth": ("New Zealand North", True, None),
    "northcentralus": ("North Central US", False, "southcentralus"),
    "northeurope": ("North Europe", True, "westeurope"),
    "norwayeast": ("Norway East", True, "norwaywest"),
    "norwaywest": ("Norway West", False, "norwayeast"),
    "polandcentral": ("Poland Central", True, None),
    "qatarcentral": ("Qatar Central", True, None),
    "southafricanorth": ("South Africa North", True, "southafricawest"),
    "southafricawest": ("South Africa West", False, "southafricanorth"),
    "southcentralus": ("South Central US", True, "northcentralus"),
    "southindia": ("South India", False, "centralindia"),
    "southeastasia": ("Southeast Asia", True, "eastasia"),
    "spaincentral": ("Spain Central", True, None),
    "swedencentral": ("Sweden Central", True, "swedensouth"),
    "swedensouth": ("Sweden South", False, "swedencentral"),
    "switzerlandnorth": ("Switzerland North", True, "switzerlandwest"),
    "switzerlandwest": ("Switzerland West", False, "switzerlandnorth"),
    "uaecentral": ("UAE Central", False, "uaenorth"),
    "uaenorth": ("UAE North", True, "uaecentral"),
    "uksouth": ("UK South", True, "ukwest"),
    "ukwest": ("UK West", False, "uksouth"),
    "westcentralus": ("West Central US", False, "westus2"),
    "westeurope": ("West Europe", True, "northeurope"),
    "westindia": ("West India", False, "southindia"),
    "westus": ("West US", False, "eastus"),
    "westus2": ("West US 2", True, "westcentralus"),
    "westus3": ("West US 3", True, "eastus"),
}
REGIONS: Mapping[str, RegionFacts] = {name: RegionFacts(*facts) for name, facts in _TABLE.items()}


def meant_region(text: str) -> str | None:
    """The region that a misspelt name or one for people (`UK South`) means; None where none is near.

    Names that differ from a known one by a digit alone are not misspelt: Azure opens regions so.
    """
    plain = "".join(text.split()).lower().replace("-", "").replace("_", "")
    if plain in REGIONS:
        return plain
    near = [name for name in REGIONS if _one_edit_apart(plain, name)]
    return near[0] if len(near) == 1 else None


def _one_edit_apart(one: str, two: str) -> bool:
    """Whether a letter too many, too few, changed, or swapped with its neighbour makes one of the other."""
    if abs(len(one) - len(two)) > 1:
        return False
    start = next((at for at, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), None)
    if start is None:
        start = min(len(one), len(two))
    rest_one, rest_two = one[start:], two[start:]
    if rest_one[:1].isdigit() or rest_two[:1].isdigit():
        return False
    swapped = len(one) == len(two) and rest_one[:2] == rest_two[1::-1] and rest_one[2:] == rest_two[2:]
    return swapped or rest_one[1:] == rest_two or rest_one == rest_two[1:] or rest_one[1:] == rest_two[1:]
