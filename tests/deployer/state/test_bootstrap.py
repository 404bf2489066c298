"""`aduana state bootstrap`, over the simulated Azure."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.azure import AzureSettings, open_azure
from deployer.cli import run
from deployer.state import locate_state
from deployer.state.bootstrap import await_access
from deployer.tenant_file import parse_tenant
from tests.simulators.azure.arm import Fault
from tests.simulators.azure.tenant import AzureTenant

Bootstrap = Callable[..., tuple[int, dict[str, Any]]]
IMAGE = f"ghcr.io/contoso/proxy@sha256:{'0' * 64}"


@pytest.fixture
def document(azure_tenant: AzureTenant) -> dict[str, Any]:
    return {
        "name": "contoso",
        "subscription_id": azure_tenant.subscription_id,
        "region": "uksouth",
        "tags": {"owner": "platform"},
        "images": dict.fromkeys(("proxy", "admin", "job"), IMAGE),
        "entra": {"tenant_id": azure_tenant.tenant_id},
    }


@pytest.fixture
def bootstrap(
    azure_tenant: AzureTenant,
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Bootstrap:
    """`bootstrap("--plan")`: exit code, and the JSON that it printed."""
    for name, value in azure_tenant.environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> tuple[int, dict[str, Any]]:
        (tmp_path / "contoso.yaml").write_text(yaml.safe_dump(document))
        capsys.readouterr()
        code = run(["state", "bootstrap", str(tmp_path / "contoso.yaml"), "--json", *arguments])
        return code, json.loads(capsys.readouterr().out)

    return call


def _location(document: dict[str, Any]):
    found = locate_state(parse_tenant(document))
    assert found is not None
    return found


def _picture(tenant: AzureTenant) -> dict[str, Any]:
    """What there is, by id."""
    return {id: each.get("properties") for id, each in tenant.arm.subscription.resources.items()}


def test_a_plan_shows_everything_and_changes_nothing(azure_tenant: AzureTenant, bootstrap: Bootstrap) -> None:
    azure_tenant.arm.subscription.providers["Microsoft.Storage"]["registrationState"] = "NotRegistered"

    code, told = bootstrap("--plan")

    assert code == 0 and told["applied"] is False
    assert [(each["id"], each["action"]) for each in told["steps"]] == [
        ("provider", "update"),
        ("resource_group", "create"),
        ("account", "create"),
        ("versioning", "create"),
        ("container", "create"),
        ("role", "create"),
        ("lock", "create"),
    ]
    assert azure_tenant.arm.writes() == [] and _picture(azure_tenant) == {}


def test_what_it_makes_is_opened_by_entra_id_alone_and_a_second_run_does_nothing(
    azure_tenant: AzureTenant, document: dict[str, Any], bootstrap: Bootstrap
) -> None:
    pipeline = "5b1f1d0e-6a7e-4a43-9f6f-2f1f4b8c1d2e"
    code, told = bootstrap("--yes", "--grant", pipeline)
    assert code == 0 and told["applied"] and told["reachable"]

    location, resources = _location(document), azure_tenant.arm.subscription.resources
    account = resources[location.account_id.lower()]
    assert account["sku"] == {"name": "Standard_ZRS"} and account["tags"] == {"owner": "platform"}
    assert account["properties"]["allowSharedKeyAccess"] is False
    assert account["properties"]["allowBlobPublicAccess"] is False
    assert account["properties"]["minimumTlsVersion"] == "TLS1_2"
    services = resources[f"{location.account_id}/blobServices/default".lower()]["properties"]
    assert services["isVersioningEnabled"] is True and services["deleteRetentionPolicy"] == {
        "enabled": True,
        "days": 30,
    }
    roles = [each["properties"] for each in resources.values() if each["type"].endswith("/roleAssignments")]
    assert {each["principalId"] for each in roles} == {azure_tenant.operator_object_id, pipeline}
    assert all(each["scope"] == location.container_id for each in roles)
    locks = [each["properties"]["level"] for each in azure_tenant.arm.subscription.all_locks()]
    assert locks == ["CanNotDelete"]

    azure_tenant.arm.journal.clear()
    code, told = bootstrap("--yes", "--grant", pipeline)
    assert code == 0 and told["applied"] is False
    assert {each["action"] for each in told["steps"]} == {"keep"} and azure_tenant.arm.writes() == []


def test_an_account_that_is_not_safe_is_made_so_and_the_rest_of_it_left_alone(
    azure_tenant: AzureTenant, document: dict[str, Any], bootstrap: Bootstrap
) -> None:
    location, subscription = _location(document), azure_tenant.arm.subscription
    rules = {"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.7", "action": "Allow"}]}
    subscription.add(
        location.account_id,
        sku={"name": "Standard_GRS"},
        properties={"allowSharedKeyAccess": True, "minimumTlsVersion": "TLS1_2", "networkAcls": rules},
    )
    services = f"{location.account_id}/blobServices/default"
    subscription.add(services, properties={"deleteRetentionPolicy": {"enabled": True, "days": 365}, "cors": {"a": 1}})

    code, told = bootstrap("--yes")

    assert code == 0
    account = subscription.resources[location.account_id.lower()]
    assert account["properties"]["allowSharedKeyAccess"] is False
    assert account["sku"] == {"name": "Standard_GRS"} and account["properties"]["networkAcls"] == rules
    kept = subscription.resources[services.lower()]["properties"]
    assert kept["deleteRetentionPolicy"]["days"] == 365 and kept["cors"] == {"a": 1} and kept["isVersioningEnabled"]
    (step,) = [each for each in told["steps"] if each["id"] == "account"]
    assert {"field": "allowSharedKeyAccess", "before": True, "after": False} in step["changes"]
    assert "minimumTlsVersion" not in [each["field"] for each in step["changes"]]


def test_addresses_are_let_in_where_they_are_named(
    azure_tenant: AzureTenant, document: dict[str, Any], bootstrap: Bootstrap
) -> None:
    code, _ = bootstrap("--yes", "--allow-range", "203.0.113.0/24", "--allow-range", "198.51.100.7/32")

    account = azure_tenant.arm.subscription.resources[_location(document).account_id.lower()]
    rules = account["properties"]["networkAcls"]
    assert code == 0 and rules["defaultAction"] == "Deny"
    assert [each["value"] for each in rules["ipRules"]] == ["203.0.113.0/24", "198.51.100.7"]


def test_a_name_that_is_taken_stops_it_before_anything_is_made(
    azure_tenant: AzureTenant, document: dict[str, Any], bootstrap: Bootstrap
) -> None:
    azure_tenant.arm.subscription.taken.add(_location(document).account)

    code, told = bootstrap("--yes")

    assert code == 1 and told["error"]["code"] == "name_taken" and "state.storage_account" in told["error"]["remedy"]
    assert azure_tenant.arm.writes() == []


def test_nobody_is_asked_where_nobody_is(azure_tenant: AzureTenant, bootstrap: Bootstrap) -> None:
    code, told = bootstrap()

    assert code == 2 and "--yes" in told["error"]["remedy"] and azure_tenant.arm.journal == []


def test_stopped_anywhere_it_is_finished_by_the_next_run(azure_tenant: AzureTenant, bootstrap: Bootstrap) -> None:
    bootstrap("--yes")
    whole, steps = _picture(azure_tenant), len(azure_tenant.arm.writes())
    assert steps == 6

    for stop in range(steps):
        azure_tenant.reset()
        done = 0

        def strike(method: str, path: str, at: int = stop) -> Any:
            nonlocal done
            if method != "PUT":
                return None
            done += 1
            return Fault("", 400, "Stopped", "it was stopped").strikes(method, path) if done == at + 1 else None

        azure_tenant.arm.faults = [type("Stopping", (), {"strikes": staticmethod(strike)})()]
        code, told = bootstrap("--yes")
        assert code == 1 and "Stopped" in told["error"]["message"], stop
        assert bootstrap("--yes")[0] == 0
        assert _picture(azure_tenant) == whole, stop


def test_it_waits_until_the_role_is_in_force(
    azure_tenant: AzureTenant, document: dict[str, Any], bootstrap: Bootstrap
) -> None:
    bootstrap("--yes")
    azure_tenant.blobs.propagation = 4
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async def wait() -> bool:
        settings = AzureSettings.from_environment("uksouth", azure_tenant.tenant_id, azure_tenant.environment)
        async with open_azure(settings, sleep=nap) as session:
            return await await_access(session, _location(document), nap)

    assert asyncio.run(wait()) and naps == [10.0] * 4
    azure_tenant.blobs.let_in = False
    assert not asyncio.run(wait()) and len(naps) == 4  # the network's no does not pass by waiting
