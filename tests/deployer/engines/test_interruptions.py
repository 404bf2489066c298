"""The shipped stack, applied by a Terraform that is killed again and again: it ends as if nothing had happened."""

import os
import random
import signal
import sys
import uuid
from pathlib import Path

import pytest

from deployer.engines import Action, Event, Result
from deployer.engines.events import ResourceStarted
from deployer.engines.terraform import Backend, Configuration, TerraformEngine, find_terraform, shipped_stack
from deployer.engines.terraform.provider import provider_settings
from deployer.engines.terraform.variables import render
from deployer.tenant_file import parse_tenant
from tests.deployer.engines.conftest import applying_in
from tests.deployer.tenant_files import with_settings
from tests.simulators.azurerm.fixtures import AzureCloud, AzurermProvider

SEED = 20261125
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")


@pytest.mark.parametrize("kills", [1, pytest.param(8, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
def test_an_apply_that_is_killed_at_any_resource_ends_as_if_nothing_had_happened(
    azurerm_provider: AzurermProvider, terraform_binary: str, tmp_path: Path, kills: int
) -> None:
    cloud = AzureCloud(azurerm_provider, str(uuid.uuid4()))
    tenant = parse_tenant(with_settings(subscription_id=cloud.subscription))
    configuration = Configuration(
        backend=Backend("local", {"path": str(tmp_path / "terraform.tfstate")}),
        variables=render(tenant),
        source=shipped_stack(),
        providers={"azurerm": provider_settings(tenant)},
        environment={**cloud.environment, "TF_CLI_CONFIG_FILE": os.devnull},
    )
    workspace = tmp_path / "workspace"
    engine = TerraformEngine(find_terraform(terraform_binary), workspace, configuration, lock_timeout=0, patience=0)
    plan = engine.plan(tmp_path / "reviewed.tfplan")
    assert plan.counts().keys() == {Action.CREATE}
    chance = random.Random(SEED)

    if kills > 1:  # so slow that each kill meets the resource that it is meant for
        cloud.faults({"type": "*", "operation": "create", "delay": 0.2, "times": None})
    ours = sum(change.kind.startswith("azurerm_") for change in plan.changes)
    killed = 0
    while True:
        left = ours - len(cloud.resources())
        at, started = chance.randint(1, max(1, left // 2 if kills == 1 else 3)), 0

        def kill(event: Event, at: int = at, again: bool = killed < kills) -> None:
            nonlocal started
            started += isinstance(event, ResourceStarted)
            if started == at and again and (process := applying_in(workspace)):
                os.kill(process, signal.SIGKILL)

        outcome = engine.apply(plan, watch=kill)
        if outcome.result is Result.DONE:
            break
        assert [problem.id for problem in outcome.problems] == ["terraform_ended"], (SEED, outcome)
        killed += 1

    assert killed == kills, SEED
    assert len(cloud.resources()) == ours and len(engine.inventory().resources) == len(plan.changes), SEED
    assert engine.plan(tmp_path / "next.tfplan").empty, SEED
