"""The services as they start in a new installation: before the bootstrap, and then with no privilege but those it gives."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from deployer import cli
from deployer.local.ports import free_port
from tests.deployer.bootstrap.installation import Installation

SEED = """
upstreams:
  - {name: sim, provider: openai, endpoint: %s/v1, auth: {none: true}}
routes:
  - {model: gpt-4o, targets: [{upstream: sim, deployment: gpt-4o}]}
policies: [{name: standard, tokens_per_day: 100000}]
clients:
  - {name: contoso, policy: standard, teams: [{name: research, apps: [{name: chatbot, keys: [{name: prod}]}]}]}
budgets:
  - {scope: "client:contoso", period: month, amount_usd: "0.000001", alerts: [0.5], on_exceeded: throttle,
     throttle: {requests_per_minute: 100, tokens_per_minute: 100000}}
prices:
  - {provider: openai, model: gpt-4o, input_per_million: "2.50", output_per_million: "10.00", effective_from: 2024-10-01}
"""


class Services:
    """Processes of the three services, each as its own identity."""

    def __init__(self, installation: Installation, directory: Path, **environment: str) -> None:
        self.installation, self.directory, self.more = installation, directory, environment
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}

    def start(self, service: str, module: str, *arguments: str, port_option: str = "--port") -> None:
        port = self.ports[service] = free_port()
        environment = {**self.installation.environment(service), **self.more, "ADUANA_STATE_DIR": str(self.directory)}
        with (self.directory / f"{service}.log").open("wb") as log:
            self.processes[service] = subprocess.Popen(
                [sys.executable, "-m", module, port_option, str(port), *arguments],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def ask(self, service: str, path: str) -> int:
        """The status; 0 where nobody answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[service]}{path}", trust_env=False, timeout=10).status_code
        except httpx.HTTPError:
            return 0

    def log(self, service: str) -> str:
        return (self.directory / f"{service}.log").read_text()

    def eventually(self, what: str, condition: Callable[[], bool], within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            for service, process in self.processes.items():
                assert process.poll() is None, f"{service} ended: {self.log(service)[-3000:]}"
            logs = {service: self.log(service)[-1500:] for service in self.processes}
            assert time.monotonic() < deadline, f"not in time: {what}; {logs}"
            time.sleep(0.05)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def services(installation: Installation, tmp_path: Path) -> Iterator[Services]:
    running = Services(installation, tmp_path)
    yield running
    running.close()


def verify(capsys: pytest.CaptureFixture[str], services: Services, directory: Path) -> dict:
    """What `aduana verify` sees as the job, whose environment is this one's."""
    spec = directory / "verify.json"
    urls = {name: f"http://127.0.0.1:{services.ports[service]}" for name, service in _URLS.items()}
    endpoint = {
        "name": "postgres",
        "host": "localhost",
        "port": services.installation.postgres.front.port,
        "tls": False,
    }
    spec.write_text(json.dumps({**urls, "endpoints": [endpoint]}))
    capsys.readouterr()
    cli.run(["verify", "--here", str(spec), "--report", str(directory / "handover.md"), "--json"])
    return json.loads(capsys.readouterr().out)


_URLS = {"proxy_url": "proxy", "admin_url": "admin"}


@pytest.mark.parametrize("with_redis", [True, pytest.param(False, marks=pytest.mark.full)])
def test_services_wait_for_the_bootstrap_and_then_work_with_their_least_privileges(
    installation, bootstrap, services, fresh_simulator, request, capsys, tmp_path, with_redis
):
    if with_redis:
        services.more["ADUANA_REDIS_URL"] = request.getfixturevalue("redis_url")
    services.start("proxy", "proxy", "--host", "127.0.0.1")
    services.start("writer", "proxy.writer", port_option="--metrics-port")
    services.start("admin", "admin")
    for service in services.processes:
        services.eventually(f"{service} is alive", lambda service=service: services.ask(service, "/livez") == 200)
        assert services.ask(service, "/readyz") == 503

    installation.write_spec(SEED % fresh_simulator.url)
    assert bootstrap()[0] == 0
    for service in services.processes:
        services.eventually(f"{service} is ready", lambda service=service: services.ask(service, "/readyz") == 200)

    seen = verify(capsys, services, tmp_path)
    statuses = {check["id"]: check["status"] for check in seen["inside"]}
    assert (seen["ok"], set(statuses.values())) == (True, {"passed"}), seen
    assert list(statuses) == [
        *("dns.postgres", "database", "proxy.ready", "proxy.anonymous", "admin.ready"),
        *("call.key", "call.model", "call.ledger", "call.revoked"),
    ]
    called = next(check["figures"] for check in seen["inside"] if check["id"] == "call.ledger")
    assert called["tokens"] > 0
    assert Decimal(called["cost_usd"]) > 0
    assert "All checks passed." in (tmp_path / "handover.md").read_text()

    headers = {"authorization": f"Bearer {installation.key()}"}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{services.ports['proxy']}/v1", headers=headers, trust_env=False
    ) as http:
        chat = {"model": "gpt-4o", "messages": [{"role": "user", "content": "echo well"}]}
        assert http.post("/chat/completions", json=chat).status_code == 200
        file = http.post("/files", files={"file": ("a.jsonl", b"{}\n")}, data={"purpose": "fine-tune"})
        assert file.status_code == 200, file.text
        assert [each["id"] for each in http.get("/files").json()["data"]] == [file.json()["id"]]
        assert http.delete(f"/files/{file.json()['id']}").status_code == 200
        background = http.post("/responses", json={"model": "gpt-4o", "input": "echo later", "background": True})
        assert background.status_code == 200, background.text

    def count(query: str) -> int:
        return installation.postgres.execute(query, "aduana")[0][0]

    services.eventually("the ledger has the call", lambda: count("SELECT count(*) FROM usage_events") >= 1)
    services.eventually("the alert is raised", lambda: count("SELECT count(*) FROM budget_alerts") == 1)
    services.eventually(
        "what came later is accounted for",
        lambda: count("SELECT count(*) FROM deferred_usage WHERE ended_at IS NOT NULL") == 1,
    )
    assert (
        count("SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '^usage_events_2'")
        == 3
    )
    for service, process in services.processes.items():
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, services.log(service)[-2000:]
        assert "permission denied" not in services.log(service)
        assert "InsufficientPrivilege" not in services.log(service)
    services.processes.clear()


def test_a_proxy_that_waits_ends_orderly(services):
    services.start("proxy", "proxy", "--host", "127.0.0.1")
    services.eventually("it waits", lambda: services.ask("proxy", "/readyz") == 503)
    services.processes["proxy"].send_signal(signal.SIGTERM)
    assert services.processes["proxy"].wait(10) == 0
