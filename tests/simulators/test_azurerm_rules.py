"""What the simulated Azure refuses, a row a rule: what is there, what is attempted, and the code of the refusal."""

from typing import Any

import pytest

from tests.simulators.azurerm import operations, planning, schema
from tests.simulators.azurerm.cloud import Cloud
from tests.simulators.azurerm.rules.attempt import Session

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet"
PLACED = {"resource_group_name": "rg", "location": "uksouth"}
PROFILES = [{"name": "Consumption", "workload_profile_type": "Consumption"}]

Values = dict[str, Any]


def subnet(name: str, prefix: str, *services: str) -> Values:
    delegation = [{"name": "d", "service_delegation": [{"name": service}]} for service in services]
    return {
        "name": name,
        "resource_group_name": "rg",
        "virtual_network_name": "vnet",
        "address_prefixes": [prefix],
        "delegation": delegation,
    }


def named(type_name: str, name: str, **values: Any) -> tuple[str, Values]:
    return type_name, {"name": name, **PLACED, **values}


def in_network(name: str) -> str:
    return f"{NETWORK}/subnets/{name}"


def of(path: str) -> str:
    return f"{GROUP}/providers/{path}"


ENVIRONMENT = of("Microsoft.App/managedEnvironments/cae")
ACCOUNT = of("Microsoft.CognitiveServices/accounts/aoai")
IDENTITY = of("Microsoft.ManagedIdentity/userAssignedIdentities/id")
VAULT = of("Microsoft.KeyVault/vaults/kv")
ZONE = of("Microsoft.Network/privateDnsZones/aduana.private.postgres.database.azure.com")
LOGS = of("Microsoft.OperationalInsights/workspaces/log")
FOR_APPS, FOR_POSTGRES = "Microsoft.App/environments", "Microsoft.DBforPostgreSQL/flexibleServers"

THERE: list[tuple[str, Values]] = [
    ("resource_group", {"name": "rg", "location": "uksouth"}),
    named("virtual_network", "vnet", address_space=["10.0.0.0/16"]),
    named("virtual_network", "other", address_space=["10.0.128.0/20"]),
    ("subnet", subnet("plain", "10.0.0.0/24")),
    ("subnet", subnet("apps", "10.0.1.0/27", FOR_APPS)),
    ("subnet", subnet("tiny", "10.0.2.0/28", FOR_APPS)),
    ("subnet", subnet("postgres", "10.0.3.0/24", FOR_POSTGRES)),
    named("network_security_group", "nsg"),
    (
        "subnet_network_security_group_association",
        {
            "subnet_id": in_network("plain"),
            "network_security_group_id": of("Microsoft.Network/networkSecurityGroups/nsg"),
        },
    ),
    ("private_dns_zone", {"name": "privatelink.vaultcore.azure.net", "resource_group_name": "rg"}),
    ("private_dns_zone", {"name": "aduana.private.postgres.database.azure.com", "resource_group_name": "rg"}),
    (
        "private_dns_zone_virtual_network_link",
        {
            "name": "vault",
            "private_dns_zone_id": of("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"),
            "virtual_network_id": NETWORK,
        },
    ),
    named("user_assigned_identity", "id"),
    named("key_vault", "kv", tenant_id=SUBSCRIPTION, sku_name="standard", rbac_authorization_enabled=True),
    named(
        "key_vault",
        "kv-private",
        tenant_id=SUBSCRIPTION,
        sku_name="standard",
        rbac_authorization_enabled=True,
        public_network_access_enabled=False,
    ),
    named("cognitive_account", "aoai", kind="OpenAI", sku_name="S0", custom_subdomain_name="aoai"),
    named("cognitive_account", "nameless", kind="OpenAI", sku_name="S0"),
    named("log_analytics_workspace", "log"),
    named("container_app_environment", "cae", infrastructure_subnet_id=in_network("apps"), workload_profile=PROFILES),
    named("managed_redis", "redis", sku_name="Balanced_B0", default_database=[{}]),
    named(
        "postgresql_flexible_server",
        "injected",
        delegated_subnet_id=in_network("postgres"),
        private_dns_zone_id=ZONE,
        public_network_access_enabled=False,
        authentication=[{"active_directory_auth_enabled": False}],
    ),
    ("management_lock", {"name": "keep", "scope": VAULT, "lock_level": "CanNotDelete"}),
    ("management_lock", {"name": "freeze", "scope": LOGS, "lock_level": "ReadOnly"}),
]


@pytest.fixture
def session() -> Session:
    """A cloud in which the things above exist, and somebody who is signed in to it."""
    cloud = Cloud(SUBSCRIPTION, SUBSCRIPTION)
    for name, values in THERE:
        operations.put(cloud, schema.load().resources[f"azurerm_{name}"], values)
    return Session(cloud, CLIENT)


def create(session: Session, name: str, values: Values) -> None:
    type_ = schema.load().resources[f"azurerm_{name}"]
    planned = planning.plan(type_, None, schema.conform(type_.block, values)).planned
    operations.create(session, type_, planned)


def delete(session: Session, name: str, resource_id: str) -> None:
    type_ = schema.load().resources[f"azurerm_{name}"]
    operations.delete(session, type_, schema.conform(type_.block, {"id": resource_id}))


def refused(session: Session) -> str:
    return str(session.cloud.journal[-1]["refused"])


def environment(subnet_name: str, **values: Any) -> tuple[str, Values]:
    return named("container_app_environment", "new", infrastructure_subnet_id=in_network(subnet_name), **values)


def app(name: str = "new", **values: Any) -> tuple[str, Values]:
    container = {"name": "c", "image": "i", "cpu": 0.5, "memory": "1Gi", **values.pop("container", {})}
    return "container_app", {
        "name": name,
        "resource_group_name": "rg",
        "container_app_environment_id": ENVIRONMENT,
        "revision_mode": "Single",
        "template": [{"container": [container]}],
        **values,
    }


def endpoint(target: str, part: str, subnet_name: str = "plain") -> tuple[str, Values]:
    connection = {
        "name": "c",
        "is_manual_connection": False,
        "private_connection_resource_id": target,
        "subresource_names": [part],
    }
    return named("private_endpoint", "new", subnet_id=in_network(subnet_name), private_service_connection=[connection])


def postgres(**values: Any) -> tuple[str, Values]:
    return named("postgresql_flexible_server", "new", **{"public_network_access_enabled": False, **values})


def diagnostics(target: str, **values: Any) -> tuple[str, Values]:
    return "monitor_diagnostic_setting", {
        "name": "new",
        "target_resource_id": target,
        "log_analytics_workspace_id": LOGS,
        **values,
    }


def vault(name: str) -> tuple[str, Values]:
    return named("key_vault", name, tenant_id=SUBSCRIPTION, sku_name="standard", rbac_authorization_enabled=True)


FROM_VAULT = {"name": "s", "key_vault_secret_id": "https://kv.vault.azure.net/secrets/s", "identity": IDENTITY}
ASSIGNED = [{"type": "UserAssigned", "identity_ids": [IDENTITY]}]
LONG = "a-name-of-more-than-thirty-two-chars"


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (vault("kv"), "AlreadyExists"),
        (vault("new"), ""),
        (("resource_group", {"name": "rg2", "location": "uksouth"}), ""),
        (
            ("user_assigned_identity", {"name": "i", "resource_group_name": "gone", "location": "x"}),
            "ResourceGroupNotFound",
        ),
        (("subnet", {**subnet("new", "10.0.9.0/24"), "virtual_network_name": "gone"}), "ParentResourceNotFound"),
        (("subnet", subnet("new", "10.0.9.0/24")), ""),
        (("subnet", subnet("new", "10.9.0.0/24")), "NetcfgInvalidSubnet"),
        (("subnet", subnet("new", "10.0.0.128/25")), "NetcfgSubnetRangesOverlap"),
        (("subnet", subnet("new", "10.0.9.0/30")), "InvalidSubnetSize"),
        (("subnet", subnet("new", "10.0.9.1/24")), "InvalidCIDRNotation"),
        (named("virtual_network", "new", address_space=["10.0.0.0"]), "InvalidCIDRNotation"),
        (named("virtual_network", "new", address_space=["ten"]), "InvalidAddressPrefixFormat"),
        (
            (
                "virtual_network_peering",
                {
                    "name": "p",
                    "resource_group_name": "rg",
                    "virtual_network_name": "vnet",
                    "remote_virtual_network_id": of("Microsoft.Network/virtualNetworks/other"),
                },
            ),
            "VnetAddressSpacesOverlap",
        ),
        (environment("apps", workload_profile=PROFILES), "ManagedEnvironmentSubnetInUse"),
        (environment("plain", workload_profile=PROFILES), "ManagedEnvironmentSubnetDelegationError"),
        (environment("tiny", workload_profile=PROFILES), "ManagedEnvironmentInvalidNetworkConfiguration"),
        (environment("tiny"), "ManagedEnvironmentV1SubnetDelegationNotAllowed"),
        (environment("gone", workload_profile=PROFILES), "InvalidResourceReference"),
        (app(), ""),
        (app(LONG), "ContainerAppInvalidName"),
        (app(workload_profile_name="D4"), "ContainerAppInvalidWorkloadProfile"),
        (app(container={"memory": "2Gi"}), "ContainerAppInvalidResourceTotal"),
        (app(container={"env": [{"name": "A", "secret_name": "gone"}]}), "ContainerAppSecretRefNotFound"),
        (app(secret=[{"name": "s"}]), "ContainerAppSecretInvalid"),
        (app(secret=[FROM_VAULT]), "InvalidParameterValueInContainerTemplate"),
        (app(secret=[FROM_VAULT], identity=ASSIGNED), "InvalidParameterValueInContainerTemplate"),
        (
            app(ingress=[{"target_port": 1, "traffic_weight": [{"latest_revision": True, "percentage": 50}]}]),
            "ContainerAppInvalidTrafficWeight",
        ),
        (
            app(ingress=[{"target_port": 1, "traffic_weight": [{"revision_suffix": "a", "percentage": 100}]}]),
            "RevisionNotFound",
        ),
        (endpoint(ACCOUNT, "account"), ""),
        (endpoint(ACCOUNT, "openai"), "InvalidGroupId"),
        (endpoint(ACCOUNT, "account", "apps"), "PrivateEndpointCreationNotAllowedAsSubnetIsDelegated"),
        (endpoint(ACCOUNT.replace("aoai", "nameless"), "account"), "AccountCustomSubDomainNotSet"),
        (
            endpoint(of("Microsoft.DBforPostgreSQL/flexibleServers/injected"), "postgresqlServer"),
            "PrivateEndpointNotSupportedOnVnetInjectedServer",
        ),
        (postgres(), ""),
        (
            postgres(
                delegated_subnet_id=in_network("postgres"),
                private_dns_zone_id=ZONE,
                public_network_access_enabled=True,
            ),
            "ConflictingPublicNetworkAccessAndVirtualNetworkConfiguration",
        ),
        (postgres(delegated_subnet_id=in_network("plain"), private_dns_zone_id=ZONE), "InvalidParameterValue"),
        (postgres(delegated_subnet_id=in_network("postgres"), private_dns_zone_id=ZONE), "VnetLinkNotFound"),
        (
            postgres(
                delegated_subnet_id=in_network("postgres"),
                private_dns_zone_id=of("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"),
            ),
            "PrivateDnsZoneNameNotValid",
        ),
        (
            postgres(sku_name="B_Standard_B2s", high_availability=[{"mode": "ZoneRedundant"}]),
            "HANotSupportedForBurstableSkuWithLessThan2Cores",
        ),
        (
            (
                "postgresql_flexible_server_active_directory_administrator",
                {
                    "server_name": "injected",
                    "resource_group_name": "rg",
                    "object_id": CLIENT,
                    "tenant_id": SUBSCRIPTION,
                    "principal_name": "n",
                    "principal_type": "User",
                },
            ),
            "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible",
        ),
        (named("cognitive_account", "new", kind="OpenAI", sku_name="F0"), "InvalidSkuId"),
        (
            named("cognitive_account", "new", kind="OpenAI", sku_name="S0", custom_subdomain_name="aoai"),
            "CustomDomainInUse",
        ),
        (
            ("role_assignment", {"scope": VAULT, "principal_id": CLIENT, "role_definition_name": "Key Vault Wizard"}),
            "RoleNotFound",
        ),
        (("key_vault_secret", {"name": "s", "value": "v", "key_vault_id": VAULT}), "Forbidden"),
        (("key_vault_secret", {"name": "s", "value": "v", "key_vault_id": f"{VAULT}-private"}), "Forbidden"),
        (diagnostics(VAULT, enabled_log=[{"category": "AuditEvent"}]), ""),
        (diagnostics(VAULT, enabled_log=[{"category": "Audit"}]), "BadRequest"),
        (
            diagnostics(of("Microsoft.Cache/redisEnterprise/redis"), enabled_log=[{"category_group": "allLogs"}]),
            "BadRequest",
        ),
        (
            diagnostics(of("Microsoft.Network/networkSecurityGroups/nsg"), enabled_metric=[{"category": "AllMetrics"}]),
            "BadRequest",
        ),
        (diagnostics(LOGS, enabled_metric=[{"category": "AllMetrics"}]), "ScopeLocked"),
        (
            (
                "private_dns_zone_virtual_network_link",
                {
                    "name": "again",
                    "private_dns_zone_id": of("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"),
                    "virtual_network_id": NETWORK,
                },
            ),
            "BadRequest",
        ),
    ],
)
def test_what_is_attempted_is_refused_with_azures_code_or_done(session, attempt, code):
    if not code:
        create(session, *attempt)
    else:
        with pytest.raises(operations.Failed):
            create(session, *attempt)
    assert refused(session) == code


@pytest.mark.parametrize(
    ("name", "resource_id", "code"),
    [
        ("resource_group", GROUP, "ResourceGroupNotEmpty"),
        ("subnet", in_network("apps"), "InUseSubnetCannotBeDeleted"),
        ("subnet", in_network("tiny"), ""),
        ("virtual_network", NETWORK, "InUseSubnetCannotBeDeleted"),
        (
            "network_security_group",
            of("Microsoft.Network/networkSecurityGroups/nsg"),
            "InUseNetworkSecurityGroupCannotBeDeleted",
        ),
        (
            "private_dns_zone",
            of("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"),
            "CannotDeleteResource",
        ),
        ("key_vault", VAULT, "ScopeLocked"),
        ("key_vault", f"{VAULT}-private", ""),
        ("key_vault", f"{VAULT}-gone", ""),
    ],
)
def test_what_is_used_full_or_locked_stays(session, name, resource_id, code):
    there = session.cloud.find(f"azurerm_{name}", resource_id) is not None
    if not code:
        delete(session, name, resource_id)
    else:
        with pytest.raises(operations.Failed):
            delete(session, name, resource_id)
    assert refused(session) == code
    assert (session.cloud.find(f"azurerm_{name}", resource_id) is not None) == (there and bool(code))


def test_a_vaults_secret_is_written_by_who_has_the_role_once_it_counts(session):
    attempt = ("key_vault_secret", {"name": "pepper", "value": "v", "key_vault_id": VAULT})
    assignment = {"scope": GROUP, "principal_id": CLIENT, "role_definition_name": "Key Vault Secrets Officer"}
    create(session, "role_assignment", assignment)
    with pytest.raises(operations.Failed, match="RoleAssignmentExists"):
        create(session, "role_assignment", assignment)
    vault = session.cloud.at(VAULT)
    vault.countdowns["role_propagation"] = 1
    with pytest.raises(operations.Failed, match="observe propagation time"):
        create(session, *attempt)
    create(session, *attempt)
    secret = session.cloud.of_type("azurerm_key_vault_secret")[0].values
    assert secret["id"] == f"https://kv.vault.azure.net/secrets/pepper/{secret['version']}"


def test_a_deleted_vault_keeps_its_name_until_it_is_recovered_or_purged(session):
    session.features = {
        "key_vault": [{"purge_soft_delete_on_destroy": False, "recover_soft_deleted_key_vaults": False}]
    }
    delete(session, "key_vault", f"{VAULT}-private")
    with pytest.raises(operations.Failed, match='existing soft-deleted Key Vault exists with the Name "kv-private"'):
        create(session, *vault("kv-private"))
    elsewhere = {**vault("kv-private")[1], "resource_group_name": "rg2"}
    create(session, "resource_group", {"name": "rg2", "location": "uksouth"})
    session.features = {}
    with pytest.raises(operations.Failed, match="is already in use"):
        create(session, "key_vault", elsewhere)
    create(session, *vault("kv-private"))


def test_storage_that_grows_takes_its_tier_along_unless_it_was_chosen(session):
    type_ = schema.load().resources["azurerm_postgresql_flexible_server"]
    for name, tier, then in (("by-itself", None, "P10"), ("chosen", "P20", "P20")):
        create(session, *named("postgresql_flexible_server", name, storage_mb=65536, storage_tier=tier))
        state = session.cloud.of_type(type_.name)[-1].values
        assert state["storage_tier"] == (tier or "P6")
        assert operations.update(session, type_, state, {**state, "storage_mb": 131072})["storage_tier"] == then


def test_an_unregistered_namespace_and_a_model_without_quota_are_refused_with_figures(session):
    session.cloud.behaviours["unregistered"] = ["Microsoft.App"]
    with pytest.raises(operations.Failed, match=r"not registered to use namespace 'Microsoft\.App'"):
        create(session, *app())
    create(session, "resource_provider_registration", {"name": "Microsoft.App"})
    create(session, *app())
    session.cloud.behaviours["model_quota"] = {"Standard.gpt-4o": 50}
    deployment = {
        "cognitive_account_id": ACCOUNT,
        "model": [{"format": "OpenAI", "name": "gpt-4o"}],
        "sku": [{"name": "Standard", "capacity": 40}],
    }
    create(session, "cognitive_deployment", {"name": "one", **deployment})
    with pytest.raises(
        operations.Failed, match=r"require 40 new capacity .* available capacity 10\. The current .* is 40"
    ):
        create(session, "cognitive_deployment", {"name": "two", **deployment})
