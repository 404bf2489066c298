"""Applying by Terraform's engine: once, again after what Azure refuses for a while, and on from an interruption."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from deployer.engines import Action, Cancellation, EngineError, Event, Purpose, Result
from deployer.engines.events import ResourceStarted, Resumed, Retrying, Stopping
from tests.deployer.engines.conftest import GROUP, PROXY, STACK, StateServer, Tenant, applying_in

ROLE = "module.aduana.azurerm_role_assignment.this"

ROLE_STACK = (
    STACK
    + """
resource "azurerm_role_assignment" "this" {
  name                 = "6b1d1b3e-4f0e-4b43-9b3a-0c1f2f8f6a01"
  scope                = azurerm_resource_group.this.id
  role_definition_name = "Reader"
  principal_id         = azurerm_user_assigned_identity.this["proxy"].principal_id
}
"""
)

RETRIED = [
    ("PrincipalNotFound", "principal_propagation"),
    ("AnotherOperationInProgress", "operation_in_progress"),
    ("TooManyRequests", "throttled"),
    ("AccountProvisioningStateInvalid", "account_not_ready"),
    ("InUseSubnetCannotBeDeleted", "subnet_in_use"),
    ("ForbiddenByRbac", "vault_role_propagation"),
    ("InternalServerError", "azure_unavailable"),
    ("ServerBusy", "azure_unavailable"),
]


def test_what_azure_refuses_for_a_while_is_tried_again_within_the_reviewed_plan(tenant: Tenant) -> None:
    engine = tenant.engine(identities=[f"i{index}" for index in range(len(RETRIED))])
    plan = engine.plan(tenant.plan_file)
    fault = {"type": "azurerm_user_assigned_identity", "operation": "create", "times": 1}
    tenant.cloud.faults(*({**fault, "id": f"*id-i{index}", "error": name} for index, (name, _) in enumerate(RETRIED)))

    outcome = engine.apply(plan, watch=tenant.heard.append)

    assert (outcome.result, outcome.attempts, outcome.problems) == (Result.DONE, 2, ())
    assert len(outcome.completed) == 1 + len(RETRIED)
    (retrying,) = tenant.heard_of(Retrying)
    assert {problem.address.partition('"')[2][:-2]: problem.id for problem in retrying.problems} == {
        f"i{index}": id for index, (_, id) in enumerate(RETRIED)
    }
    (resumed,) = tenant.heard_of(Resumed)
    assert {change.address for change in resumed.left} == {problem.address for problem in retrying.problems}


def test_what_never_gets_better_is_given_up_and_what_cannot_is_not_tried_again(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    fault = {"type": "azurerm_user_assigned_identity", "operation": "create", "times": None}

    tenant.cloud.faults({**fault, "error": "RequestDisallowedByPolicy"})
    refused = engine.apply(plan)
    assert (refused.result, refused.attempts, refused.problems[0].id) == (Result.FAILED, 1, "policy_denied")
    assert refused.problems[0].address == PROXY and [one.address for one in refused.completed] == [GROUP]

    tenant.cloud.faults({**fault, "error": "InternalServerError"})
    given_up = engine.apply(plan)
    attempts = 1 + 1 + 4  # the saved plan is stale; a first time; four more
    assert (given_up.result, given_up.attempts) == (Result.FAILED, attempts)

    tenant.cloud.faults()
    assert engine.apply(plan).result is Result.DONE
    assert engine.plan(tenant.plan_file).empty


def test_a_try_again_never_goes_beyond_the_reviewed_plan(tenant: Tenant) -> None:
    engine = tenant.engine(tags={"owner": "us"})
    plan = engine.plan(tenant.plan_file)
    tenant.cloud.faults(
        {"type": "azurerm_user_assigned_identity", "operation": "create", "error": "TooManyRequests", "times": 1}
    )

    def meddle(event: Event) -> None:
        tenant.heard.append(event)
        if isinstance(event, Retrying):
            # What was made meanwhile is gone and stands there anew, in another region: that would have to be replaced.
            tenant.cloud.delete("azurerm_resource_group")
            tenant.cloud.put("azurerm_resource_group", name="rg-engine", location="ukwest")

    outcome = engine.apply(plan, watch=meddle)
    assert (outcome.result, outcome.attempts) == (Result.REFUSED, 1)
    assert [one.address for one in outcome.differences] == [GROUP]
    assert "creates it" in outcome.differences[0].reviewed and outcome.differences[0].now == "replaces it"
    assert tenant.cloud.resource("azurerm_resource_group")["values"]["location"] == "ukwest"


def test_another_ones_work_is_left_alone_when_the_state_moved_on(tenant: Tenant) -> None:
    engine = tenant.engine()
    engine.apply(engine.plan(tenant.plan_file))
    grown = tenant.engine(identities=["proxy", "admin"])
    plan = grown.plan(tenant.plan_file)

    other = tenant.engine(workspace="other", identities=["proxy", "writer"])
    other.apply(other.plan(tenant.directory / "other.tfplan"))

    outcome = grown.apply(plan)  # would create admin, as reviewed, and delete writer, which nobody reviewed
    assert outcome.result is Result.REFUSED
    assert [(one.address.rpartition("this")[2], one.now, one.reviewed) for one in outcome.differences] == [
        ('["writer"]', "deletes it", "does not name it")
    ]
    names = {one["values"]["name"] for one in tenant.cloud.resources("azurerm_user_assigned_identity")}
    assert names == {"id-proxy", "id-writer"}


def test_a_wish_to_stop_is_passed_on_once_and_the_same_plan_goes_on_later(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    tenant.cloud.faults({"type": "azurerm_resource_group", "operation": "create", "delay": 0.5, "times": 1})

    def stop(event: Event) -> None:
        tenant.heard.append(event)
        if isinstance(event, ResourceStarted):
            signal.raise_signal(signal.SIGINT)

    stopped = engine.apply(plan, watch=stop)
    assert stopped.result is Result.STOPPED and tenant.heard_of(Stopping) == [Stopping(hard=False)]
    assert tenant.cloud.resources("azurerm_user_assigned_identity") == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    done = engine.apply(plan)  # nobody holds the lock: it is waited for no second
    assert done.result is Result.DONE
    assert len(tenant.cloud.resources("azurerm_resource_group")) == 1


def test_what_was_wished_before_it_began_is_not_begun(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    wish = Cancellation()
    wish.request()
    with contextlib.suppress(EngineError):
        assert engine.apply(plan, cancellation=wish).result is Result.STOPPED
    assert tenant.cloud.resources() == []


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_an_apply_whose_terraform_was_killed_goes_on_and_takes_over_what_it_had_made(tenant: Tenant) -> None:
    tenant.write(ROLE_STACK)
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    # The state is written before the identity is: what Azure has of it, Terraform's state does not.
    tenant.cloud.faults({"type": "azurerm_user_assigned_identity", "operation": "create", "delay": 0.4, "times": 1})
    state_before = b""

    def kill(event: Event) -> None:
        nonlocal state_before
        if isinstance(event, ResourceStarted) and event.address == PROXY:
            state_before = tenant.state.read_bytes()
            os.kill(applying_in(tenant.workspace) or 0, signal.SIGKILL)

    killed = engine.apply(plan, watch=kill)
    assert (killed.result, killed.problems[0].id) == (Result.FAILED, "terraform_ended")
    _until(lambda: tenant.cloud.resources("azurerm_user_assigned_identity"))
    tenant.state.write_bytes(state_before)

    resumed = engine.apply(plan, watch=tenant.heard.append)
    assert (resumed.result, resumed.resumed) == (Result.DONE, True), resumed.problems
    assert len(tenant.cloud.resources("azurerm_user_assigned_identity")) == 1
    assert len(tenant.cloud.resources("azurerm_role_assignment")) == 1
    assert engine.plan(tenant.plan_file).empty


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_where_the_installer_is_killed_terraform_ends_its_work_and_gives_the_lock_back(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    tenant.cloud.faults({"type": "azurerm_resource_group", "operation": "create", "delay": 0.4, "times": 1})

    child = os.fork()
    if child == 0:  # an installer, killed as soon as the first resource is begun
        engine.apply(
            plan, watch=lambda event: isinstance(event, ResourceStarted) and os.kill(os.getpid(), signal.SIGKILL)
        )
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

    _until(lambda: tenant.cloud.resources("azurerm_user_assigned_identity"))
    _until(lambda: applying_in(tenant.workspace) is None)
    outcome = engine.apply(plan, watch=tenant.heard.append)
    assert (outcome.result, outcome.completed, outcome.problems) == (Result.DONE, (), ())


def test_a_lock_that_a_killed_run_left_is_told_and_can_be_taken_away(tenant: Tenant, state_server: StateServer) -> None:
    engine = tenant.engine(backend=state_server.backend)
    plan = engine.plan(tenant.plan_file)
    state_server.lock = {
        "ID": "e9eb9ed7-a3bc-ae67-640d-ad4cb06fae7a",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "ana@laptop",
        "Version": "1.11.4",
        "Created": "2026-11-25T22:42:07.991415Z",
        "Path": "",
    }
    locked = engine.apply(plan)
    assert (locked.result, locked.problems[0].id) == (Result.FAILED, "state_locked")
    assert "take its lock" in locked.problems[0].remedy  # whose it is, the http backend tells wrongly, others do not
    assert tenant.cloud.resources() == []

    with pytest.raises(EngineError, match="no lock's id"):
        engine.unlock("-help")
    engine.unlock("e9eb9ed7-a3bc-ae67-640d-ad4cb06fae7a")
    assert engine.apply(plan).result is Result.DONE
    assert state_server.lock is None and state_server.locked == 2  # by the plan and the apply


def test_what_others_made_is_not_taken_over(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    tenant.cloud.put("azurerm_resource_group", name="rg-engine", location="uksouth")
    for _ in range(2):
        outcome = engine.apply(plan)
        assert (outcome.result, outcome.problems[0].id) == (Result.FAILED, "exists_already")
        assert "/resourceGroups/rg-engine exists" in outcome.problems[0].cause
    assert engine.inventory().resources == ()


def test_a_resource_that_was_left_half_made_by_this_plan_is_made_anew(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    tenant.write(STACK)  # unchanged: the half-made comes from the state alone
    engine.apply(plan)
    state = json.loads(tenant.state.read_text())
    for resource in state["resources"]:
        if resource["type"] == "azurerm_user_assigned_identity":
            resource["instances"][0]["status"] = "tainted"
    state["serial"] += 1
    tenant.state.write_text(json.dumps(state))

    again = engine.apply(plan, watch=tenant.heard.append)
    assert again.result is Result.DONE, again.differences
    assert [(one.address, one.action) for one in again.completed] == [(PROXY, Action.DELETE), (PROXY, Action.CREATE)]


def test_a_held_lock_is_respected_and_told_with_its_owner(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    tenant.cloud.faults({"type": "azurerm_resource_group", "operation": "create", "delay": 1.0, "times": 1})
    started, outcomes = threading.Event(), []

    def watch(event: Event) -> None:
        if isinstance(event, ResourceStarted):
            started.set()

    holder = threading.Thread(target=lambda: outcomes.append(engine.apply(plan, watch=watch)))
    holder.start()
    assert started.wait(30)
    with pytest.raises(EngineError) as busy:
        tenant.engine().plan(tenant.directory / "same.tfplan")
    assert busy.value.code == "workspace_busy"
    with pytest.raises(EngineError) as locked:
        tenant.engine(workspace="other").plan(tenant.directory / "other.tfplan", watch=tenant.heard.append)
    holder.join()

    assert locked.value.code == "state_locked" and outcomes[0].result is Result.DONE
    assert "@" in locked.value.why and "held the state's lock since 20" in locked.value.why
    assert "take its lock " in locked.value.remedy


def test_a_state_that_could_not_be_written_is_written_before_anything_else(tenant: Tenant) -> None:
    engine = tenant.engine()
    plan = engine.plan(tenant.plan_file)
    engine.apply(plan)
    whole = json.loads(tenant.state.read_text())
    errored = tenant.workspace / "errored.tfstate"
    errored.write_text(json.dumps({**whole, "serial": whole["serial"] + 1}))
    tenant.state.write_text(json.dumps({**whole, "resources": []}))

    outcome = engine.apply(plan)
    assert (outcome.result, outcome.resumed, outcome.completed) == (Result.DONE, True, ())
    assert len(engine.inventory().resources) == 2 and not errored.exists()

    errored.write_text(json.dumps({**whole, "lineage": "another"}))
    with pytest.raises(EngineError) as refused:
        engine.plan(tenant.plan_file)
    assert "could not be written" in refused.value.what and errored.exists()


def test_destroy_waits_for_a_subnet_that_azure_lets_go_late(tenant: Tenant) -> None:
    tenant.write(
        STACK
        + """
resource "azurerm_virtual_network" "this" {
  name                = "vnet-engine"
  location            = "uksouth"
  resource_group_name = azurerm_resource_group.this.name
  address_space       = ["10.0.0.0/16"]
}

resource "azurerm_subnet" "this" {
  name                 = "snet-apps"
  resource_group_name  = azurerm_resource_group.this.name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = ["10.0.0.0/24"]

  delegation {
    name = "apps"
    service_delegation {
      name    = "Microsoft.App/environments"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}
"""
    )
    engine = tenant.engine()
    tenant.cloud.behave(lingering_delegations=1)
    engine.apply(engine.plan(tenant.plan_file))
    plan = engine.plan(tenant.plan_file, purpose=Purpose.DESTROY)
    assert plan.counts() == {Action.DELETE: 4}

    outcome = engine.destroy(plan, watch=tenant.heard.append)
    assert (outcome.result, outcome.attempts) == (Result.DONE, 2)
    assert tenant.heard_of(Retrying)[0].problems[0].id == "subnet_in_use"
    assert tenant.cloud.resources() == []


def _until(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)
