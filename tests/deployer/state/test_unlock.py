"""`aduana state unlock`: only the lock that is meant, and only on somebody's word."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.cli import run
from deployer.state import locate_state
from deployer.tenant_file import parse_tenant
from tests.deployer.tenant_files import with_settings
from tests.simulators.azure.tenant import AzureTenant
from tests.simulators.azurerm.fixtures import AzureCloud

Unlock = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def document(azure_tenant: AzureTenant) -> dict[str, Any]:
    return with_settings(subscription_id=azure_tenant.subscription_id, entra__tenant_id=azure_tenant.tenant_id)


@pytest.fixture
def unlock(
    azure_tenant: AzureTenant,
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Unlock:
    for name, value in azure_tenant.environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> tuple[int, dict[str, Any]]:
        (tmp_path / "contoso.yaml").write_text(yaml.safe_dump(document))
        capsys.readouterr()
        code = run(["state", "unlock", str(tmp_path / "contoso.yaml"), "--json", *arguments])
        return code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def held(azure_tenant: AzureTenant, document: dict[str, Any]) -> str:
    """The id of a lock that somebody holds."""
    location = locate_state(parse_tenant(document))
    assert location is not None
    azure_tenant.arm.subscription.add(location.account_id)
    azure_tenant.arm.subscription.add(location.container_id)
    return azure_tenant.blobs.lock(location.account, location.container, location.key)


def test_a_lock_with_another_id_is_left_alone(unlock: Unlock, held: str) -> None:
    code, told = unlock("7a3e91c2-0c1f-4a57-9d0e-3b1f6a1f2d11", "--yes")

    assert code == 1 and told["error"]["code"] == "no_such_lock"
    assert held in told["error"]["message"] and "ana@build-7" in told["error"]["message"]


def test_where_nobody_holds_one_it_says_so(azure_tenant: AzureTenant, unlock: Unlock, held: str) -> None:
    azure_tenant.blobs.blobs.clear()

    code, told = unlock(held, "--yes")

    assert code == 1 and "nobody holds one" in told["error"]["message"]


def test_nothing_is_taken_away_without_a_word(unlock: Unlock, held: str) -> None:
    code, told = unlock(held)

    assert code == 2 and "--yes" in told["error"]["remedy"]


def test_the_engine_takes_it_away(
    azure_cloud: AzureCloud, document: dict[str, Any], unlock: Unlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform itself answers: a lock on this machine's state is another process's own."""
    document["state"] = {"backend": "local"}
    for name, value in azure_cloud.environment.items():
        monkeypatch.setenv(name, value)

    code, told = unlock("7a3e91c2-0c1f-4a57-9d0e-3b1f6a1f2d11", "--yes")

    assert code == 1 and "the lock could not be taken away" in told["error"]["message"]
