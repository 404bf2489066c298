"""`aduana verify` and `aduana bootstrap TENANT`, from outside: what Azure says, and what the job brings back."""

import json

import pytest

from deployer.bootstrap.spec import read_spec
from deployer.jobs.results import print_result, read_result
from tests.deployer.conftest import GOOD

BAD = {"id": "dns.postgres", "status": "failed", "message": "psql is 20.0.0.1, which is public", "remedy": "Link the zone.",
       "figures": {"addresses": ["20.0.0.1"]}}  # fmt: skip


def test_an_installation_that_is_closed_and_works_is_handed_over_with_a_report(estate, aduana, tmp_path):
    report = tmp_path / "handover.md"
    code, seen = aduana("verify", "contoso-prod", "--report", str(report))
    assert (code, seen["ok"]) == (0, True)
    outside = {check["id"]: check["status"] for check in seen["outside"]}
    services = ("key_vault", "postgres", "redis", "openai.uks")
    assert outside == {f"{side}.{name}": "passed" for name in services for side in ("private", "public")} | {
        "ingress": "passed"
    }
    assert "| ✓ | `call.model` | it answered |" in report.read_text()
    ((arguments, variables, _),) = estate.apps.executions
    assert arguments == ["verify", "--here", "env:VERIFY_SPEC", "--for-job", "20"]
    spec = json.loads(variables["VERIFY_SPEC"])
    assert spec["proxy_url"] == "https://proxy.internal.invalid"
    assert [each["name"] for each in spec["endpoints"]] == list(services)


def test_what_is_open_or_fails_inside_is_a_no_with_figures_and_a_remedy(estate, aduana, tmp_path):
    estate.properties(estate.installation.vault)["publicNetworkAccess"] = "Enabled"
    estate.job_results["verify"] = {"ok": False, "inside": [GOOD, BAD]}
    report = tmp_path / "handover.json"
    code, seen = aduana("verify", "contoso-prod", "--report", str(report))
    failed = {
        check["id"]: check for side in ("outside", "inside") for check in seen[side] if check["status"] == "failed"
    }
    assert (code, set(failed)) == (3, {"private.key_vault", "dns.postgres"})
    assert failed["private.key_vault"]["figures"] == {"public_network_access": "Enabled"}
    assert all(check["remedy"] for check in failed.values())
    assert json.loads(report.read_text())["counts"]["failed"] == 2


def test_a_job_that_breaks_is_a_no_and_its_last_words_are_told(estate, aduana):
    estate.job_results["verify"] = lambda *_: None
    code, seen = aduana("verify", "contoso-prod")
    assert (code, [check["status"] for check in seen["inside"]]) == (3, ["failed"])
    assert "Traceback: it broke" in seen["inside"][0]["message"]


def test_an_installation_that_is_not_there_is_said_to_be_not_there(estate, aduana):
    del estate.azure.arm.subscription.resources[estate.installation.vault.lower()]
    code, seen = aduana("verify", "contoso-prod", "--outside-only")
    assert (code, seen["outside"][0]["id"], "ResourceNotFound" in seen["outside"][0]["message"]) == (3, "azure", True)


def test_the_bootstrap_of_a_tenant_is_its_jobs_with_the_identities_that_azure_names(estate, aduana):
    steps = [{"id": "roles", "title": "Roles", "standing": "to_do", "changes": []}]
    estate.job_results["bootstrap"] = {"planned": True, "steps": steps}
    code, done = aduana("bootstrap", "contoso-prod", "--plan")
    assert (code, done["planned"], done["steps"]) == (0, True, steps)
    assert done["execution"].startswith(estate.installation.tenant.names().job)
    ((arguments, variables, _),) = estate.apps.executions
    assert arguments[:4] == ["bootstrap", "--spec", "env:BOOTSTRAP_SPEC", "--plan"]
    spec = read_spec(variables["BOOTSTRAP_SPEC"])
    names = estate.installation.tenant.names().identities
    assert [(role.service, role.role) for role in spec.roles] == [
        (service, names[service]) for service in ("proxy", "writer", "admin")
    ]


class Out(list):
    def write(self, text: str) -> None:
        self.append(text.rstrip("\n"))

    def flush(self) -> None: ...


@pytest.mark.parametrize("size", [0, 20_000])
def test_a_result_survives_its_way_through_a_log(size):
    import random

    document = {"noise": random.Random(1).randbytes(size).hex(), "text": "é\n"}
    lines = Out()
    print_result(document, lines)
    assert all(len(line) < 16_000 for line in lines)
    mixed = [f"2026-11-25T00:00:00Z stdout F {line}" for line in reversed(lines)]
    assert read_result(["before", *mixed, "after"]) == document
    if len(lines) > 1:
        assert read_result(mixed[:-1]) is None
