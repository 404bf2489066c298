"""Each example by the real Terraform over the simulated Azure: made, found the same, and taken away."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "terraform" / "examples"
DIRECTORY = "11111111-1111-1111-1111-111111111111"
SHARED = "contoso-shared"
ZONES = (
    *("vaultcore.azure.net", "postgres.database.azure.com", "redis.azure.net"),
    *("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
)


@pytest.fixture
def what_others_made(azure_cloud):
    """What the examples find in the subscription: a registry, certificates, a network with subnets, zones, an account, logs."""
    place = {"resource_group_name": SHARED, "location": "westeurope"}
    network = {"resource_group_name": SHARED, "virtual_network_name": "spoke-llm"}
    joined = [{"name": "Microsoft.App/environments", "actions": []}]
    azure_cloud.put("azurerm_resource_group", name=SHARED, location="westeurope")
    azure_cloud.put("azurerm_container_registry", name="contoso", sku="Premium", **place)
    azure_cloud.put("azurerm_key_vault", name="contoso-certificates", sku_name="standard", tenant_id=DIRECTORY, **place)
    azure_cloud.put("azurerm_virtual_network", name="spoke-llm", address_space=["10.100.0.0/24"], **place)
    azure_cloud.put(
        "azurerm_subnet",
        name="apps",
        address_prefixes=["10.100.0.0/25"],
        delegation=[{"name": "apps", "service_delegation": joined}],
        **network,
    )
    azure_cloud.put("azurerm_subnet", name="endpoints", address_prefixes=["10.100.0.128/26"], **network)
    for zone in ZONES:
        azure_cloud.put("azurerm_private_dns_zone", name=f"privatelink.{zone}", resource_group_name=SHARED)
    account = {"kind": "OpenAI", "sku_name": "S0", "custom_subdomain_name": "contoso-openai"}
    azure_cloud.put("azurerm_cognitive_account", name="contoso-openai", **account, **place)
    azure_cloud.put("azurerm_log_analytics_workspace", name="contoso-logs", **place)


@pytest.mark.parametrize("example", ["minimal", "private", "existing-network", "high-availability"])
def test_an_example_is_made_planned_again_without_a_change_and_taken_away(
    example, terraform_in, azure_cloud, what_others_made
):
    terraform = terraform_in(EXAMPLES / example)
    terraform.environment |= {"TF_VAR_subscription_id": azure_cloud.subscription, "TF_VAR_tenant_id": DIRECTORY}
    state = f"-state={terraform.environment['TF_DATA_DIR']}/installation.tfstate"
    there_before = azure_cloud.resources()
    terraform.init()

    terraform.apply(state)
    again = terraform("plan", "-no-color", "-detailed-exitcode", state, ok=False)
    assert again.code == 0, again.stdout

    terraform.destroy(state)
    assert [each["id"] for each in azure_cloud.resources()] == [each["id"] for each in there_before]
