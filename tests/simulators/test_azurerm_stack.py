"""A tenant in small over the simulated Azure: what depends on what, what goes wrong on the way, and what is left then."""

import signal
from pathlib import Path

import pytest

STACK = Path(__file__).with_name("azurerm_stack.tf").read_text()


@pytest.fixture
def stack(terraform):
    """Terraform with the stack's configuration, initialised."""
    terraform.write(STACK)
    terraform.init()
    return terraform


def test_a_whole_tenant_is_made_changed_and_taken_away(stack, azure_cloud):
    azure_cloud.behave(unregistered=["Microsoft.App"], lingering_delegations=1)
    assert stack("fmt", "-check", ok=False).code == 0
    stack.apply()
    planned = stack.planned()
    assert {each["change"]["actions"][0] for each in planned["resource_changes"]} == {"no-op"}
    # What a first look at it finds changed: these show what was made after them.
    shown = {each["address"].partition("[")[0] for each in planned["resource_drift"]}
    assert shown == {
        "azurerm_network_security_group.endpoints",
        "azurerm_private_dns_zone.this",
        "azurerm_subnet.endpoints",
        "azurerm_virtual_network.this",
    }
    endpoint = azure_cloud.resource("azurerm_private_endpoint", "pe-vault")["values"]
    address = endpoint["private_service_connection"][0]["private_ip_address"]
    assert address.startswith("10.20.1.")
    (zone,) = endpoint["private_dns_zone_configs"]
    assert [(record["name"], record["ip_addresses"]) for record in zone["record_sets"]] == [("kv-aduana", [address])]
    app = azure_cloud.resource("azurerm_container_app")["values"]
    assert stack.outputs()["url"] == f"https://{app['ingress'][0]['fqdn']}"
    stack.apply("-var", "image=registry.example/proxy@sha256:2")
    changed = azure_cloud.resource("azurerm_container_app")["values"]
    assert changed["latest_revision_name"] != app["latest_revision_name"]
    refused = stack("destroy", "-auto-approve", "-no-color", ok=False)
    assert "serviceAssociationLinks/legionservicelink and cannot be deleted" in " ".join(refused.stderr.split())
    stack.destroy()
    assert azure_cloud.resources() == []
    assert [each["values"]["name"] for each in azure_cloud.deleted()] == [
        "kv-aduana"
    ]  # it is protected from being purged


def test_what_azure_is_slow_about_and_what_it_refuses_stops_what_depends_on_it_alone(stack, azure_cloud):
    azure_cloud.behave(accepted_accounts=1, model_quota={"Standard.gpt-4o": 20})
    said = " ".join(stack("apply", "-auto-approve", "-no-color", "-var", "delegated=false", ok=False).stderr.split())
    assert "AccountProvisioningStateInvalid: Call to Microsoft.CognitiveServices/accounts failed" in said
    assert "This operation require 30 new capacity in quota Tokens Per Minute (thousands) - gpt-4o" in said
    assert "ManagedEnvironmentSubnetDelegationError: The subnet of the environment must be delegated" in said
    azure_cloud.behave(model_quota={})
    assert set(stack.changes()) == {
        'azurerm_private_endpoint.this["account"]',
        "azurerm_cognitive_deployment.chat",
        "azurerm_subnet.apps",
        "azurerm_container_app_environment.this",
        "azurerm_container_app.proxy",
    }


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_was_under_way_when_terraform_ended_is_there_and_unknown_to_its_state(stack, azure_cloud, how):
    azure_cloud.faults({"type": "azurerm_managed_redis", "operation": "create", "hold": True})
    running = stack.start("apply", "-auto-approve", "-no-color")
    azure_cloud.until("create", "azurerm_managed_redis")
    running.send_signal(how)
    _, stderr = running.communicate(timeout=60)
    if how == signal.SIGINT:
        assert "polling after CreateOrUpdate: context canceled" in " ".join(stderr.split())
    azure_cloud.faults()
    azure_cloud.until("create", "azurerm_managed_redis", ended=True)
    assert len(azure_cloud.resources("azurerm_managed_redis")) == 1
    assert "azurerm_managed_redis.this" not in stack("state", "list", ok=False).stdout
