"""Backup and export of an installation that is reached from inside its network alone: a real process makes them, as the job."""

import json
import os
import subprocess
import sys

import pytest

from deployer.backup.archive import opened
from deployer.backup.exports import check_export
from tests.core.tenant import write_tenant


@pytest.fixture
def installation(estate, database_url, managed_identity, azure_tenant):
    """The estate, whose job runs for real on a database with a tenant in it, and may write blobs by its own identity."""
    write_tenant(database_url)
    azure_tenant.blobs.identities.append(managed_identity)
    state = estate.installation.tenant.names()
    group = f"/subscriptions/{azure_tenant.subscription_id}/resourceGroups/{state.state_resource_group}"
    estate.put(group, "Microsoft.Resources/resourceGroups", {})
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/{state.state_storage_account}"
    estate.put(account, "Microsoft.Storage/storageAccounts", {})

    def job(arguments, variables):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "ADUANA_DATABASE_URL": database_url,
            "ADUANA_CA_BUNDLE": os.environ["ADUANA_CA_BUNDLE"],
            **managed_identity.environment,
        }
        command = [sys.executable, "-m", "deployer", *arguments[:-1], "0"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).splitlines()

    estate.apps.program = job
    return estate


def leftovers(estate):
    """Roles and blobs that should be gone."""
    roles = [id for id in estate.azure.arm.subscription.resources if "/containers/exports/providers/" in id]
    return roles, estate.azure.blobs.contents


def test_a_backup_comes_out_by_a_role_for_just_that_with_the_tenants_files(installation, aduana, tmp_path):
    file = tmp_path / "out" / "contoso.aduana"
    code, told = aduana("backup", str(file), "--tenant", "contoso-prod")
    assert (code, told.get("tables", {}).get("clients"), told.get("files")) == (0, 1, ["contoso-prod.yaml"]), told
    with opened(file) as (archive, _):
        assert archive.read("files/contoso-prod.yaml") == installation.file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert aduana_check(aduana, file) == 0
    assert leftovers(installation) == ([], {})


def aduana_check(aduana, file):
    from deployer import cli

    return cli.run(["restore", str(file), "--check", "--json"])


def test_an_export_comes_out_whole(installation, aduana, tmp_path):
    installation.azure.blobs.propagation = 1  # the role is not in force at once
    code, told = aduana("export", str(tmp_path / "export"), "--tenant", "contoso-prod")
    assert (code, {file["table"] for file in told.get("files", [])}) == (
        0,
        {"usage_events", "usage_attempts", "audit_events"},
    ), told
    check_export(tmp_path / "export")  # as `aduana destroy` does
    manifest = json.loads((tmp_path / "export" / "manifest.json").read_text())
    assert all((tmp_path / "export" / file["file"]).stat().st_size == file["bytes"] for file in manifest["files"])
    assert leftovers(installation) == ([], {})


def test_a_job_that_cannot_write_leaves_neither_role_nor_file(installation, aduana, tmp_path):
    installation.azure.blobs.let_in = False
    code, failed = aduana("export", str(tmp_path / "export"), "--tenant", "contoso-prod")
    assert (code, failed["error"]["code"]) == (1, "job_failed")
    assert "AuthorizationFailure" in failed["error"]["message"]
    assert leftovers(installation)[0] == []
    assert [path.name for path in tmp_path.iterdir()] == ["tenants"]


def test_a_download_that_fails_leaves_neither_role_nor_blob(installation, aduana, tmp_path, monkeypatch):
    def cut(self, name):
        yield b"not all of it"

    monkeypatch.setattr("deployer.backup.blobs.BlobFolder._stream", cut)
    code, failed = aduana("export", str(tmp_path / "export"), "--tenant", "contoso-prod")
    assert (code, failed["error"]["code"]) == (1, "not_whole")
    assert leftovers(installation) == ([], {})
