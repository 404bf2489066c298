"""The whole story of an installation, over one simulated Azure: the real Terraform makes it, its container apps are our own
processes, its Postgres and Redis real servers.

What the tests of each command look at closely is not looked at again here: this is about what one hands to the next.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml

from deployer import cli
from deployer.jobs import runner
from deployer.local.ports import free_port
from tests.simulators.azure.arm.container_apps import Behaviour, ContainerApps
from tests.simulators.azure.arm.mirror import Mirror
from tests.simulators.azure.entra_postgres import OWNER, OWNER_CLIENT_ID, EntraPostgres
from tests.simulators.azure.key_vault import KeyVault
from tests.simulators.azure.tenant import AzureTenant
from tests.simulators.azurerm.fixtures import AzureCloud, AzurermProvider
from tests.simulators.fixtures import Simulator

SEED = """
upstreams:
  - {name: sim, provider: openai, endpoint: %s/v1, auth: {none: true}}
routes:
  - {model: gpt-4o, targets: [{upstream: sim, deployment: gpt-4o}]}
policies: [{name: standard, tokens_per_minute: 100000}]
clients:
  - {name: contoso, policy: standard, teams: [{name: research, apps: [{name: chatbot, keys: [{name: prod}]}]}]}
prices:
  - {provider: openai, model: gpt-4o, input_per_million: "2.50", output_per_million: "10.00", effective_from: 2024-10-01}
"""
NAME = "contoso-prod"


def images(digit: str) -> dict[str, str]:
    return {kind: f"ghcr.io/aduana/{kind}@sha256:{digit * 64}" for kind in ("proxy", "admin", "job")}


class Network:
    """The inside: each container app as a process of ours, each execution of the job too, with what the platform gives them."""

    def __init__(
        self, azure: AzureTenant, cloud: AzureCloud, postgres: EntraPostgres, vault: KeyVault, redis: str, place: Path
    ) -> None:
        self._cloud, self._postgres, self._vault, self._redis, self._place = cloud, postgres, vault, redis, place
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self._trust = place / "authorities.pem"
        self._trust.write_bytes(
            b"\n".join(Path(each).read_bytes() for each in (azure.entra.ca_file, vault.ca_file, postgres.ca_bundle))
        )
        self._lock = threading.Lock()

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._ports[service]}"

    def changed(self, app: dict[str, Any], before: Any) -> None:
        """Terraform made an app, or changed it: its process is started once."""
        with self._lock:
            (container,) = app["properties"]["template"]["containers"]
            service = app["name"].rsplit("-", 1)[1]
            if service in self._processes:
                return
            role = self._identity(service)
            self._postgres.admit(role["name"], role["client_id"])
            client_ids = self._vault.identity.client_ids
            self._vault.identity.client_ids = (*client_ids, role["client_id"])
            environment = self._environment(container["env"], self._postgres.url(role["name"]))
            arguments = list(container["args"])
            port = self._ports[service] = free_port()
            for place, argument in enumerate(arguments):
                if argument.endswith("port"):
                    arguments[place + 1] = str(port)
                elif argument.endswith("host"):
                    arguments[place + 1] = "127.0.0.1"
            with (self._place / f"{service}.log").open("wb") as log:
                self._processes[service] = subprocess.Popen(
                    [sys.executable, "-m", *arguments], env=environment, stdout=log, stderr=log
                )

    def execute(self, arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[int, Sequence[str]]:
        """An execution of the job."""
        given = [{"name": name, "value": value} for name, value in variables.items()]
        environment = self._environment(given, self._postgres.url(OWNER))
        environment["ADUANA_AZURE_CLIENT_ID"] = OWNER_CLIENT_ID
        if "VERIFY_SPEC" in environment:
            spec = json.loads(environment["VERIFY_SPEC"])
            spec |= {"proxy_url": self.url("proxy"), "admin_url": self.url("admin"), "endpoints": []}
            environment["VERIFY_SPEC"] = json.dumps(spec)
        at_once = ["0" if argument == str(runner.LINGER) else argument for argument in arguments]
        done = subprocess.run(
            [sys.executable, "-m", "deployer", *at_once], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, [*done.stdout.splitlines(), *done.stderr.splitlines()]

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        for service in self._ports:
            while True:
                try:
                    if httpx.get(f"{self.url(service)}/readyz", trust_env=False, timeout=5).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                log = (self._place / f"{service}.log").read_text()[-2000:]
                assert self._processes[service].poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _identity(self, service: str) -> dict[str, Any]:
        found = self._cloud.resources("azurerm_user_assigned_identity")
        (values,) = [each["values"] for each in found if f"-{service}-" in each["values"]["name"]]
        return dict(values)

    def _environment(self, given: Sequence[Mapping[str, str]], database: str) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("ADUANA_", "ARM_", "TF_"))}
        settings = {each["name"]: each["value"] for each in given}
        for name in ("ADUANA_REDIS_AUTH", "ADUANA_ENTRA_TENANT_ID", "ADUANA_ENTRA_AUDIENCE"):
            settings.pop(name, None)
        return {
            **mine,
            **settings,
            **self._vault.environment,
            "ADUANA_DATABASE_URL": database,
            "ADUANA_REDIS_URL": self._redis,
            "ADUANA_CA_BUNDLE": str(self._trust),
            "ADUANA_STATE_DIR": str(self._place),
            "ADUANA_EGRESS_HOSTS": "",
        }


@pytest.fixture
def network(
    terraform_binary: str,
    azurerm_provider: AzurermProvider,
    azure_tenant: AzureTenant,
    entra_postgres: EntraPostgres,
    key_vault: KeyVault,
    redis_url: str,
    fresh_simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Network, ContainerApps, AzureCloud]]:
    cloud = AzureCloud(azurerm_provider, azure_tenant.subscription_id)
    cloud.empty()
    for name in [name for name in os.environ if name.startswith(("ADUANA_", "ARM_", "TF_"))]:
        monkeypatch.delenv(name)
    for name, value in (*cloud.environment.items(), *azure_tenant.environment.items()):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ADUANA_TERRAFORM", terraform_binary)
    monkeypatch.setattr(runner, "_POLL", 0.05)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "contoso.seed.yaml").write_text(SEED % fresh_simulator.url)
    inside = Network(azure_tenant, cloud, entra_postgres, key_vault, redis_url, tmp_path)
    apps = ContainerApps(azure_tenant)
    apps.program = inside.execute

    def changed(app: dict[str, Any], before: Any) -> None:
        apps._changed(app, before)
        inside.changed(app, before)

    with Mirror(azure_tenant.arm, cloud) as mirror:
        mirror.watch = changed
        yield inside, apps, cloud
    inside.close()
    apps.close()
    cloud.empty()


@pytest.fixture
def aduana(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """Runs a command: its exit code, and the JSON that it printed."""

    def run(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = cli.run([*arguments, "--json"])
        told = capsys.readouterr()
        return code, json.loads(told.out) if told.out else told.err

    return run


def test_an_installation_from_its_file_to_its_end(
    network: tuple[Network, ContainerApps, AzureCloud],
    aduana: Callable[..., tuple[int, Any]],
    azure_tenant: AzureTenant,
    key_vault: KeyVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, apps, cloud = network
    release = tmp_path / "images.yaml"
    release.write_text(yaml.safe_dump(images("1")))
    code, written = aduana(
        "init", NAME, "--region", "uksouth", "--images", str(release), "--state", "local",
        "--seed", "tenants/contoso.seed.yaml",
        "--private-dns", "policy", "--yes",
    )  # fmt: skip
    assert code == 0, written
    code, checked = aduana("preflight", NAME, "--offline")
    assert code == 0, checked

    code, plan = aduana("plan", NAME)
    assert code == 0, plan
    code, applied = aduana("apply", plan["file"])
    assert code == 0, applied
    assert [step["id"] for step in applied["steps"]][-1] == "verify"
    inside.wait_until_ready()

    (reference,) = [ref for step in applied["steps"] for ref in step["facts"].get("keys", {}).values()]
    vault, _, secret = reference.removeprefix("kv://").partition("/")
    key = key_vault.secrets[vault, secret][-1][1]
    client = openai.OpenAI(base_url=f"{inside.url('proxy')}/v1", api_key=key, max_retries=0)
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "echo well"}])
    assert answer.choices[0].message.content == "well"

    assert aduana("plan", NAME, "--check")[0] == 0, "what was applied is not what is planned"

    release.write_text(yaml.safe_dump(images("2")))
    apps.images[images("2")["proxy"]] = Behaviour(healthy=False)
    code, failed = aduana("upgrade", NAME, "--images", str(release), "--yes", "--watch", "0s")
    assert code == 1, failed
    assert aduana("plan", NAME, "--check")[0] == 0, "an upgrade that failed left something behind"

    apps.images.clear()
    code, upgraded = aduana("upgrade", NAME, "--images", str(release), "--yes", "--watch", "0s")
    assert code == 0, upgraded
    assert aduana("plan", NAME, "--check")[0] == 0, "an upgrade is not in the tenant file"

    assert aduana("drift", NAME)[0] == 0, "an upgrade is no drift"
    cloud.change("azurerm_key_vault", public_network_access_enabled=True)
    code, drift = aduana("drift", NAME)
    assert (code, [change["kind"] for change in drift["changed"]]) == (3, ["azurerm_key_vault"])

    code, gone = aduana("destroy", NAME, "--override-protection", "--no-export", "--confirm", NAME)
    assert code == 0, gone
    assert cloud.resources() == []
