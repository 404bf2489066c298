"""An engine over a small stack of Azure's, in a simulated subscription of the test's own."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
        self,
        *,
        workspace: str = "workspace",
        environment: dict[str, str] | None = None,
        backend: Backend | None = None,
        **variables: Any,
    ) -> TerraformEngine:
        """An engine with these variables, which does not wait before it tries again."""
        configuration = Configuration(
            backend=backend or Backend("local", {"path": str(self.state)}),
            variables=variables,
            source=self.stack,
            providers={"azurerm": {"features": {}}},
            environment={**self.cloud.environment, "TF_CLI_CONFIG_FILE": os.devnull, **(environment or {})},
        )
        return TerraformEngine(
            find_terraform(self.binary), self.directory / workspace, configuration, lock_timeout=0, patience=0
        )

    @property
    def workspace(self) -> Path:
        return self.directory / "workspace"

    @property
    def plan_file(self) -> Path:
        return self.directory / "reviewed.tfplan"

    def heard_of(self, kind: type) -> list[Any]:
        """The events of a kind, in order."""
        return [event for event in self.heard if isinstance(event, kind)]


def applying_in(workspace: Path) -> int | None:
    """The process of Terraform's that applies there (Linux)."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            here = (entry / "cwd").readlink() == workspace.resolve()
            if here and b"\0apply\0" in (entry / "cmdline").read_bytes():
                return int(entry.name)
    return None


class StateServer:
    """A state that is kept and locked over the network, as Terraform's `http` backend speaks it."""

    def __init__(self) -> None:
        self.state = b""
        self.lock: dict[str, Any] | None = None
        self.locked = 0  # how often it was
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = server._answered(self.command, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_LOCK = do_UNLOCK = _do

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{self._http.server_address[1]}/state"
        self.backend = Backend("http", {"address": url, "lock_address": url, "unlock_address": url, "retry_max": 0})

    def _answered(self, method: str, body: bytes) -> tuple[int, bytes]:
        if method == "LOCK" and self.lock is not None:
            return 423, json.dumps(self.lock).encode()
        if method == "LOCK":
            self.lock, self.locked = json.loads(body), self.locked + 1
        elif method == "UNLOCK":
            if self.lock is None or (body and json.loads(body)["ID"] != self.lock["ID"]):
                return 409, b""
            self.lock = None
        elif method == "POST":
            self.state = body
        elif not self.state:
            return 404, b""
        return 200, self.state if method == "GET" else b""

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def state_server() -> Iterator[StateServer]:
    server = StateServer()
    yield server
    server.stop()


@pytest.fixture
def tenant(tmp_path: Path, azure_cloud: AzureCloud, terraform_binary: str) -> Tenant:
    return Tenant(tmp_path, azure_cloud, terraform_binary)
