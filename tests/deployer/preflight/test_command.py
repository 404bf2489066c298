"""`aduana preflight` as it is run: exit code, what people read, what programs read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.cli import run
from deployer.preflight import CHECKS
from tests.deployer.preflight.conftest import World


@pytest.fixture
def preflight(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`preflight("--offline")` for the world's file: exit code, stdout, stderr."""
    for name, value in world.azure.environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> tuple[int, str, str]:
        world.file.write_text(yaml.safe_dump(world.document))
        capsys.readouterr()
        code = run(["preflight", str(world.file), "--dns-server", world.azure.dns.address, *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


Preflight = Callable[..., tuple[int, str, str]]


def test_an_error_ends_it_with_3_and_says_what_to_do(world: World, preflight: Preflight) -> None:
    world.document["openai"]["accounts"][0]["deployments"][0]["capacity"] = 99
    world.subscription.quota("Microsoft.CognitiveServices", "uksouth", "OpenAI.Standard.gpt-4o", 60, 100)

    code, out, err = preflight("--only", "quota", "--skip", "quota.postgres")

    lines = out.splitlines()
    assert code == 3 and err == ""
    assert lines[0] == f"contoso · uksouth · subscription {world.subscription.id}"
    assert "  ✗ quota.models          gpt-4o (Standard, uksouth): Requested 99 · Available 40" in lines
    assert any(line.startswith(" " * 26 + "→ Ask for more (https://aka.ms/oai") for line in lines)
    assert "  ✓ quota.container_apps  " in out and "quota.postgres" not in out
    assert lines[-1].startswith("1 error · 3 passed · ")


def test_a_warning_does_not(world: World, preflight: Preflight) -> None:
    world.document["entra"]["admin_groups"] = []

    code, out, _ = preflight("--only", "entra.groups")

    assert code == 0 and "  ! entra.groups " in out


def test_programs_read_one_document(world: World, preflight: Preflight) -> None:
    world.subscription.quota("Microsoft.App", "uksouth", "ManagedEnvironmentCount", 20, 20)

    code, out, _ = preflight("--only", "quota.container_apps", "--json")

    told: dict[str, Any] = json.loads(out)
    assert code == 3 and told["ok"] is False and told["counts"]["error"] == 1
    (check,) = [each for each in told["checks"] if each["id"] == "quota.container_apps"]
    assert check["verdict"] == check["severity"] == "error"
    assert check["findings"][0]["figures"] == {"requested": 1, "available": 0}


def test_offline_asks_nobody(world: World, preflight: Preflight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADUANA_ARM_URL", "https://127.0.0.1:9")

    code, out, _ = preflight("--offline", "--json", "--skip", "machine")

    verdicts = {each["id"]: each["verdict"] for each in json.loads(out)["checks"]}
    assert code == 0 and world.arm.journal == []
    assert {id for id, verdict in verdicts.items() if verdict == "passed"} == {
        each.id for each in CHECKS if each.offline and not each.id.startswith("machine")
    }


def test_a_secret_is_nowhere_in_a_report(world: World, preflight: Preflight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_CLIENT_SECRET", "a-secret-that-is-wrong")

    code, out, err = preflight("--json")

    assert code == 3 and "AADSTS7000215" in out
    assert "a-secret-that-is-wrong" not in out + err


def test_who_has_no_way_in_is_told_so_beside_what_the_file_says(
    preflight: Preflight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARM_TENANT_ID", "11111111-1111-1111-1111-111111111111")

    code, out, _ = preflight("--json")

    verdicts = {each["id"]: each["verdict"] for each in json.loads(out)["checks"]}
    assert code == 3 and verdicts["azure.sign_in"] == "error"
    assert verdicts["file.names"] == "passed" and verdicts["azure.locks"] == "skipped"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "quotas"], "there is no check 'quotas'"),
        (["--dns-server", "dns.contoso.com"], "is no address"),
    ],
)
def test_wrong_usage_ends_it_with_2(preflight: Preflight, arguments: list[str], says: str) -> None:
    code, _, err = preflight(*arguments)

    assert code == 2 and says in err


def test_every_check_is_in_the_docs() -> None:
    """As `| id | severity | offline | what |`, in the report's order."""
    text = (Path(__file__).parents[3] / "docs/preflight.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]

    wanted = [[f"`{each.id}`", each.severity.value, "yes" if each.offline else "", each.what] for each in CHECKS]
    assert [row for row in rows if row[0].strip("`") in {each.id for each in CHECKS}] == wanted
