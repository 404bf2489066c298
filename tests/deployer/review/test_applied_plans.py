"""What is done with a plan that was reviewed, and what is told of what stands: the real Terraform over a simulated Azure."""

import json
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.cli import run
from deployer.commands.apply import opened, raise_unless_done
from deployer.review.applying import apply_infrastructure
from tests.simulators.azurerm.fixtures import AzureCloud

DIRECTORY = Path("tenants")


def applied(plan: str = "contoso-prod.plan") -> None:
    subject, reviewed = opened(plan, DIRECTORY, None, yes=False, as_json=True)
    raise_unless_done(apply_infrastructure(subject, reviewed))


def test_an_installation_is_applied_told_of_found_changed_put_right_and_destroyed(
    tenants: Callable[..., Path], azure_cloud: AzureCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    application = {"mode": "existing", "application_id": str(uuid.uuid4()), "tenant_id": str(uuid.uuid4())}
    tenants(
        private_dns__mode="policy", entra=application
    )  # the least that can be applied: this test is about the commands
    assert run(["outputs"]) == 1 and "not installed" in capsys.readouterr().err
    assert run(["status", "contoso-prod", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["installed"] is False

    assert run(["plan"]) == 0
    applied()
    assert len(azure_cloud.resources("azurerm_container_app")) == 3
    capsys.readouterr()

    assert run(["status", "contoso-prod", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["installed"] is True and status["url"].startswith("https://")
    assert run(["outputs", "--json"]) == 0
    outputs = json.loads(capsys.readouterr().out)
    assert outputs["installation"]["name"] == "contoso-prod"
    assert run(["drift", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drift"] is False

    azure_cloud.change("azurerm_key_vault", public_network_access_enabled=True)
    assert run(["drift"]) == 3
    told = capsys.readouterr().out
    assert "public_network_access_enabled: false -> true" in told and "The next apply would" in told
    assert run(["plan", "--check"]) == 3
    assert "public_network_access_enabled: true -> false" in capsys.readouterr().out
    applied()
    assert run(["plan", "--check"]) == 0
    assert "nothing to change" in capsys.readouterr().out

    assert azure_cloud.resources("azurerm_management_lock")  # lifted by Terraform, before what they hold
    assert run(["destroy", "--plan"]) == 0
    told = capsys.readouterr()
    assert "- postgresql flexible server" in told.out and "Cost:" not in told.out and "is protected" in told.err
    assert run(["apply", "contoso-prod-destroy.plan"]) == 2
    assert "aduana destroy" in capsys.readouterr().err
    assert len(azure_cloud.resources("azurerm_container_app")) == 3
    said = ["--override-protection", "--confirm", "contoso-prod", "--json"]
    assert (
        run(["destroy", "contoso-prod-destroy.plan", *said]) == 1
    )  # there is no way here that an export could come by
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "no_export"
    assert len(azure_cloud.resources("azurerm_container_app")) == 3
    assert run(["destroy", "contoso-prod-destroy.plan", "--no-export", *said]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["infrastructure"]["result"] == "done" and document["steps"] == []
    assert any("vault" in each for each in document["remains"])
    assert azure_cloud.resources() == []


def test_a_plan_that_is_no_longer_what_was_reviewed_is_not_applied(
    tenants: Callable[..., Path], azure_cloud: AzureCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tenants()
    assert run(["plan"]) == 0
    seed = file.with_name("contoso.seed.yaml")
    for changed, text, said in (
        (file, "tags: {a: b}\n", "the tenant file was changed since"),
        (seed, "policies: [{name: p}]\n", "the seed file was changed since"),
    ):
        before = changed.read_text()
        changed.write_text(before + text)
        assert run(["apply", "contoso-prod.plan"]) == 3
        assert said in capsys.readouterr().err
        changed.write_text(before)

    plan, forged = tmp_path / "contoso-prod.plan", tmp_path / "forged.plan"
    with zipfile.ZipFile(plan) as mine, zipfile.ZipFile(forged, "w") as out:
        out.writestr("review.json", mine.read("review.json"))
        out.writestr("engine.plan.json", mine.read("engine.plan.json"))
        out.writestr("engine.plan", mine.read("engine.plan") + b"more")
    assert run(["apply", "forged.plan"]) == 3
    assert "changed after it was reviewed" in capsys.readouterr().err
    for content in (b"", b"PK", plan.read_bytes()[:-40]):
        forged.write_bytes(content)
        assert run(["apply", "forged.plan"]) == 1
        assert "is no plan" in capsys.readouterr().err
    assert run(["apply", "nowhere.plan"]) == 1
    assert azure_cloud.resources() == []


def test_without_a_terminal_a_tenant_is_not_applied_unasked(
    tenants: Callable[..., Path], azure_cloud: AzureCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    tenants()
    assert run(["apply", "contoso-prod", "--json"]) == 2
    assert run(["apply", "contoso-prod"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert azure_cloud.resources() == []
