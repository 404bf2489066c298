"""`aduana plan`, as a person runs it: the real Terraform over a simulated Azure."""

import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from deployer.cli import run
from deployer.review.archive import read_review
from tests.simulators.azurerm.fixtures import AzureCloud


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_plan_shows_all_that_an_apply_does_and_is_kept_for_its_owner_alone(
    tenants: Callable[..., Path], azure_cloud: AzureCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tenants()
    assert run(["plan"]) == 0
    told = capsys.readouterr()
    shown = plain(told.out)
    for expected in (
        "Key vault\n",
        "+ key vault",
        "Postgres\n",
        "+ postgresql flexible server",
        "Then\n  1. App registration Aduana contoso-prod",
        "2. Bootstrap (inside the network)",
        "create route gpt-4o",
        "3. Verify (inside the network)",
    ):
        assert expected in shown, shown
    assert re.search(r"Infrastructure: \d+ to create\n", shown)
    cost = shown[shown.index("\nCost: about ") : shown.index("\nInfrastructure: ")]
    assert shown.index("3. Verify") < shown.index("\nCost: about ") and "  Key Vault: operations (by use)\n" in cost
    assert "aduana apply contoso-prod.plan" in told.err
    file = tmp_path / "contoso-prod.plan"
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(zipfile.ZipFile(file).namelist()) == {"review.json", "engine.plan", "engine.plan.json"}
    assert azure_cloud.resources() == []


def test_a_plan_is_one_json_document_and_check_says_whether_there_is_work(
    tenants: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    tenants()
    assert run(["plan", "--check", "--json", "--out", "some.plan"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == "some.plan" and document["plan"]["counts"]["create"] > 50
    assert [step["id"] for step in document["steps"]] == ["app_registration", "bootstrap", "verify"]

    cost = document["cost"]
    assert Decimal(cost["low_usd"]) == sum(Decimal(item["low_usd"]) for item in cost["items"]) > 0
    planned = Counter(change["kind"] for change in document["plan"]["changes"] if change["action"] == "create")
    counted = {item["what"] for item in cost["items"] if item["part"] == "Network"}
    assert counted == {
        f"{planned['azurerm_private_endpoint']} private endpoints",
        f"{planned['azurerm_private_dns_zone']} private DNS zones",
    }
    assert read_review(Path("some.plan")).cost is not None


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda file: file.with_name("contoso.seed.yaml").write_text("upstreams: 7"), "mistake"),
        (lambda file: file.with_name("contoso.seed.yaml").unlink(), "is no file"),
        (lambda file: file.write_text("name: [", "utf-8"), "mistake"),
    ],
)
def test_what_is_wrong_with_the_files_is_said_before_anything_is_asked(
    tenants: Callable[..., Path],
    azure_cloud: AzureCloud,
    break_it: Callable[[Path], object],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    break_it(tenants())
    assert run(["plan", "tenants/contoso-prod.yaml"]) == 1
    assert said in capsys.readouterr().err
    assert azure_cloud.journal() == []
