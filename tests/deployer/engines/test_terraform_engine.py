"""Terraform's engine, by the real program over the simulated azurerm: plans, drift, state, and what it refuses."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from deployer.engines import Action, EngineError, Ignored, Placeholder, Purpose, Result
from deployer.engines.events import Planned, Refreshed, ResourceDone, ResourceStarted, StepStarted
from deployer.engines.terraform import Backend, Configuration, find_terraform, shipped_stack
from tests.deployer.engines.conftest import GROUP, PROXY, STACK, Tenant

REWRITTEN = (
    STACK.replace('"azurerm_user_assigned_identity" "this"', '"azurerm_user_assigned_identity" "moved"')
    .replace("azurerm_user_assigned_identity.this :", "azurerm_user_assigned_identity.moved :")
    .replace('output "hushed" { value = nonsensitive(var.hush) }', "")
    + """
moved {
  from = azurerm_user_assigned_identity.this
  to   = azurerm_user_assigned_identity.moved
}

removed {
  from = azurerm_virtual_network.let_go
  lifecycle {
    destroy = false
  }
}
"""
)

LET_GO = """
resource "azurerm_virtual_network" "let_go" {
  name                = "vnet-let-go"
  location            = "uksouth"
  resource_group_name = azurerm_resource_group.this.name
  address_space       = ["10.0.0.0/16"]
}
"""


def test_a_plan_says_what_happens_to_each_resource_and_why(tenant: Tenant) -> None:
    tenant.write(STACK + LET_GO)
    first = tenant.engine(identities=["proxy", "admin", "writer"], tags={"kept": "1"})
    plan = first.plan(tenant.plan_file, watch=tenant.heard.append)

    assert plan.counts() == {Action.CREATE: 5} and not plan.empty
    assert plan.state.lineage == ""
    created = {
        attribute.path: attribute for attribute in next(one for one in plan.changes if one.address == PROXY).attributes
    }
    assert created["name"].after == "id-proxy" and created["location"].before is None
    assert created["principal_id"].after is Placeholder.UNKNOWN
    assert {output.name: output.after for output in plan.outputs}["hush"] is Placeholder.SENSITIVE
    assert [event.change.address for event in tenant.heard_of(Planned)][:1] == [GROUP]
    assert first.load(tenant.plan_file) == plan

    assert first.apply(plan).result is Result.DONE
    tenant.write(
        REWRITTEN.replace(
            "location            = azurerm", 'location            = each.key == "writer" ? "ukwest" : azurerm'
        )
    )
    second = tenant.engine(identities=["proxy", "writer", "new"], tags={"kept": "2"}).plan(tenant.plan_file)
    changes = {change.address.removeprefix("module.aduana.azurerm_"): change for change in second.changes}

    assert {address: change.action for address, change in changes.items()} == {
        "resource_group.this": Action.UPDATE,
        'user_assigned_identity.moved["proxy"]': Action.MOVE,
        'user_assigned_identity.moved["writer"]': Action.REPLACE,
        'user_assigned_identity.moved["new"]': Action.CREATE,
        'user_assigned_identity.moved["admin"]': Action.DELETE,
        "virtual_network.let_go": Action.FORGET,
    }
    group = changes["resource_group.this"]
    assert [(one.path, one.before, one.after) for one in group.attributes] == [("tags.kept", "1", "2")]
    replaced = changes['user_assigned_identity.moved["writer"]']
    assert replaced.forcing == ("location",) and replaced.moved_from is not None
    assert changes['user_assigned_identity.moved["admin"]'].reason == "the configuration no longer names it"
    assert second.state.lineage and second.state.serial > 0
    assert {output.name: output.action for output in second.outputs}["hushed"] is Action.DELETE
    assert {one.address for one in second.resources} == {
        address for address, change in ((one.address, one) for one in second.changes)
    } - {
        "module.aduana." + "azurerm_virtual_network.let_go",
        'module.aduana.azurerm_user_assigned_identity.moved["admin"]',
    }


def test_an_apply_is_told_by_resource_and_leaves_outputs_and_an_inventory(tenant: Tenant) -> None:
    engine = tenant.engine()
    assert engine.inventory().state is None
    outcome = engine.apply(engine.plan(tenant.plan_file), watch=tenant.heard.append)

    assert (outcome.result, outcome.attempts, outcome.resumed) == (Result.DONE, 1, False)
    assert [one.address for one in outcome.completed] == [GROUP, PROXY]
    assert [event.address for event in tenant.heard_of(ResourceStarted)] == [GROUP, PROXY]
    assert all("/resourceGroups/rg-engine" in event.id for event in tenant.heard_of(ResourceDone))
    outputs = engine.outputs()
    assert (outputs["hush"].value, outputs["hush"].sensitive) == ("do not tell", True)
    assert (outputs["hushed"].value, outputs["hushed"].sensitive) == ("do not tell", False)
    inventory = engine.inventory()
    assert [one.address for one in inventory.resources] == [GROUP, PROXY]
    assert inventory.state is not None and inventory.state.serial > 0
    assert engine.plan(tenant.plan_file).empty


def test_what_others_changed_is_drift_but_for_what_was_declared_theirs(tenant: Tenant) -> None:
    engine = tenant.engine(tags={"owner": "us"})
    engine.apply(engine.plan(tenant.plan_file))
    assert not engine.drift(watch=tenant.heard.append).changed
    assert {event.address for event in tenant.heard_of(Refreshed)} == {GROUP, PROXY}

    tenant.cloud.change("azurerm_resource_group", tags={"owner": "them", "policy": "1"})
    theirs = Ignored("azurerm_resource_group", "tags.policy")
    drift = engine.drift(ignored=[theirs])
    assert [(one.path, one.before, one.after) for one in drift.changed[0].attributes] == [("tags.owner", "us", "them")]
    assert [one.path for one in drift.ignored[0].attributes] == ["tags.policy"]
    assert [change.address for change in drift.undone_by_apply] == [GROUP]

    tenant.cloud.delete("azurerm_user_assigned_identity")
    everything = Ignored("azurerm_resource_group")
    assert [(one.address, one.action) for one in engine.drift(ignored=[everything]).changed] == [(PROXY, Action.DELETE)]
    assert not engine.drift(ignored=[everything, Ignored("azurerm_user_assigned_*")]).changed


def test_what_azure_shows_of_our_own_resources_in_others_is_no_drift_and_what_it_shows_of_strangers_is(
    tenant: Tenant,
) -> None:
    tenant.write(
        STACK
        + """
resource "azurerm_network_security_group" "this" {
  name                = "nsg-engine"
  location            = "uksouth"
  resource_group_name = azurerm_resource_group.this.name
}

resource "azurerm_network_security_rule" "this" {
  name                        = "deny-all"
  resource_group_name         = azurerm_resource_group.this.name
  network_security_group_name = azurerm_network_security_group.this.name
  priority                    = 4096
  direction                   = "Inbound"
  access                      = "Deny"
  protocol                    = "*"
  source_port_range           = "*"
  destination_port_range      = "*"
  source_address_prefix       = "*"
  destination_address_prefix  = "*"
}
"""
    )
    engine = tenant.engine()
    engine.apply(engine.plan(tenant.plan_file))
    quiet = engine.drift()
    assert quiet.changed == () and [change.kind for change in quiet.ignored] == ["azurerm_network_security_group"]

    rule = tenant.cloud.resource("azurerm_network_security_rule")["values"]
    strange = {key: value for key, value in rule.items() if key != "id"} | {
        "name": "let-me-in",
        "priority": 100,
        "access": "Allow",
    }
    tenant.cloud.put("azurerm_network_security_rule", **strange)
    drift = engine.drift()
    assert [change.kind for change in drift.changed] == ["azurerm_network_security_group"]
    assert tuple(
        next(one.after for one in changes[0].attributes if one.path.endswith("].name"))
        for changes in (drift.changed, drift.ignored)
    ) == ("let-me-in", "deny-all")
    assert drift.undone_by_apply == ()


def test_what_was_not_reviewed_is_not_applied(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)

    for other in (tenant.engine(region="ukwest"), tenant.engine(environment={"ARM_SUBSCRIPTION_ID": "another"})):
        with pytest.raises(EngineError) as refused:
            other.apply(plan)
        assert (refused.value.code, refused.value.exit_code) == ("inputs_changed", 3)
    tenant.write(STACK + "\n# a newer release\n")
    with pytest.raises(EngineError) as refused:
        tenant.engine().apply(plan)
    assert (refused.value.code, refused.value.exit_code) == ("inputs_changed", 3)

    with pytest.raises(EngineError) as refused:
        engine.destroy(plan)
    assert (refused.value.code, refused.value.exit_code) == ("other_plan", 2)
    with pytest.raises(EngineError) as refused:
        engine.apply(engine.plan(tenant.directory / "d.tfplan", purpose=Purpose.DESTROY))
    assert refused.value.code == "other_plan"

    with tenant.plan_file.open("ab") as file:
        file.write(b"x")
    with pytest.raises(EngineError) as refused:
        engine.apply(plan)
    assert (refused.value.code, refused.value.exit_code) == ("plan_changed", 3)
    with pytest.raises(EngineError, match="no plan of aduana"):
        engine.load(tenant.directory / "nothing.tfplan")
    assert tenant.cloud.resources() == []


def test_files_are_their_owners_alone_and_hold_no_credential(tenant: Tenant) -> None:
    engine = tenant.engine(environment={"ARM_CLIENT_SECRET": "a-secret-of-the-pipeline"}, tags={"a": "${b}"})
    engine.apply(engine.plan(tenant.plan_file))

    files = [path for path in (tenant.directory / "workspace").rglob("*") if path.is_file()]
    assert stat.S_IMODE((tenant.directory / "workspace").stat().st_mode) == 0o700
    for path in (tenant.plan_file, tenant.state, *files):
        assert "module" in path.parts or stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert b"a-secret-of-the-pipeline" not in path.read_bytes()
    assert tenant.cloud.resource("azurerm_resource_group")["values"]["tags"] == {"a": "${b}"}

    for backend, providers in (
        (Backend("azurerm", {"container_name": "state", "access_key": "c2VjcmV0"}), {}),
        (Backend("azurerm", {"use_azuread_auth": True}), {"azurerm": {"client_secret": "s"}}),
    ):
        with pytest.raises(EngineError) as refused:
            Configuration(backend, {}, tenant.stack, providers)
        assert refused.value.code == "secret_in_configuration"
        assert "c2VjcmV0" not in json.dumps(refused.value.as_json())


def test_the_environment_cannot_switch_the_lock_off_or_change_what_is_planned(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("TF_CLI_ARGS_plan", "-lock=false -destroy"),
        ("TF_VAR_region", "ukwest"),
        ("TF_WORKSPACE", "other"),
        ("TF_DATA_DIR", str(tenant.directory / "elsewhere")),
    ):
        monkeypatch.setenv(name, value)
    plan = tenant.engine().plan(tenant.plan_file)
    assert plan.counts() == {Action.CREATE: 2}
    assert plan.resources[0].values["location"] == "uksouth"
    assert (tenant.directory / "workspace" / ".terraform").is_dir()


def test_a_failed_plan_leaves_no_file_and_says_what_to_do(tenant: Tenant) -> None:
    tenant.cloud.faults({"type": "azurerm_resource_group", "operation": "*", "error": "AuthorizationFailed"})
    tenant.write(STACK + 'data "azurerm_resource_group" "other" {\n  name = "rg-other"\n}\n')
    with pytest.raises(EngineError) as failed:
        tenant.engine().plan(tenant.plan_file, watch=tenant.heard.append)
    assert failed.value.exit_code == 1 and failed.value.problems and failed.value.remedy
    assert not list(tenant.directory.glob("reviewed*"))
    assert [event.step for event in tenant.heard_of(StepStarted)] == ["prepare", "plan"]

    with pytest.raises(EngineError) as failed:
        tenant.engine(unheard_of=1).plan(tenant.plan_file)
    assert failed.value.code == "configuration_invalid" and "unheard_of" in json.dumps(failed.value.as_json())


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts of a shell")
@pytest.mark.parametrize(
    ("script", "code"),
    [
        (None, "no_terraform"),
        ('echo \'{"terraform_version": "1.8.5"}\'', "terraform_version"),
        ('echo \'{"terraform_version": "2.0.0"}\'', "terraform_version"),
        ('echo \'{"terraform_version": "new"}\'', "terraform_broken"),
        ("echo hello", "terraform_broken"),
        ("exit 1", "terraform_broken"),
    ],
)
def test_a_terraform_that_will_not_do_is_named_with_how_to_get_one(
    tmp_path: Path, script: str | None, code: str
) -> None:
    binary = tmp_path / "terraform"
    if script is not None:
        binary.write_text(f"#!/bin/sh\n{script}\n")
        binary.chmod(0o755)
    with pytest.raises(EngineError) as refused:
        find_terraform(environment={"PATH": os.environ["PATH"], "ADUANA_TERRAFORM": str(binary)})
    assert refused.value.code == code and "ADUANA_TERRAFORM" in refused.value.remedy
    with pytest.raises(EngineError, match="not installed"):
        find_terraform(environment={"PATH": str(tmp_path / "empty")})


def test_the_stack_is_found_and_its_outputs_are_handed_on() -> None:
    root = Configuration(Backend("local", {}), {}, shipped_stack()).root()
    assert root["output"]["key_vault"] == {"value": "${module.aduana.key_vault}"}
    assert root["module"]["aduana"]["source"] == "./module"
