"""What Terraform made Resource Manager shows; what Resource Manager changed of an app Terraform sees."""

import asyncio
from typing import Any

import pytest

from deployer.azure import AzureSettings, open_azure
from tests.simulators.azure.arm.mirror import Mirror
from tests.simulators.azure.tenant import AzureTenant
from tests.simulators.azurerm.fixtures import AzureCloud, AzurermProvider

IMAGES = ["contoso.azurecr.io/aduana/proxy@sha256:" + digit * 64 for digit in "12"]


@pytest.fixture
def cloud(azure_tenant: AzureTenant, azurerm_provider: AzurermProvider) -> AzureCloud:
    made = AzureCloud(azurerm_provider, azure_tenant.subscription_id)
    made.empty()
    where = {"resource_group_name": "rg", "location": "uksouth"}
    made.put("azurerm_resource_group", name="rg", location="uksouth")
    made.put(
        "azurerm_key_vault",
        **where,
        name="contoso-kv",
        tenant_id=azure_tenant.tenant_id,
        sku_name="standard",
        rbac_authorization_enabled=True,
        public_network_access_enabled=False,
    )
    environment = made.put("azurerm_container_app_environment", **where, name="contoso-cae")
    container = {"name": "service", "image": IMAGES[0], "cpu": 0.5, "memory": "1Gi"}
    made.put(
        "azurerm_container_app",
        name="contoso-proxy",
        resource_group_name="rg",
        container_app_environment_id=environment["id"],
        revision_mode="Single",
        template=[{"container": [container], "min_replicas": 1, "max_replicas": 2}],
        ingress=[{"target_port": 8080, "traffic_weight": [{"latest_revision": True, "percentage": 100}]}],
    )
    return made


def test_one_cloud_answers_both(azure_tenant: AzureTenant, cloud: AzureCloud) -> None:
    told: list[tuple[str, Any]] = []
    group = f"/subscriptions/{cloud.subscription}/resourceGroups/rg/providers"
    vault, app = f"{group}/Microsoft.KeyVault/vaults/contoso-kv", f"{group}/Microsoft.App/containerApps/contoso-proxy"

    async def story() -> None:
        settings = AzureSettings.from_environment("uksouth", azure_tenant.tenant_id, azure_tenant.environment)
        async with open_azure(settings) as session:
            shown = await session.arm.get(vault)
            assert shown["properties"]["publicNetworkAccess"] == "Disabled"
            assert shown["properties"]["vaultUri"].startswith("https://contoso-kv.vault")
            before = (await session.arm.get(app))["properties"]
            assert before["configuration"]["ingress"]["traffic"] == [{"latestRevision": True, "weight": 100}]

            (container,) = before["template"]["containers"]
            template = {**before["template"], "containers": [{**container, "image": IMAGES[1]}]}
            await session.arm.patch(app, {"properties": {"template": template}})
            values = cloud.resource("azurerm_container_app")["values"]
            assert values["template"][0]["container"][0]["image"] == IMAGES[1]
            assert values["ingress"][0]["target_port"] == 8080

            cloud.change("azurerm_key_vault", public_network_access_enabled=True)
            assert (await session.arm.get(vault))["properties"]["publicNetworkAccess"] == "Enabled"
            cloud.delete("azurerm_key_vault")
            assert await session.arm.find(vault) is None

    with Mirror(azure_tenant.arm, cloud) as mirror:
        mirror.watch = lambda document, before: told.append((document["name"], before))
        asyncio.run(story())
    assert told == [("contoso-proxy", None)]  # and not of what ARM changed itself
