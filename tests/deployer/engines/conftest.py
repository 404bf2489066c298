"""An engine over a small stack of Azure's, in a simulated subscription of the test's own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer.engines import Event
from deployer.engines.terraform import Backend, Configuration, TerraformEngine, find_terraform
from tests.simulators.azurerm.fixtures import AzureCloud

STACK = """
variable "tags" {
  type    = map(string)
  default = {}
}

variable "region" {
  type    = string
  default = "uksouth"
}

variable "identities" {
  type    = set(string)
  default = ["proxy"]
}

variable "hush" {
  type      = string
  sensitive = true
  default   = "do not tell"
}

resource "azurerm_resource_group" "this" {
  name     = "rg-engine"
  location = var.region
  tags     = var.tags
}

resource "azurerm_user_assigned_identity" "this" {
  for_each            = var.identities
  name                = "id-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
}

output "principals" {
  value = { for name, identity in azurerm_user_assigned_identity.this : name => identity.principal_id }
}

output "hushed" { value = nonsensitive(var.hush) }

output "hush" {
  value     = var.hush
  sensitive = true
}
"""

GROUP = "module.aduana.azurerm_resource_group.this"
PROXY = 'module.aduana.azurerm_user_assigned_identity.this["proxy"]'


class Tenant:
    """What a test needs to make engines of one tenant."""

    def __init__(self, directory: Path, cloud: AzureCloud, binary: str) -> None:
        self.directory, self.cloud, self.binary = directory, cloud, binary
        self.stack = directory / "stack"
        self.stack.mkdir()
        self.write(STACK)
        self.state = directory / "terraform.tfstate"
        self.heard: list[Event] = []

    def write(self, text: str) -> None:
        """Let the stack be this text."""
        (self.stack / "main.tf").write_text(text)

    def engine(
        self, *, workspace: str = "workspace", environment: dict[str, str] | None = None, **variables: Any
    ) -> TerraformEngine:
        """An engine with these variables, which does not wait before it tries again."""
        configuration = Configuration(
            backend=Backend("local", {"path": str(self.state)}),
            variables=variables,
            source=self.stack,
            providers={"azurerm": {"features": {}}},
            environment={**self.cloud.environment, "TF_CLI_CONFIG_FILE": os.devnull, **(environment or {})},
        )
        return TerraformEngine(
            find_terraform(self.binary), self.directory / workspace, configuration, lock_timeout=0, patience=0
        )

    @property
    def plan_file(self) -> Path:
        return self.directory / "reviewed.tfplan"

    def heard_of(self, kind: type) -> list[Any]:
        """The events of a kind, in order."""
        return [event for event in self.heard if isinstance(event, kind)]


@pytest.fixture
def tenant(tmp_path: Path, azure_cloud: AzureCloud, terraform_binary: str) -> Tenant:
    return Tenant(tmp_path, azure_cloud, terraform_binary)


@pytest.fixture
def engine(tenant: Tenant) -> Callable[..., TerraformEngine]:
    return tenant.engine
