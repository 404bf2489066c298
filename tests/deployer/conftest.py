import asyncio
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer import cli
from deployer.jobs import runner
from deployer.upgrade import run as upgrade_run
from tests.deployer.estate import Estate
from tests.simulators.azure.tenant import AzureTenant

GOOD = {"id": "call.model", "status": "passed", "message": "it answered", "remedy": "", "figures": {}}


@pytest.fixture
def estate(azure_tenant: AzureTenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """An installation that works, and a clock that does not wait."""
    for name, value in azure_tenant.environment.items():
        monkeypatch.setenv(name, value)
    running = Estate(azure_tenant, tmp_path / "tenants")
    running.job_results["bootstrap"] = {"planned": False, "steps": []}
    running.job_results["verify"] = {"ok": True, "inside": [GOOD]}
    monkeypatch.setattr(runner, "_POLL", 0.01)
    monkeypatch.setattr(
        upgrade_run, "Upgrade", functools.partial(upgrade_run.Upgrade, sleep=lambda _: asyncio.sleep(0))
    )
    yield running
    running.close()


@pytest.fixture
def aduana(estate: Estate, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """Runs a command on the estate's tenants: its exit code, and the JSON that it printed."""

    def run(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = cli.run([*arguments, "--tenants-dir", str(estate.file.parent), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run
