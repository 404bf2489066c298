"""Tenants of every kind, rendered into the stack's variables and planned by the real Terraform in one go."""

import json
from pathlib import Path

import pytest

from core.seed.file import parse_seed
from deployer.egress import registry_hosts, upstream_hosts
from deployer.engines.terraform.provider import provider_settings
from deployer.engines.terraform.variables import render
from deployer.preflight.needs import given_roles
from deployer.tenant_file import parse_tenant
from tests.deployer.tenant_files import EXISTING, SUBSCRIPTION, with_settings

pytestmark = pytest.mark.xdist_group("rendered")  # planned once, in one process

STACK = Path(__file__).parents[2] / "terraform"
SHARED = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shared/providers"
CERTIFICATE = {"key_vault_secret_id": "https://contoso-kv.vault.azure.net/certificates/llm"}
ACCOUNT = {"deployments": [{"name": "gpt-4o", "model": "gpt-4o", "version": "2024-11-20", "capacity": 5}]}
IMAGE = "contoso.azurecr.io/aduana/{}@sha256:" + "4" * 64
IMAGES = {name: IMAGE.format(name) for name in ("proxy", "admin", "job")}

TENANTS = {
    "least": {},
    "no-redis": {
        "redis__mode": "none",
        "replicas__proxy": {"min": 1, "max": 1},
        "egress__mode": "open",
        "region": "ukwest",
        "zone_redundant": False,
        "postgres__high_availability": "same_zone",
    },
    "injected": {
        "postgres__connectivity": "injected",
        "egress": {"mode": "firewall", "firewall_sku": "Basic", "additional_hosts": ["*.openai.com"]},
        "ingress": {"front": "application_gateway", "domain": "llm.contoso.com", "certificate": CERTIFICATE},
        "key_vault": {"soft_delete_days": 30},
        "deletion_protection": False,
    },
    "policy": {
        "private_dns__mode": "policy",
        "ingress": {"visibility": "external", "domain": "llm.contoso.com", "certificate": CERTIFICATE},
        "openai__accounts": [
            {**ACCOUNT, "name": "uks", "access": "everything"},
            {**ACCOUNT, "name": "swc", "region": "swedencentral"},
        ],
        "images": {**IMAGES, "registry_id": f"{SHARED}/Microsoft.ContainerRegistry/registries/contoso"},
        "event_hubs__enabled": True,
        "tags": {"cost-centre": "4711"},
    },
    "existing": {
        "network": EXISTING,
        "openai__accounts": [
            {
                "name": "ours",
                "mode": "existing",
                "resource_id": f"{SHARED}/Microsoft.CognitiveServices/accounts/contoso",
            }
        ],
        "logs": {"workspace_id": f"{SHARED}/Microsoft.OperationalInsights/workspaces/contoso"},
    },
    "front-door": {
        "ingress": {
            "visibility": "external",
            "front": "front_door",
            "domain": "llm.contoso.com",
            "admin_domain": "admin.contoso.com",
            "allowed_ranges": ["203.0.113.0/24"],
        }
    },
}


def tenant_of(name):
    return parse_tenant(with_settings(name=name, **TENANTS[name]))


@pytest.fixture(scope="module")
def planned(terraform_binary, azurerm_provider, tmp_path_factory):
    """What Terraform plans for each tenant: address within the stack → values."""
    from tests.simulators.azurerm.fixtures import AzureCloud, Terraform

    cloud = AzureCloud(azurerm_provider, SUBSCRIPTION)
    terraform = Terraform(terraform_binary, tmp_path_factory.mktemp("rendered"), cloud.environment)
    modules = {name: {"source": str(STACK), **render(tenant_of(name))} for name in TENANTS}
    root = {"provider": {"azurerm": provider_settings(tenant_of("least"))}, "module": modules}
    terraform.write({"main.tf.json": json.dumps(root)})
    terraform.init()
    changes = terraform.planned()["resource_changes"]
    found = {name: {} for name in TENANTS}
    for change in changes:
        _, name, address = change["address"].split(".", 2)
        found[name][address] = change["change"]["after"]
    return found


def of_type(resources, type_):
    return {address: values for address, values in resources.items() if f"azurerm_{type_}." in address}


@pytest.mark.parametrize("name", TENANTS)
def test_every_kind_of_tenant_can_be_planned(planned, name):
    resources = planned[name]
    assert len(of_type(resources, "container_app")) == 3
    assert (
        of_type(resources, "resource_group")["azurerm_resource_group.this"]["name"]
        == tenant_of(name).names().resource_group
    )


MADE = {
    "least": "managed_redis virtual_network management_lock",
    "no-redis": "storage_share container_app_environment_storage",
    "injected": "firewall route_table application_gateway",
    "policy": "eventhub container_app_custom_domain cognitive_deployment",
    "existing": "private_endpoint",
    "front-door": "cdn_frontdoor_origin",
}
NOT_MADE = {
    "least": "storage_account firewall cognitive_account",
    "no-redis": "managed_redis managed_redis_access_policy_assignment",
    "injected": "management_lock eventhub",
    "policy": "cdn_frontdoor_profile",
    "existing": "virtual_network subnet network_security_group log_analytics_workspace cognitive_account",
    "front-door": "container_app_custom_domain application_gateway",
}


@pytest.mark.parametrize("name", TENANTS)
def test_what_a_tenant_asks_for_is_made_and_nothing_else(planned, name):
    assert [each for each in MADE[name].split() if not of_type(planned[name], each)] == []
    assert [each for each in NOT_MADE[name].split() if of_type(planned[name], each)] == []


def test_with_policy_managed_names_no_zone_is_made_for_a_service_and_attached_ones_are_left_alone(planned):
    endpoints = of_type(planned["policy"], "private_endpoint")
    assert endpoints and all(".by_policy[0]" in address for address in endpoints)
    assert not [zone for zone in of_type(planned["policy"], "private_dns_zone") if "private_dns" in zone.split(".")[1]]


@pytest.mark.parametrize(
    ("name", "internal", "public"),
    [
        ("least", True, "Disabled"),
        ("injected", True, "Disabled"),
        ("policy", False, "Enabled"),
        ("front-door", False, "Disabled"),
    ],
)
def test_the_internet_reaches_an_environment_alone_that_is_external_with_nothing_in_front(
    planned, name, internal, public
):
    (environment,) = of_type(planned[name], "container_app_environment").values()
    assert (environment["internal_load_balancer_enabled"], environment["public_network_access"]) == (internal, public)


def settings_of(resources, service):
    app = resources[f"module.{service}.azurerm_container_app.this"]
    return {each["name"]: each.get("value") for each in app["template"][0]["container"][0]["env"]}


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("least", "*.invalid"),  # no upstream is known: none may be called
        ("no-redis", None),  # egress is open
        ("injected", "*.openai.com"),
    ],
)
def test_the_proxy_calls_the_hosts_of_its_upstreams_and_no_other(planned, name, hosts):
    assert settings_of(planned[name], "proxy").get("ADUANA_EGRESS_HOSTS") == hosts


def test_accounts_that_are_made_here_are_among_the_hosts_by_each_of_their_names(planned):
    hosts = settings_of(planned["policy"], "proxy")["ADUANA_EGRESS_HOSTS"].split(",")
    domains = ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")
    accounts = tenant_of("policy").names().accounts.values()
    assert hosts == sorted(f"{account}.{domain}" for account in accounts for domain in domains)


def test_an_account_is_called_by_the_role_that_its_access_asks_for(planned):
    given = {
        address.split('"')[1]: values["role_definition_id"][-36:]
        for address, values in of_type(planned["policy"], "role_assignment").items()
    }
    assert given["proxy_calls_swc"] == "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"  # Cognitive Services OpenAI User
    assert given["proxy_calls_uks"] == "a001fd3d-188f-4b5d-821b-7da978bf7442"  # Cognitive Services OpenAI Contributor


def outbound_rules(resources):
    rules = of_type(resources, "network_security_rule").values()
    return {
        rule["destination_address_prefix"]
        for rule in rules
        if rule["direction"] == "Outbound" and rule["access"] == "Allow" and "apps" in rule["network_security_group_name"]
    }  # fmt: skip


def test_the_internet_is_closed_where_every_upstream_is_behind_a_private_endpoint(planned):
    assert "Internet" not in outbound_rules(planned["policy"])
    assert {"AzureActiveDirectory", "AzureContainerRegistry", "Storage"} <= outbound_rules(planned["policy"])
    assert "Internet" in outbound_rules(planned["injected"])  # the firewall behind it knows the hosts


def test_a_rule_names_many_ranges_or_one_service_tag(planned):
    for resources in planned.values():
        for rule in of_type(resources, "network_security_rule").values():
            for many in (rule["source_address_prefixes"], rule["destination_address_prefixes"]):
                assert all(each[0].isdigit() for each in many or [])


def test_hosts_of_upstreams_come_from_the_seed_and_of_images_from_their_registries():
    seed = parse_seed(
        b"upstreams:\n"
        b"  - {name: a, provider: openai, endpoint: https://api.openai.com/v1, auth: {none: true}}\n"
        b"  - {name: b, provider: openai_compatible, endpoint: http://10.1.2.3:8000, auth: {none: true}}\n"
    )
    assert upstream_hosts(seed) == ("10.1.2.3", "api.openai.com")
    images = {"proxy": "ghcr.io/a/p", "admin": "docker.io/a/a", "job": "registry.contoso.com:5000/a/j"}
    tenant = parse_tenant(with_settings(images={name: f"{each}@sha256:{'5' * 64}" for name, each in images.items()}))
    assert registry_hosts(tenant) == (
        *("auth.docker.io", "ghcr.io", "pkg-containers.githubusercontent.com", "production.cloudflare.docker.com"),
        *("registry-1.docker.io", "registry.contoso.com"),
    )
    assert registry_hosts(tenant_of("policy")) == ("*.blob.core.windows.net", "*.data.azurecr.io", "contoso.azurecr.io")


def test_preflight_asks_for_the_right_to_give_the_very_roles_that_are_given(planned):
    for name, resources in planned.items():
        given = {values["role_definition_id"][-36:] for values in of_type(resources, "role_assignment").values()}
        assert given == set(given_roles(tenant_of(name)).values()), name
