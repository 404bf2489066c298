"""What the azurerm provider is told, in Terraform's JSON syntax. Signing in is the environment's (`az login`, or ARM_*)."""

from typing import Any

from deployer.tenant import Tenant

RESOURCE_PROVIDERS = (
    "Microsoft.App",
    "Microsoft.Authorization",
    "Microsoft.Cache",
    "Microsoft.Cdn",
    "Microsoft.CognitiveServices",
    "Microsoft.ContainerService",
    "Microsoft.DBforPostgreSQL",
    "Microsoft.EventHub",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Resources",
    "Microsoft.Storage",
)
"""Registered by the provider where they are not: azurerm 5 registers none by itself. `Microsoft.ContainerService` is what
Container Apps with workload profiles ask for in the subscription."""


def provider_settings(tenant: Tenant) -> dict[str, Any]:
    """The provider's arguments. Nothing that was deleted is purged, and what was deleted lately is had back."""
    return {
        "subscription_id": tenant.subscription_id,
        "tenant_id": tenant.entra.tenant_id,
        "storage_use_azuread": True,
        "resource_providers_to_register": list(RESOURCE_PROVIDERS),
        "features": {
            "cognitive_account": {"purge_soft_delete_on_destroy": False},
            "key_vault": {"purge_soft_delete_on_destroy": False, "recover_soft_deleted_key_vaults": True},
            "log_analytics_workspace": {"permanently_delete_on_destroy": False},
            "resource_group": {"prevent_deletion_if_contains_resources": True},
            "storage": {"data_plane_available": False},
        },
    }
