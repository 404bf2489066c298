"""`aduana destroy`: what protects an installation, what goes with it, what Azure keeps of it: over a simulated Azure."""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deployer.azure import AzureSettings, open_azure
from deployer.backup import BackupError
from deployer.backup.exports import check_export
from deployer.cli import run
from deployer.commands.destroy import ask
from deployer.engines import Plan, Purpose, StateVersion
from deployer.errors import CommandError
from deployer.installation import Installation
from deployer.registration import display_name, register, unregister
from deployer.review.removing import purge, remains, removals
from deployer.review.steps import further_steps
from deployer.tenant import Tenant
from deployer.tenant_file import TenantFile, parse_tenant
from tests.deployer.tenant_files import with_settings
from tests.simulators.azure.tenant import AzureTenant
from tests.simulators.azurerm.fixtures import AzureCloud

SAID = ["--override-protection", "--confirm", "contoso-prod"]


def exported(directory: Path, **changed: Any) -> Path:
    """A directory as `aduana export` writes it."""
    directory.mkdir()
    files = []
    for table in ("usage_events", "usage_attempts", "audit_events"):
        (directory / f"{table}.csv").write_text("id\n")
        files.append(
            {"file": f"{table}.csv", "table": table, "format": "csv", "rows": 0, "bytes": 3}
            | {"sha256": hashlib.sha256(b"id\n").hexdigest()}
        )
    manifest = {
        "kind": "aduana-export",
        "format": 1,
        "created_at": "2026-11-25T00:00:00Z",
        "since": None,
        "until": None,
    }
    (directory / "manifest.json").write_text(json.dumps({**manifest, "audit_last": None, "files": files, **changed}))
    return directory


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 3, "deletion_protection: true"),
        (["--no-export"], 3, "deletion_protection: true"),
        (["--override-protection"], 2, "--confirm contoso-prod"),
        (["--override-protection", "--confirm", "contoso"], 3, "the tenant is called contoso-prod"),
        (["--export", "whole", "--no-export"], 2, "exclude each other"),
        ([*SAID, "--export", "tenants"], 3, "is no whole export"),
        (SAID, 3, "contoso-prod-export is an export of 2026-01-01"),
        (["some.plan", "--purge"], 2, "is planned already"),
    ],
)
def test_nothing_is_even_planned_until_all_that_protects_was_lifted(
    tenants: Callable[..., Path],
    azure_cloud: AzureCloud,
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tenants()
    exported(Path("contoso-prod-export"), created_at="2026-01-01T00:00:00Z")
    assert run(["destroy", *arguments]) == code
    assert said in capsys.readouterr().err
    assert azure_cloud.journal() == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"since": "2026-01-01T00:00:00Z"}, "part of the time"),
        ({"files": []}, "it lacks usage_events, usage_attempts, audit_events"),
        ({"kind": "something"}, "is no export"),
        (None, "was changed since"),
    ],
)
def test_an_export_that_is_not_whole_counts_for_none(tmp_path: Path, broken: dict[str, Any] | None, said: str) -> None:
    directory = exported(tmp_path / "export", **(broken or {}))
    if broken is None:
        assert check_export(directory) == datetime(2026, 11, 25, tzinfo=UTC)
        (directory / "audit_events.csv").write_text("id\n1\n")
    with pytest.raises(BackupError, match=said):
        check_export(directory)


def test_the_registration_that_was_made_here_goes_and_no_other(azure_tenant: AzureTenant) -> None:
    tenant = a_tenant(azure_tenant)
    directory = azure_tenant.graph.directory
    other = directory.application(display_name(tenant))
    in_session(azure_tenant, lambda session: register(session.graph, tenant))
    assert len(directory.applications) == 2
    assert in_session(azure_tenant, lambda session: unregister(session.graph, tenant))
    assert list(directory.applications) == [other["id"]]
    assert in_session(azure_tenant, lambda session: unregister(session.graph, tenant)) == ()

    existing = a_tenant(azure_tenant, entra__mode="existing", entra__application_id=other["appId"])
    assert in_session(azure_tenant, lambda session: unregister(session.graph, existing)) == ()
    assert list(directory.applications) == [other["id"]]


def test_what_is_purged_is_this_installations_own_and_not_protected(azure_tenant: AzureTenant) -> None:
    subscription = azure_tenant.arm.subscription
    tenant = a_tenant(azure_tenant, key_vault__purge_protection=False)
    it, names = Installation(tenant), tenant.names()
    other = f"{subscription.path}/resourceGroups/other/providers/Microsoft.CognitiveServices/accounts/other"
    for id in (it.vault, it.accounts["uks"], other):
        subscription.add(id)

    async def delete(session: Any) -> None:
        for id in (it.vault, it.accounts["uks"], other):
            await session.arm.delete(id)

    in_session(azure_tenant, delete)
    assert in_session(azure_tenant, lambda session: purge(session.arm, it)) == (
        f"purged the vault {names.key_vault}",
        f"purged the OpenAI account {names.accounts['uks']}",
    )
    assert (subscription.deleted_vaults, list(subscription.deleted_accounts)) == ({}, ["other"])
    assert in_session(azure_tenant, lambda session: purge(session.arm, it)) == ()

    protected = subscription.add(it.vault, properties={"enablePurgeProtection": True})
    in_session(azure_tenant, lambda session: session.arm.delete(protected["id"]))
    assert in_session(azure_tenant, lambda session: purge(session.arm, it)) == ()
    subscription.deleted_vaults[names.key_vault.lower()]["properties"] |= {
        "purgeProtectionEnabled": False,
        "vaultId": it.vault.replace(names.resource_group, "another"),
    }
    assert in_session(azure_tenant, lambda session: purge(session.arm, it)) == ()


@pytest.mark.parametrize(
    ("settings", "purged", "steps", "changes"),
    [
        ({}, False, ["app_registration"], 1),
        ({}, True, ["app_registration", "purge"], 2),  # the vault is protected, the account is not
        ({"key_vault__purge_protection": False}, True, ["app_registration", "purge"], 3),
        ({"entra__mode": "existing", "entra__application_id": str(uuid4())}, False, [], 0),
    ],
)
def test_a_plan_to_destroy_shows_each_step_behind_it_and_no_other_is_taken(
    azure_tenant: AzureTenant, settings: dict[str, Any], purged: bool, steps: list[str], changes: int
) -> None:
    tenant = a_tenant(azure_tenant, **settings)
    plan = Plan("terraform", "1.11", Purpose.DESTROY, Path("p"), "", datetime.now(UTC), "", StateVersion("", 0), ())
    shown = further_steps(TenantFile(Path("contoso-prod.yaml"), tenant), plan, (), purge=purged)
    assert [step.id for step in shown] == [step.id for step in removals(shown)] == steps
    assert sum(len(step.changes) for step in shown) == changes


def test_the_name_is_asked_for_where_somebody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("contoso-prod\n"))
    ask("contoso-prod")
    for said in ("yes\n", "contoso\n", "\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        with pytest.raises(CommandError, match="nothing was destroyed"):
            ask("contoso-prod")


def test_what_remains_is_named(azure_tenant: AzureTenant) -> None:
    kept = remains(a_tenant(azure_tenant), purged=True)
    assert any("vault" in each for each in kept) and not any("account" in each for each in kept)
    gone = remains(a_tenant(azure_tenant, key_vault__purge_protection=False), purged=True)
    assert not any("vault" in each for each in gone)
    assert any("account" in each for each in remains(a_tenant(azure_tenant), purged=False))


def a_tenant(azure: AzureTenant, **settings: Any) -> Tenant:
    given = {"subscription_id": azure.subscription_id, "openai__accounts": [{"name": "uks"}], **settings}
    return parse_tenant(with_settings(entra__tenant_id=azure.tenant_id, **given))


def in_session(azure: AzureTenant, work: Callable[[Any], Any]) -> Any:
    async def story() -> Any:
        settings = AzureSettings.from_environment("uksouth", azure.tenant_id, azure.environment)
        async with open_azure(settings) as session:
            return await work(session)

    return asyncio.run(story())
