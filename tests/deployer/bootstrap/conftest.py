import json
from pathlib import Path
from typing import Any

import pytest

from deployer import cli
from tests.deployer.bootstrap.installation import VAULT, Installation
from tests.simulators.azure.entra_postgres import EntraPostgres
from tests.simulators.azure.key_vault import KeyVault


@pytest.fixture
def installation(entra_postgres: EntraPostgres, key_vault: KeyVault, tmp_path: Path) -> Installation:
    return Installation(entra_postgres, key_vault, tmp_path)


@pytest.fixture
def bootstrap(installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command as the job does: its exit code and what it printed."""
    for name, value in installation.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = cli.run(["bootstrap", "--spec", str(installation.spec), "--json", *arguments])
        out = capsys.readouterr().out
        for name in ("pepper-1", "master-key-1"):
            if (VAULT, name) in installation.vault.secrets:
                assert installation.secret(name) not in out
        return code, json.loads(out)

    return run
