"""What can be wrong, a row each: the check that finds it, how it is broken, and what is said."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployer.preflight import Verdict
from tests.deployer.preflight.conftest import NOW, World, certificate, delegation
from tests.simulators.azure.arm import catalogue
from tests.simulators.azure.arm.checks import denial
from tests.simulators.azure.arm.resources import deleted
from tests.simulators.azure.arm.subscription import permission

ERROR, WARNING, INFO = Verdict.ERROR, Verdict.WARNING, Verdict.INFO


@dataclass(frozen=True, slots=True)
class Row:
    """`says` is in the finding's message, `remedy` in its remedy."""

    check: str
    name: str
    breaks: Callable[[World], Any]
    verdict: Verdict
    says: str
    remedy: str = ""


FAULTS: list[Row] = []


def fault(check: str, verdict: Verdict, says: str, remedy: str = "") -> Callable[[Callable[[World], Any]], None]:
    def add(breaks: Callable[[World], Any]) -> None:
        FAULTS.append(
            Row(check, f"{check}: {breaks.__name__.strip('_').replace('_', ' ')}", breaks, verdict, says, remedy)
        )

    return add


def document(world: World, **settings: Any) -> None:
    """Change settings of the tenant file; what is a mapping in both is merged."""
    for name, value in settings.items():
        old = world.document.get(name)
        world.document[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value


# ── The file and the machine ────────────────────────────────────────────────────────────────────────────────────────


@fault("file.regions", INFO, "newregion is not in the table")
def _a_region_nobody_has_heard_of(world: World) -> None:
    document(world, region="newregion")


@fault("file.seed", ERROR, "contoso.seed.yaml:2", "docs/seed-file.md")
def _a_mistake_in_the_seed_file(world: World) -> None:
    world.seed.write_text("upstreams:\n  - {name: main, provider: azure}\n")


@fault("file.seed", ERROR, "cannot be read", "Correct the path")
def _a_seed_file_that_is_gone(world: World) -> None:
    world.seed.unlink()


@fault("file.seed", WARNING, "no seed file")
def _no_seed_file(world: World) -> None:
    del world.document["seed"]


@fault("machine.terraform", ERROR, "there is no Terraform at", "ADUANA_TERRAFORM")
def _no_terraform(world: World) -> None:
    world.patch.setenv("ADUANA_TERRAFORM", str(world.file.parent / "terraform"))


@fault("machine.clock", ERROR, "s off", "NTP")
def _a_clock_ten_minutes_off(world: World) -> None:
    world.arm.skew = 600.0


@fault("machine.clock", WARNING, "s off", "NTP")
def _a_clock_two_minutes_off(world: World) -> None:
    world.arm.skew = -120.0


# ── Sign-in and subscription ────────────────────────────────────────────────────────────────────────────────────────


@fault("azure.sign_in", ERROR, "is signed in to the directory", "az login --tenant 11111111")
def _another_directory(world: World) -> None:
    document(world, entra={"tenant_id": "11111111-1111-1111-1111-111111111111"})


@fault("azure.subscription", ERROR, "Disabled", "enabled")
def _a_disabled_subscription(world: World) -> None:
    world.subscription.state = "Disabled"


@fault("azure.subscription", ERROR, "SubscriptionNotFound", "Sign in to the tenant")
def _a_subscription_that_is_not_there(world: World) -> None:
    document(world, subscription_id="22222222-2222-2222-2222-222222222222")


@fault("azure.subscription", WARNING, "spending limit")
def _a_spending_limit(world: World) -> None:
    world.subscription.spending_limit = "On"


# ── Permissions ─────────────────────────────────────────────────────────────────────────────────────────────────────


@fault("azure.permissions", ERROR, "Microsoft.Authorization/roleAssignments/write", "User Access Administrator")
def _a_contributor_alone(world: World) -> None:
    forbidden = ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write")
    world.subscription.permissions[world.subscription.path] = [permission("*", without=forbidden)]


@fault("azure.permissions", ERROR, "and", "Contributor")
def _a_reader(world: World) -> None:
    world.subscription.permissions[world.subscription.path] = [permission("*/read")]


@fault("azure.permissions", ERROR, "hub-vnet: Microsoft.Network/virtualNetworks/subnets/join/action", "Contributor")
def _a_network_of_others(world: World) -> None:
    world.take_existing()
    network = world.document["network"]["existing"]["vnet_id"]
    world.subscription.permissions[network.lower()] = [permission("*/read")]


def _bound(world: World, condition: str | None) -> None:
    role = f"{world.subscription.path}/providers/Microsoft.Authorization/roleDefinitions/f58310d9-a9f6-439a-9e8d-f62e7b41a168"
    world.subscription.role_definitions["f58310d9-a9f6-439a-9e8d-f62e7b41a168"] = {
        "id": role,
        "properties": {"permissions": [permission("Microsoft.Authorization/roleAssignments/write")]},
    }
    world.subscription.role_assignments.append(
        {
            "id": f"{world.subscription.path}/providers/Microsoft.Authorization/roleAssignments/x",
            "properties": {
                "roleDefinitionId": role,
                "principalId": world.azure.operator_object_id,
                "scope": world.subscription.path,
                "condition": condition,
            },
        }
    )


@fault("azure.permissions", ERROR, "leaves out: Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7")
def _a_condition_that_leaves_a_role_out(world: World) -> None:
    allowed = "4633458b-17de-408a-b874-0445c86b69e6, 5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
    _bound(
        world,
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/"
        "roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + allowed + "}))",
    )


@fault("azure.permissions", WARNING, "cannot be judged", "Key Vault Secrets User")
def _a_condition_of_another_form(world: World) -> None:
    _bound(world, "@Resource[x] StringEquals 'y'")


# ── The subscription's rules ────────────────────────────────────────────────────────────────────────────────────────


@fault("azure.providers", INFO, "not registered yet: Microsoft.App", "Apply registers")
def _an_unregistered_provider(world: World) -> None:
    world.subscription.providers["Microsoft.App"]["registrationState"] = "NotRegistered"


@fault(
    "azure.providers", ERROR, "may not register: Microsoft.App", "az provider register --wait --namespace Microsoft.App"
)
def _an_unregistered_provider_that_only_others_may_register(world: World) -> None:
    world.subscription.providers["Microsoft.App"]["registrationState"] = "NotRegistered"
    world.subscription.permissions[world.subscription.path] = [permission("*", without=("*/register/action",))]


@fault("azure.policies", ERROR, "Microsoft.KeyVault/vaults: the policy allowed-locations would deny it", "exemption")
def _a_policy_that_denies_vaults(world: World) -> None:
    vaults = denial("locations", "allowed-locations")
    audit = denial("audit", "audit-all", effect="Audit")
    world.subscription.policies += [
        lambda resource: vaults if resource["type"] == "Microsoft.KeyVault/vaults" else None,
        lambda _: audit,
    ]


@fault("azure.locks", ERROR, "read-only", "removed")
def _a_read_only_subscription(world: World) -> None:
    world.subscription.lock(world.subscription.path, "ReadOnly", "freeze")


@fault("azure.locks", WARNING, "lets nothing be deleted", "destroy")
def _a_group_that_keeps_everything(world: World) -> None:
    world.subscription.lock(world.subscription.group(world.tenant.names().resource_group))


# ── Regions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _type(world: World, namespace: str, name: str) -> dict[str, Any]:
    return next(
        each for each in world.subscription.providers[namespace]["resourceTypes"] if each["resourceType"] == name
    )


@fault("region.services", ERROR, "Microsoft.App/managedEnvironments is not offered in UK South", "another region")
def _no_container_apps_here(world: World) -> None:
    _type(world, "Microsoft.App", "managedEnvironments")["locations"].remove("UK South")


@fault("region.services", ERROR, "Microsoft.Cache/redisEnterprise has no availability zones", "zone_redundant: false")
def _redis_without_zones(world: World) -> None:
    mappings = _type(world, "Microsoft.Cache", "redisEnterprise")["zoneMappings"]
    mappings[:] = [each for each in mappings if each["location"] != "UK South"]


@fault("region.services", ERROR, "newregion is no region that this subscription may use")
def _a_region_that_is_not_for_us(world: World) -> None:
    document(world, region="newregion")


@fault("region.zones", ERROR, "no availability zones", "zone_redundant: false")
def _a_region_without_zones(world: World) -> None:
    found = next(each for each in world.subscription.locations if each["name"] == "uksouth")
    found["availabilityZoneMappings"] = []


@fault("region.zones", WARNING, "zone_redundant is false")
def _zones_that_are_not_used(world: World) -> None:
    document(world, zone_redundant=False, postgres={"high_availability": "same_zone"})


@fault("region.postgres", ERROR, "GP_Standard_D2ds_v5 is not offered", "GP_Standard_D4ds_v5")
def _a_size_that_is_gone(world: World) -> None:
    for edition in world.subscription.postgres["uksouth"]["supportedServerEditions"]:
        edition["supportedServerSkus"] = [s for s in edition["supportedServerSkus"] if s["name"] != "Standard_D2ds_v5"]


@fault("region.postgres", ERROR, "PostgreSQL 17 is not offered", "14, 15, 16")
def _a_version_that_is_not_there_yet(world: World) -> None:
    versions = world.subscription.postgres["uksouth"]["supportedServerVersions"]
    versions[:] = [each for each in versions if int(each["name"]) < 17]


@fault("region.postgres", ERROR, "a standby in another zone is not offered", "same_zone")
def _no_standby_in_another_zone(world: World) -> None:
    world.subscription.postgres["uksouth"]["zoneRedundantHaSupported"] = "Disabled"


@fault("region.postgres", ERROR, "may make no flexible servers", "aka.ms")
def _a_restricted_region(world: World) -> None:
    world.subscription.postgres["uksouth"]["restricted"] = "Enabled"


@fault("region.models", ERROR, "gpt-4o is not offered in uksouth", "gpt-4o-mini")
def _a_model_that_is_not_here(world: World) -> None:
    models = world.subscription.models["uksouth"]
    models[:] = [each for each in models if each["model"]["name"] != "gpt-4o"]


@fault("region.models", ERROR, "gpt-4o 2024-05-13 is not offered", "2024-11-20")
def _a_version_of_a_model(world: World) -> None:
    world.document["openai"]["accounts"][0]["deployments"][0]["version"] = "2024-05-13"


@fault("region.models", ERROR, "cannot be deployed as GlobalBatch", "GlobalStandard")
def _a_sku_of_a_model(world: World) -> None:
    world.document["openai"]["accounts"][0]["deployments"][0]["sku"] = "GlobalBatch"


def _model_ends(world: World, date: str) -> None:
    models = world.subscription.models["uksouth"]
    models[0] = catalogue.model("gpt-4o", "2024-11-20", "Standard", ends=date)


@fault("region.models", WARNING, "retired on 2027-02-01, in 67 days", "successor")
def _a_model_that_ends_soon(world: World) -> None:
    _model_ends(world, "2027-02-01T00:00:00Z")


@fault("region.models", ERROR, "was retired on 2026-10-01", "later version")
def _a_model_that_has_ended(world: World) -> None:
    _model_ends(world, "2026-10-01T09:00:00+09:00")


# ── Quotas ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@fault("quota.models", ERROR, "gpt-4o (Standard, uksouth): Requested 99 · Available 40", "aka.ms/oai/stuquotarequest")
def _more_tokens_than_there_are(world: World) -> None:
    world.document["openai"]["accounts"][0]["deployments"][0]["capacity"] = 99
    world.subscription.quota("Microsoft.CognitiveServices", "uksouth", "OpenAI.Standard.gpt-4o", 60, 100)


@fault("quota.models", ERROR, "machines: Requested 100 · Available 50", "another region")
def _no_machines_for_provisioned_units(world: World) -> None:
    world.document["openai"]["accounts"][0]["deployments"][0] |= {"sku": "ProvisionedManaged", "capacity": 100}
    world.subscription.quota("Microsoft.CognitiveServices", "uksouth", "OpenAI.ProvisionedManaged.gpt-4o", 0, 500)
    world.subscription.model_capacities["uksouth", "gpt-4o", "2024-11-20", "ProvisionedManaged"] = 50


@fault("quota.models", ERROR, "OpenAI accounts (uksouth): Requested 1 · Available 0", "purge")
def _no_further_account(world: World) -> None:
    world.subscription.quota("Microsoft.CognitiveServices", "uksouth", "OpenAI.S0.AccountCount", 30, 30)


@fault("quota.container_apps", ERROR, "environments in uksouth: Requested 1 · Available 0", "aka.ms/azurequota")
def _no_further_environment(world: World) -> None:
    world.subscription.quota("Microsoft.App", "uksouth", "ManagedEnvironmentCount", 20, 20)


@fault("quota.container_apps", WARNING, "a new environment has 100", "lower replicas")
def _many_cores(world: World) -> None:
    document(world, replicas={"proxy": {"max": 100, "cpu": "2"}}, network={"subnets": {"apps": "10.80.0.0/24"}})
    document(world, network={"address_space": "10.80.0.0/20", "subnets": {"apps": "10.80.4.0/22"}})


@fault("quota.postgres", ERROR, "standardDDSv5Family vCores in uksouth: Requested 4 · Available 2", "postgres.sku")
def _no_cores_for_the_standby(world: World) -> None:
    world.subscription.quota("Microsoft.DBforPostgreSQL", "uksouth", "standardDDSv5Family", 98, 100)


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@fault("names.available", ERROR, "the server", "Change prefix or name")
def _a_server_of_somebody_elses(world: World) -> None:
    world.subscription.taken.add(world.tenant.names().postgres)


@fault("names.available", ERROR, "the OpenAI account", "Change prefix or name")
def _a_subdomain_of_somebody_elses(world: World) -> None:
    world.subscription.taken.add(world.tenant.names().accounts["main"])


@fault("names.available", ERROR, ".uksouth.redis.azure.net exists", "Change prefix or name")
def _a_redis_of_somebody_elses(world: World) -> None:
    world.azure.dns.records[f"{world.tenant.names().redis}.uksouth.redis.azure.net", "A"] = ["203.0.113.9"]


def _deleted_vault(world: World, id: str, **properties: Any) -> None:
    name = world.tenant.names().key_vault
    vault = {
        "id": id,
        "name": name,
        "type": "Microsoft.KeyVault/vaults",
        "location": "uksouth",
        "properties": properties,
    }
    world.subscription.deleted_vaults[name] = deleted(world.subscription, vault)


@fault("names.leftovers", WARNING, "was deleted on 2026-11-20, and keeps its name until 2027-02-18", "recovers it")
def _a_vault_of_ours(world: World) -> None:
    _deleted_vault(world, world.ours(f"Microsoft.KeyVault/vaults/{world.tenant.names().key_vault}"))


@fault("names.leftovers", ERROR, "was deleted on", "az keyvault purge")
def _a_vault_that_can_be_purged(world: World) -> None:
    _deleted_vault(world, world.theirs("Microsoft.KeyVault/vaults/x"))


@fault("names.leftovers", ERROR, "was deleted on", "protected against purging")
def _a_vault_that_cannot_be_purged(world: World) -> None:
    _deleted_vault(world, world.theirs("Microsoft.KeyVault/vaults/x"), enablePurgeProtection=True)


@fault("names.leftovers", ERROR, "keeps its name and quota", "az cognitiveservices account purge")
def _an_account(world: World) -> None:
    name = world.tenant.names().accounts["main"]
    account = {"id": "x", "name": name, "type": "Microsoft.CognitiveServices/accounts", "location": "uksouth"}
    world.subscription.deleted_accounts[name] = deleted(world.subscription, account)


# ── Network and names in it ─────────────────────────────────────────────────────────────────────────────────────────


def _network(world: World, name: str, *ranges: str, peered_to: str | None = None) -> str:
    id = world.theirs(f"Microsoft.Network/virtualNetworks/{name}")
    world.subscription.add(id, properties={"addressSpace": {"addressPrefixes": list(ranges)}})
    if peered_to is not None:
        remote = {"remoteAddressSpace": {"addressPrefixes": [peered_to]}}
        world.subscription.add(f"{id}/virtualNetworkPeerings/on-premises", properties=remote)
    return id


@fault("network.overlaps", WARNING, "10.80.0.0/22 overlaps 10.80.0.0/16 of spoke", "never be peered")
def _a_network_with_the_same_addresses(world: World) -> None:
    _network(world, "spoke", "10.80.0.0/16")


@fault("network.overlaps", WARNING, "to which hub is peered (on-premises)", "network.address_space")
def _addresses_behind_a_peering(world: World) -> None:
    _network(world, "hub", "10.1.0.0/16", peered_to="10.80.0.0/14")


@fault("network.overlaps", ERROR, "10.80.0.0/22 overlaps 10.80.2.0/24 of callers", "never reach the gateway")
def _the_network_of_the_callers(world: World) -> None:
    document(world, private_dns={"link_networks": [_network(world, "callers", "10.80.2.0/24")]})


def _subnet(world: World, name: str) -> dict[str, Any]:
    world.take_existing()
    id: str = world.document["network"]["existing"][f"{name}_subnet_id"]
    return world.subscription.resources[id.lower()]


@fault("network.subnets", ERROR, "is delegated to nobody", "az network vnet subnet update --delegations Microsoft.App")
def _a_subnet_without_its_delegation(world: World) -> None:
    _subnet(world, "apps")["properties"]["delegations"] = []


@fault("network.subnets", ERROR, "nothing else may be in it", "delegated to nobody")
def _endpoints_in_a_delegated_subnet(world: World) -> None:
    _subnet(world, "endpoints")["properties"]["delegations"] = [delegation("Microsoft.Web/serverFarms")]


@fault("network.subnets", ERROR, "has the range 10.1.9.0/24", "Write the range")
def _another_range_than_the_files(world: World) -> None:
    _subnet(world, "apps")["properties"]["addressPrefix"] = "10.1.9.0/24"


@fault("network.subnets", ERROR, "addresses of endpoints: Requested 6 · Available 2", "larger")
def _a_full_subnet(world: World) -> None:
    _subnet(world, "endpoints")
    network = world.document["network"]["existing"]["vnet_id"]
    world.subscription.resources[network.lower()]["usages"][1]["currentValue"] = 249


@fault("network.subnets", ERROR, "holds another Container Apps environment", "for itself")
def _a_subnet_with_an_environment_in_it(world: World) -> None:
    _subnet(world, "apps")["properties"]["serviceAssociationLinks"] = [{"name": "legionservicelink"}]


@fault("network.subnets", ERROR, "is in westeurope", "one region")
def _a_network_in_another_region(world: World) -> None:
    world.take_existing()
    network = world.document["network"]["existing"]["vnet_id"]
    world.subscription.resources[network.lower()]["location"] = "westeurope"


@fault("dns.private_zones", ERROR, "privatelink.vaultcore.azure.net is not linked to hub-vnet", "owner link it")
def _a_zone_that_is_not_linked(world: World) -> None:
    world.take_existing()
    zone = world.document["private_dns"]["zones"]["vaultcore.azure.net"]
    del world.subscription.resources[f"{zone}/virtualNetworkLinks/hub".lower()]


@fault("dns.private_zones", ERROR, "is not there", "Correct the id")
def _a_zone_that_is_gone(world: World) -> None:
    world.take_existing()
    zone = world.document["private_dns"]["zones"]["vaultcore.azure.net"]
    del world.subscription.resources[zone.lower()]


@fault("dns.private_zones", ERROR, "is linked to a zone privatelink.vaultcore.azure.net already", "mode: existing")
def _a_second_zone_of_a_name(world: World) -> None:
    world.take_existing()
    document(world, private_dns={"mode": "create", "zones": {}})


@fault("dns.domain", ERROR, "asuid.llm.contoso.com (TXT) is missing", "asuid.llm.contoso.com = ")
def _a_domain_without_its_proof(world: World) -> None:
    del world.azure.dns.records["asuid.llm.contoso.com", "TXT"]


@fault("dns.domain", ERROR, "no zone in public DNS holds llm.contoso.com", "Register")
def _a_domain_that_nobody_has(world: World) -> None:
    world.azure.dns.records.clear()


# ── What others keep ────────────────────────────────────────────────────────────────────────────────────────────────


@fault("ingress.certificate", ERROR, "has no certificate llm", "Import it")
def _no_certificate(world: World) -> None:
    world.azure.vaults.certificates.clear()


@fault("ingress.certificate", ERROR, "expired on 2026-11-20", "Renew")
def _an_expired_certificate(world: World) -> None:
    world.azure.vaults.certificates["contoso-certs", "llm"] = certificate("llm.contoso.com", days=-5)


@fault("ingress.certificate", WARNING, "in 9 days", "Renew")
def _a_certificate_that_ends_soon(world: World) -> None:
    world.azure.vaults.certificates["contoso-certs", "llm"] = certificate("*.contoso.com", days=9)


@fault("ingress.certificate", ERROR, "is for www.contoso.com, not for llm.contoso.com")
def _a_certificate_for_another_name(world: World) -> None:
    world.azure.vaults.certificates["contoso-certs", "llm"] = certificate("www.contoso.com")


@fault("ingress.certificate", WARNING, "apply, which stops there until contoso-certs lets it in", "key_vault_id")
def _a_vault_that_gives_its_roles_itself(world: World) -> None:
    del world.document["ingress"]["certificate"]["key_vault_id"]


@fault("azure.permissions", ERROR, "contoso-certs: Microsoft.Authorization/roleAssignments/write", "Access Control")
def _a_vault_whose_roles_others_give(world: World) -> None:
    vault = world.document["ingress"]["certificate"]["key_vault_id"]
    world.subscription.permissions[vault.lower()] = [permission("*/read")]


@fault("ingress.certificate", WARNING, "may not read certificates", "by hand")
def _a_vault_behind_a_private_endpoint(world: World) -> None:
    world.azure.vaults.closed.add("contoso-certs")


def _account(world: World) -> dict[str, Any]:
    world.take_existing()
    id = world.document["openai"]["accounts"][0]["resource_id"]
    return world.subscription.resources[id.lower()]


@fault("accounts.existing", ERROR, "is not there", "Correct the id")
def _an_account_that_is_gone(world: World) -> None:
    del world.subscription.resources[_account(world)["id"].lower()]


@fault("accounts.existing", ERROR, "no custom subdomain", "--custom-domain")
def _an_account_without_a_subdomain(world: World) -> None:
    del _account(world)["properties"]["customSubDomainName"]


@fault("accounts.existing", WARNING, "by its keys", "disableLocalAuth")
def _an_account_with_keys(world: World) -> None:
    _account(world)["properties"]["disableLocalAuth"] = False


@fault("accounts.existing", ERROR, "of the kind TextAnalytics", "OpenAI")
def _an_account_of_another_kind(world: World) -> None:
    _account(world)["kind"] = "TextAnalytics"


@fault("logs.workspace", ERROR, "is not there", "logs.workspace_id")
def _a_workspace_that_is_gone(world: World) -> None:
    world.take_existing()
    del world.subscription.resources[world.document["logs"]["workspace_id"].lower()]


# ── State, images, directory ────────────────────────────────────────────────────────────────────────────────────────


@fault("state.backend", ERROR, "is not there", "aduana state bootstrap")
def _no_storage(world: World) -> None:
    for id in [id for id in world.subscription.resources if "microsoft.storage" in id]:
        del world.subscription.resources[id]


@fault("state.backend", ERROR, "has no container tfstate", "aduana state bootstrap")
def _no_container(world: World) -> None:
    for id in [id for id in world.subscription.resources if "/containers/" in id]:
        del world.subscription.resources[id]


@fault("state.backend", ERROR, "may not read blobs", "Storage Blob Data Contributor")
def _no_right_to_the_state(world: World) -> None:
    world.azure.blobs.allowed = False


@fault("state.backend", ERROR, "keep this machine out", "network")
def _storage_behind_a_firewall(world: World) -> None:
    world.azure.blobs.let_in = False


@fault("state.backend", WARNING, "by its keys", "switches them off")
def _storage_with_keys(world: World) -> None:
    world.make_state(allowSharedKeyAccess=True)


@fault(
    "state.backend",
    ERROR,
    "is locked by ana@build-7 for apply since 2026-11-24 22:10Z (13 h)",
    "aduana state unlock ",
)
def _a_lock_that_somebody_holds(world: World) -> None:
    account = world.tenant.names().state_storage_account
    world.azure.blobs.lock(account, "tfstate", "contoso.tfstate")


@fault("state.backend", WARNING, "kept on this machine", "azurerm")
def _a_state_on_this_machine(world: World) -> None:
    document(world, state={"backend": "local"})


@fault("images.reachable", ERROR, "/aduana/proxy has no sha256:", "Push it")
def _an_image_that_was_not_pushed(world: World) -> None:
    world.azure.registry.manifests = {each for each in world.azure.registry.manifests if not each[0].endswith("/proxy")}


@fault("images.reachable", ERROR, "does not let everybody in", "images.registry_id")
def _a_private_registry_that_is_not_named(world: World) -> None:
    world.azure.registry.public = world.azure.registry.may_pull = False


@fault("images.reachable", ERROR, "/aduana/job has no sha256:", "Push it")
def _a_registry_of_azures_that_everybody_may_pull_from(world: World) -> None:
    world.azure.registry.public, world.azure.registry.anonymous = False, True
    world.azure.registry.may_pull = False
    world.azure.registry.manifests = {each for each in world.azure.registry.manifests if not each[0].endswith("/job")}


@fault("images.reachable", WARNING, "does not let this identity in", "AcrPull")
def _a_private_registry_without_a_role_for_the_operator(world: World) -> None:
    world.take_existing()
    world.azure.registry.may_pull = False


@fault("images.reachable", WARNING, "is not reached from here", "subnet reaches it")
def _a_registry_that_is_away(world: World) -> None:
    world.azure.registry.away = True


@fault("images.reachable", ERROR, "images.registry_id is contoso-x1.azurecr.io", "of that registry")
def _an_image_of_another_registry(world: World) -> None:
    world.take_existing()
    registry = world.subscription.resources[world.document["images"]["registry_id"].lower()]
    registry["properties"]["loginServer"] = "contoso-x1.azurecr.io"


@fault("entra.registration", ERROR, "may not register applications", "Application.ReadWrite.OwnedBy")
def _nobody_who_may_register(world: World) -> None:
    world.graph.roles.clear()


@fault("entra.registration", ERROR, "has no app role llm.reader", "value llm.reader")
def _an_application_without_a_role(world: World) -> None:
    world.take_existing()
    for application in world.graph.applications.values():
        application["appRoles"] = application["appRoles"][:1]


@fault("entra.registration", ERROR, "no service principal", "az ad sp create")
def _an_application_nobody_can_sign_in_to(world: World) -> None:
    world.take_existing()
    world.graph.service_principals.clear()


@fault("entra.groups", ERROR, "is not in this directory", "entra.admin_groups")
def _a_group_that_is_gone(world: World) -> None:
    world.graph.groups.clear()


@fault("entra.groups", ERROR, "is no security group", "security group")
def _a_distribution_list(world: World) -> None:
    document(world, entra={"reader_groups": [world.graph.group("Newsletter", security=False)]})


@fault("entra.groups", WARNING, "no group has the role llm.admin", "entra.admin_groups")
def _no_group_at_all(world: World) -> None:
    document(world, entra={"admin_groups": []})


assert NOW.year == 2026  # the dates above count from it
