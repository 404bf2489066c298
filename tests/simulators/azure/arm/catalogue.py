"""What an ordinary subscription is told of: regions, resource providers, models and quotas.

Shapes: https://learn.microsoft.com/rest/api/resources/subscriptions/list-locations, …/resources/providers/list,
https://learn.microsoft.com/rest/api/aiservices/accountmanagement/models/list, …/usages/list and
https://learn.microsoft.com/rest/api/postgresql/quota-usages/list.
"""

from typing import Any

REGIONS = {
    # name → as people write it, its pair, whether it has availability zones
    "uksouth": ("UK South", "ukwest", True),
    "ukwest": ("UK West", "uksouth", False),
    "westeurope": ("West Europe", "northeurope", True),
    "northeurope": ("North Europe", "westeurope", True),
    "swedencentral": ("Sweden Central", "swedensouth", True),
    "eastus": ("East US", "westus", True),
    "eastus2": ("East US 2", "centralus", True),
}

TYPES = {
    "Microsoft.App": ("managedEnvironments", "containerApps", "jobs"),
    "Microsoft.Authorization": ("roleAssignments", "locks"),
    "Microsoft.Cache": ("redisEnterprise",),
    "Microsoft.Cdn": ("profiles",),
    "Microsoft.CognitiveServices": ("accounts",),
    "Microsoft.ContainerRegistry": ("registries",),
    "Microsoft.ContainerService": ("managedClusters",),
    "Microsoft.DBforPostgreSQL": ("flexibleServers",),
    "Microsoft.EventHub": ("namespaces",),
    "Microsoft.Insights": ("diagnosticSettings",),
    "Microsoft.KeyVault": ("vaults",),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities",),
    "Microsoft.Network": (
        "virtualNetworks",
        "privateEndpoints",
        "privateDnsZones",
        "networkSecurityGroups",
        "routeTables",
        "azureFirewalls",
        "firewallPolicies",
        "publicIPAddresses",
        "applicationGateways",
    ),
    "Microsoft.OperationalInsights": ("workspaces",),
    "Microsoft.PolicyInsights": ("policyStates",),
    "Microsoft.Resources": ("resourceGroups", "deployments"),
    "Microsoft.Storage": ("storageAccounts",),
}
_ZONELESS = (
    "diagnosticSettings",
    "roleAssignments",
    "locks",
    "policyStates",
    "userAssignedIdentities",
    "privateDnsZones",
)


def locations(subscription: str) -> list[dict[str, Any]]:
    """Of the subscription."""
    return [
        {
            "id": f"/subscriptions/{subscription}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": shown,
            "metadata": {
                "regionType": "Physical",
                "pairedRegion": [{"name": pair, "id": f"/subscriptions/{subscription}/locations/{pair}"}],
            },
            **(
                {"availabilityZoneMappings": [{"logicalZone": z, "physicalZone": f"{name}-az{z}"} for z in "123"]}
                if zones
                else {}
            ),
        }
        for name, (shown, pair, zones) in REGIONS.items()
    ]


def providers(subscription: str) -> dict[str, dict[str, Any]]:
    """Every namespace, registered, with its types in every region."""
    shown = [each for each, _, _ in REGIONS.values()]
    zones = [{"location": each, "zones": ["1", "2", "3"]} for each, _, zoned in REGIONS.values() if zoned]
    return {
        namespace: {
            "id": f"/subscriptions/{subscription}/providers/{namespace}",
            "namespace": namespace,
            "registrationPolicy": "RegistrationRequired",
            "registrationState": "Registered",
            "resourceTypes": [
                {
                    "resourceType": name,
                    "locations": list(shown),
                    "apiVersions": ["2024-01-01"],
                    **({} if name in _ZONELESS else {"zoneMappings": [dict(each) for each in zones]}),
                }
                for name in names
            ],
        }
        for namespace, names in TYPES.items()
    }


def model(name: str, version: str, *skus: str, ends: str = "2027-10-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    """A model of OpenAI's, deployable by these SKUs until then."""
    return {
        "kind": "OpenAI",
        "skuName": "S0",
        "model": {
            "format": "OpenAI",
            "name": name,
            "version": version,
            "isDefaultVersion": True,
            "lifecycleStatus": "GenerallyAvailable",
            "deprecation": {"inference": ends},
            "maxCapacity": 3,
            "capabilities": {"chatCompletion": "true"},
            "skus": [
                {
                    "name": sku,
                    "usageName": f"OpenAI.{sku}.{name}",
                    "deprecationDate": ends,
                    "capacity": {"default": 10, "maximum": 1_000_000, "minimum": None, "step": None},
                }
                for sku in skus
            ],
            **more,
        },
    }


def models() -> list[dict[str, Any]]:
    """Those of a region."""
    return [
        model("gpt-4o", "2024-11-20", "Standard", "GlobalStandard", "DataZoneStandard", "ProvisionedManaged"),
        model("gpt-4o-mini", "2024-07-18", "Standard", "GlobalStandard"),
        model("text-embedding-3-large", "1", "Standard", "GlobalStandard"),
    ]


def usage(name: str, used: float, limit: float) -> dict[str, Any]:
    """A line of a quota."""
    return {"name": {"value": name, "localizedValue": name}, "currentValue": used, "limit": limit, "unit": "Count"}


def usages() -> dict[str, list[dict[str, Any]]]:
    """By namespace, the same in every region."""
    return {
        "Microsoft.CognitiveServices": [
            usage("OpenAI.S0.AccountCount", 2, 30),
            *(usage(each["usageName"], 60, 300) for listed in models() for each in listed["model"]["skus"]),
        ],
        "Microsoft.App": [usage("ManagedEnvironmentCount", 1, 20)],
        "Microsoft.DBforPostgreSQL": [
            usage("cores", 8, 100),
            usage("standardBSFamily", 0, 20),
            usage("standardDDSv5Family", 4, 100),
            usage("standardEDSv5Family", 0, 100),
        ],
        "Microsoft.Storage": [usage("StorageAccounts", 3, 250)],
        "Microsoft.Network": [usage("VirtualNetworks", 2, 1000), usage("PrivateEndpoints", 5, 65536)],
    }


def postgres_capabilities(region: str) -> dict[str, Any]:
    """https://learn.microsoft.com/rest/api/postgresql/capabilities-by-location/list"""
    sizes = {
        "Burstable": [("Standard_B1ms", 1), ("Standard_B2s", 2)],
        "GeneralPurpose": [(f"Standard_D{n}ds_v5", n) for n in (2, 4, 8, 16)],
        "MemoryOptimized": [(f"Standard_E{n}ds_v5", n) for n in (2, 4, 8, 16)],
    }
    zoned = REGIONS[region][2]
    return {
        "name": "FlexibleServerCapabilities",
        "zoneRedundantHaSupported": "Enabled" if zoned else "Disabled",
        "geoBackupSupported": "Enabled",
        "restricted": "Disabled",
        "supportedServerVersions": [{"name": each} for each in ("14", "15", "16", "17", "18")],
        "supportedServerEditions": [
            {
                "name": edition,
                "supportedServerSkus": [
                    {
                        "name": sku,
                        "vCores": cores,
                        "supportedZones": ["1", "2", "3"] if zoned else [],
                        "supportedHaMode": []
                        if edition == "Burstable"
                        else ["SameZone", *(["ZoneRedundant"] if zoned else [])],
                    }
                    for sku, cores in skus
                ],
            }
            for edition, skus in sizes.items()
        ],
    }
