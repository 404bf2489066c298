"""What of Azure an installation uses: resource types, the actions that make them, and the roles that are given."""

from collections.abc import Iterator
from dataclasses import dataclass

from deployer.tenant import Tenant


@dataclass(frozen=True, slots=True)
class TypeNeed:
    """A type of resource. `zoned`: it is spread over zones where the tenant says so."""

    namespace: str
    type: str
    region: str
    zoned: bool = False
    regional: bool = True

    @property
    def full(self) -> str:
        return f"{self.namespace}/{self.type}"


def needed_types(tenant: Tenant) -> list[TypeNeed]:
    """Every type that is made, with where."""
    needs: list[TypeNeed] = []

    def need(full: str, region: str = tenant.region, *, zoned: bool = False, regional: bool = True) -> None:
        namespace, kind = full.split("/", 1)
        made = TypeNeed(namespace, kind, region, zoned, regional)
        if made not in needs:
            needs.append(made)

    zoned = tenant.zone_redundant
    need("Microsoft.App/managedEnvironments", zoned=zoned)
    need("Microsoft.App/containerApps")
    need("Microsoft.App/jobs")
    need("Microsoft.KeyVault/vaults")
    need("Microsoft.DBforPostgreSQL/flexibleServers", zoned=tenant.postgres.high_availability == "zone_redundant")
    need("Microsoft.ManagedIdentity/userAssignedIdentities")
    need("Microsoft.Network/privateEndpoints")
    need("Microsoft.Insights/diagnosticSettings", regional=False)
    if tenant.network.mode == "new":
        need("Microsoft.Network/virtualNetworks")
        need("Microsoft.Network/networkSecurityGroups")
    if tenant.private_dns.mode == "create":
        need("Microsoft.Network/privateDnsZones", regional=False)
    if tenant.redis.mode == "managed":
        need("Microsoft.Cache/redisEnterprise", zoned=zoned and tenant.redis.high_availability)
    else:
        need("Microsoft.Storage/storageAccounts")
    if tenant.logs.workspace_id is None:
        need("Microsoft.OperationalInsights/workspaces")
    if tenant.event_hubs.enabled:
        need("Microsoft.EventHub/namespaces")
    if tenant.egress.mode == "firewall":
        need("Microsoft.Network/azureFirewalls", zoned=zoned)
        need("Microsoft.Network/firewallPolicies")
        need("Microsoft.Network/routeTables")
        need("Microsoft.Network/publicIPAddresses", zoned=zoned)
    if tenant.ingress.front == "application_gateway":
        need("Microsoft.Network/applicationGateways", zoned=zoned)
        need("Microsoft.Network/publicIPAddresses", zoned=zoned)
    if tenant.ingress.front == "front_door":
        need("Microsoft.Cdn/profiles", regional=False)
    for account in tenant.openai.accounts:
        if account.mode == "new":
            need("Microsoft.CognitiveServices/accounts", account.region or tenant.region)
    return needs


# Role → GUID. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Azure Event Hubs Data Sender": "2b629674-e913-4c01-ae53-ef4638d8f975",
    "Cognitive Services OpenAI Contributor": "a001fd3d-188f-4b5d-821b-7da978bf7442",
    "Cognitive Services OpenAI User": "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
}


def given_roles(tenant: Tenant) -> dict[str, str]:
    """The roles that are given to the installation's identities: name → GUID."""
    names = ["Key Vault Secrets Officer", "Key Vault Secrets User"]
    for access, role in (("models", "User"), ("everything", "Contributor")):
        if any(account.access == access for account in tenant.openai.accounts):
            names.append(f"Cognitive Services OpenAI {role}")
    if tenant.images.registry_id is not None:
        names.append("AcrPull")
    if tenant.event_hubs.enabled:
        names.append("Azure Event Hubs Data Sender")
    return {name: ROLES[name] for name in names}


GIVE_ROLES = "Microsoft.Authorization/roleAssignments/write"


def needed_actions(tenant: Tenant) -> Iterator[str]:
    """What the identity must be allowed to do where the installation goes."""
    yield "Microsoft.Resources/subscriptions/resourceGroups/write"
    yield from (f"{need.full}/write" for need in needed_types(tenant))
    yield "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
    yield "Microsoft.OperationalInsights/workspaces/sharedKeys/action"
    yield GIVE_ROLES
    if tenant.network.mode == "new":
        yield "Microsoft.Network/virtualNetworks/subnets/join/action"
    if tenant.deletion_protection:
        yield "Microsoft.Authorization/locks/write"
    if any(account.mode == "new" and account.deployments for account in tenant.openai.accounts):
        yield "Microsoft.CognitiveServices/accounts/deployments/write"


def actions_elsewhere(tenant: Tenant) -> Iterator[tuple[str, str]]:
    """What it must be allowed to do with what others made: resource id, action."""
    if (existing := tenant.network.existing) is not None:
        yield existing.vnet_id, "Microsoft.Network/virtualNetworks/subnets/join/action"
        if tenant.private_dns.mode == "create":
            yield existing.vnet_id, "Microsoft.Network/virtualNetworks/join/action"
    for zone in tenant.private_dns.zones.values():
        yield zone, "Microsoft.Network/privateDnsZones/join/action"
    for network in tenant.private_dns.link_networks:
        yield network, "Microsoft.Network/virtualNetworks/join/action"
    for account in tenant.openai.accounts:
        if account.resource_id is not None:
            yield account.resource_id, GIVE_ROLES
            yield account.resource_id, "Microsoft.CognitiveServices/accounts/privateEndpointConnectionsApproval/action"
            if account.deployments:
                yield account.resource_id, "Microsoft.CognitiveServices/accounts/deployments/write"
    if tenant.images.registry_id is not None:
        yield tenant.images.registry_id, GIVE_ROLES
    certificate = tenant.ingress.certificate
    if certificate is not None and certificate.key_vault_id is not None:
        yield certificate.key_vault_id, GIVE_ROLES
    if tenant.logs.workspace_id is not None:
        yield tenant.logs.workspace_id, "Microsoft.OperationalInsights/workspaces/sharedKeys/action"
