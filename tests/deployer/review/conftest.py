"""A directory with one tenant file in it, over a simulated Azure."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployer.tenant_files import with_settings
from tests.simulators.azurerm.fixtures import AzureCloud

SEED = """\
upstreams:
  - {name: uks, provider: azure_openai, endpoint: "https://contoso-uks.openai.azure.com", auth: {managed_identity: true}}
routes:
  - {model: gpt-4o, targets: [{upstream: uks, deployment: gpt-4o}]}
"""


@pytest.fixture
def tenants(
    terraform_binary: str, azure_cloud: AzureCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Writes the one tenant file of a directory that commands run in."""
    for name in [name for name in os.environ if name.startswith(("ARM_", "TF_"))]:
        monkeypatch.delenv(name)
    for name, value in azure_cloud.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ADUANA_TERRAFORM", terraform_binary)
    monkeypatch.chdir(tmp_path)

    def write(**settings: Any) -> Path:
        file = tmp_path / "tenants" / "contoso-prod.yaml"
        file.parent.mkdir(exist_ok=True)
        (file.parent / "contoso.seed.yaml").write_text(SEED)
        given = {"state__backend": "local", "seed": "contoso.seed.yaml", **settings}
        file.write_text(yaml.safe_dump(with_settings(subscription_id=azure_cloud.subscription, **given)))
        return file

    return write
