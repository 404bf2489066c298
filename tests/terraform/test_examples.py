"""Each example by the real Terraform over the simulated Azure: made, found the same, and taken away; and what it made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from tests.simulators.azurerm.fixtures import AzureCloud, Terraform

EXAMPLES = Path(__file__).parents[2] / "terraform" / "examples"
DIRECTORY = "11111111-1111-1111-1111-111111111111"
SHARED = "contoso-shared"
ZONES = (
    *("vaultcore.azure.net", "postgres.database.azure.com", "redis.azure.net"),
    *("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
)
Resource = dict[str, Any]


def make_what_others_made(cloud):
    """What the examples find in the subscription: a registry, certificates, a network with subnets, zones, an account, logs."""
    place = {"resource_group_name": SHARED, "location": "westeurope"}
    network = {"resource_group_name": SHARED, "virtual_network_name": "spoke-llm"}
    joined = [{"name": "Microsoft.App/environments", "actions": []}]
    cloud.put("azurerm_resource_group", name=SHARED, location="westeurope")
    cloud.put("azurerm_container_registry", name="contoso", sku="Premium", **place)
    cloud.put("azurerm_key_vault", name="contoso-certificates", sku_name="standard", tenant_id=DIRECTORY, **place)
    cloud.put("azurerm_virtual_network", name="spoke-llm", address_space=["10.100.0.0/24"], **place)
    delegation = [{"name": "apps", "service_delegation": joined}]
    cloud.put("azurerm_subnet", name="apps", address_prefixes=["10.100.0.0/25"], delegation=delegation, **network)
    cloud.put("azurerm_subnet", name="endpoints", address_prefixes=["10.100.0.128/26"], **network)
    for zone in ZONES:
        cloud.put("azurerm_private_dns_zone", name=f"privatelink.{zone}", resource_group_name=SHARED)
    account = {"kind": "OpenAI", "sku_name": "S0", "custom_subdomain_name": "contoso-openai"}
    cloud.put("azurerm_cognitive_account", name="contoso-openai", **account, **place)
    cloud.put("azurerm_log_analytics_workspace", name="contoso-logs", **place)


@dataclass(frozen=True, slots=True)
class Example:
    """What became of one example."""

    name: str
    made: list[Resource]  # `type`, `id`, `values`: what was there after apply and not before
    planned_again: str  # empty: no change
    left: list[str]  # ids of what was there after destroy and not before

    def of(self, type_: str) -> list[Resource]:
        return [each for each in self.made if each["type"] == f"azurerm_{type_}"]


# Each is made once: what looks at one stays in the process that made it.
NAMES = [
    pytest.param(name, marks=pytest.mark.xdist_group(f"example-{name}"))
    for name in ("minimal", "private", "existing-network", "high-availability")
]


@pytest.fixture(scope="module", params=NAMES)
def example(request, terraform_binary, azurerm_provider, tmp_path_factory):
    cloud = AzureCloud(azurerm_provider)
    make_what_others_made(cloud)
    before = {each["id"] for each in cloud.resources()}
    place = tmp_path_factory.mktemp(request.param)
    variables = {"TF_VAR_subscription_id": cloud.subscription, "TF_VAR_tenant_id": DIRECTORY}
    elsewhere = {"TF_DATA_DIR": str(place / "data")} | variables
    terraform = Terraform(terraform_binary, EXAMPLES / request.param, cloud.environment | elsewhere)
    state = f"-state={place / 'terraform.tfstate'}"
    terraform.init()
    terraform.apply(state)
    made = [each for each in cloud.resources() if each["id"] not in before]
    again = terraform("plan", "-no-color", "-detailed-exitcode", state, ok=False)
    terraform.destroy(state, "-refresh=false")
    left = [each["id"] for each in cloud.resources() if each["id"] not in before]
    return Example(request.param, made, "" if again.code == 0 else again.stdout + again.stderr, left)


def test_an_example_is_made_planned_again_without_a_change_and_taken_away(example):
    assert example.of("container_app")
    assert example.planned_again == ""
    assert example.left == []


# Of what holds data or answers calls: no address on the internet, no key, no password.
CLOSED = {
    "key_vault": {"public_network_access_enabled": False, "rbac_authorization_enabled": True},
    "postgresql_flexible_server": {
        "public_network_access_enabled": False,
        "authentication.active_directory_auth_enabled": True,
        "authentication.password_auth_enabled": False,
    },
    "managed_redis": {
        "public_network_access": "Disabled",
        "default_database.access_keys_authentication_enabled": False,
        "default_database.client_protocol": "Encrypted",
        "default_database.eviction_policy": "NoEviction",
    },
    "cognitive_account": {"public_network_access_enabled": False, "local_auth_enabled": False},
    "eventhub_namespace": {"public_network_access_enabled": False, "local_authentication_enabled": False},
    "log_analytics_workspace": {"internet_ingestion_access_type": "Disabled", "local_authentication_enabled": False},
    "container_app_environment": {"public_network_access": "Disabled", "logs_destination": "azure-monitor"},
}


def test_what_holds_data_has_no_public_address_and_no_keys(example):
    found = {
        f"{each['values']['name']} {path}": at(each["values"], path)
        for type_, wanted in CLOSED.items()
        for each in example.of(type_)
        for path, value in wanted.items()
        if at(each["values"], path) != value
    }
    assert found == {}


def at(values: Resource, path: str) -> Any:
    for step in path.split("."):
        values = values[step]
        values = values[0] if isinstance(values, list) else values
    return values


def services(example: Example) -> dict[str, Resource]:
    """The container apps and the job, by service."""
    found = {each["values"]["name"].rsplit("-", 1)[-1]: each["values"] for each in example.of("container_app")}
    (job,) = example.of("container_app_job")
    assert found.keys() == {"proxy", "writer", "admin"}
    return found | {"job": job["values"]}


def test_a_service_starts_with_the_settings_that_it_is_given_and_holds_no_secret(example):
    for service, app in services(example).items():
        (container,) = app["template"][0]["container"]
        environment = {each["name"]: each["value"] for each in container["env"]}
        settings = Settings.from_environment(environment)
        assert not app["secret"]
        assert not any(each["secret_name"] for each in container["env"])
        assert settings.database_auth == "entra" and f"-{service}-id@" in settings.database_url
        assert bool(settings.peppers) == bool(settings.master_keys) == (service != "writer")
        assert (settings.redis_url is not None) == (service in ("proxy", "writer"))
        assert "@sha256:" in container["image"]


def test_every_service_runs_under_an_identity_of_its_own_that_it_is_told(example):
    identities = {each["id"]: each["values"] for each in example.of("user_assigned_identity")}
    told = {}
    for service, app in services(example).items():
        (held,) = app["identity"][0]["identity_ids"]
        environment = {each["name"]: each["value"] for each in app["template"][0]["container"][0]["env"]}
        assert identities[held]["client_id"] == environment["ADUANA_AZURE_CLIENT_ID"]
        told[service] = held
    assert len(set(told.values())) == 4


ROLES = {
    "4633458b-17de-408a-b874-0445c86b69e6": "reads secrets",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "writes secrets",
    "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd": "calls models",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "pulls images",
    "2b629674-e913-4c01-ae53-ef4638d8f975": "sends events",
}
ALWAYS = {("proxy", "reads secrets"), ("admin", "reads secrets"), ("job", "writes secrets")}
PULLING = {(service, "pulls images") for service in ("proxy", "writer", "admin", "job")}
MODELS, EVENTS = {("proxy", "calls models")}, {("writer", "sends events")}
GIVEN = {
    "minimal": ALWAYS,
    "private": ALWAYS | MODELS | PULLING | EVENTS | {("gateway", "reads secrets")},  # the gateway its certificate
    "existing-network": ALWAYS | MODELS,
    "high-availability": ALWAYS | MODELS | PULLING | EVENTS,
}


def test_identities_have_the_roles_that_they_need_and_no_other_and_none_wider_than_one_resource(example):
    who = {
        each["values"]["principal_id"]: each["values"]["name"].split("-")[-2]
        for each in example.of("user_assigned_identity")
    }
    given = [each["values"] for each in example.of("role_assignment")]
    assert {(who[each["principal_id"]], ROLES[each["role_definition_id"][-36:]]) for each in given} == GIVEN[
        example.name
    ]
    assert all(each["scope"].count("/") >= 8 for each in given)
    assert {who[each["values"]["object_id"]] for each in example.of("managed_redis_access_policy_assignment")} == {
        "proxy",
        "writer",
    }
    (administrator,) = example.of("postgresql_flexible_server_active_directory_administrator")
    assert who[administrator["values"]["object_id"]] == "job"


LOGGED = (
    *("key_vault", "postgresql_flexible_server", "managed_redis", "cognitive_account", "eventhub_namespace"),
    *("container_app_environment", "container_app", "container_app_job", "virtual_network", "network_security_group"),
    *("log_analytics_workspace", "firewall", "application_gateway", "cdn_frontdoor_profile", "public_ip"),
)


def test_everything_that_azure_can_log_is_logged_to_the_workspace(example):
    told = {each["values"]["target_resource_id"] for each in example.of("monitor_diagnostic_setting")}
    assert [each["id"] for type_ in LOGGED for each in example.of(type_) if each["id"] not in told] == []
    workspaces = {each["values"]["log_analytics_workspace_id"] for each in example.of("monitor_diagnostic_setting")}
    assert len(workspaces) == 1


def test_what_holds_data_is_locked_unless_it_is_a_trial(example):
    held = ("key_vault", "postgresql_flexible_server", "eventhub_namespace", "log_analytics_workspace")
    locked = {each["values"]["scope"] for each in example.of("management_lock")}
    wanted = {each["id"] for type_ in held for each in example.of(type_)}
    assert locked == (set() if example.name == "minimal" else wanted)
