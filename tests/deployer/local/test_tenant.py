"""The local tenant as a whole: started by its command line, used by the stock SDK, killed piece by piece, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import psycopg
import pytest

from core.supervisor import die_with_parent
from deployer.local import control
from deployer.local.control import read_logs
from deployer.local.ports import is_free

pytestmark = pytest.mark.xdist_group("local_tenant")

PORTS = ("--proxy-port", "0", "--admin-port", "0")
NAMES = ["postgres", "redis", "writer", "admin", "simulator", "proxy-0", "proxy-1"]


def clean_environment(**more: str) -> dict[str, str]:
    foreign = ("ADUANA_", "AZURE_OPENAI_", "OPENAI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | more


def aduana(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from deployer.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, env=clean_environment(**more), capture_output=True, text=True, timeout=150)


def answer(*arguments: object, **more: str) -> Any:
    done = aduana(*arguments, "--json", **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about in time")


def rows(data_dir: Path) -> dict[str, dict[str, Any]]:
    """As `aduana status` reads them, without a process for each look."""
    return {row.name: {"pid": row.pid, "state": row.state, "port": row.port} for row in control.processes(data_dir)}


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    found = {pid}
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    while more := {child for child, parent in pairs if parent in found} - found:
        found |= more
    return found


def gone(pids: set[int]) -> bool:
    listed = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    return not pids & {int(line.split()[0]) for line in listed.splitlines() if "Z" not in line.split()[1]}


def ask(url: str, key: str, model: str = "gpt-4o") -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=5) as client:
        completion = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    return completion.choices[0].message.content or ""


def calls(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT count(*) FROM usage_events").fetchone()[0]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A tenant in the foreground, with two proxies; what its --json printed."""
    data_dir = tmp_path_factory.mktemp("tenant") / "data"
    arguments = ["up", "--data-dir", str(data_dir), *PORTS, "--workers", "2", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from deployer.cli import main; main()", *arguments],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "it did not start"
    yield json.loads(line) | {"supervisor": process.pid}
    everything = family(process.pid)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=120)
    assert gone(everything), "Ctrl-C left something running"


def test_it_says_where_everything_is(tenant: dict[str, Any]) -> None:
    assert tenant.keys() - {"supervisor"} == {
        "proxy_url",
        "admin_url",
        "data_dir",
        "key",
        "database_url",
        "redis_url",
    }
    assert not tenant["proxy_url"].endswith("/v1")
    assert tenant["key"].startswith("adu_")
    for url in (tenant["proxy_url"], tenant["admin_url"]):
        assert httpx.get(f"{url}/readyz", timeout=60).status_code == 200


def test_status_has_a_row_for_each_process(tenant: dict[str, Any]) -> None:
    found = answer("status", "--data-dir", tenant["data_dir"])
    assert [row["name"] for row in found] == NAMES
    assert {row["state"] for row in found} == {"running"}
    for row in found:
        os.kill(row["pid"], 0)
    proxies = {row["port"] for row in found if row["name"].startswith("proxy-")}
    assert [f"http://127.0.0.1:{port}" for port in proxies] == [tenant["proxy_url"]]
    table = aduana("status", "--data-dir", tenant["data_dir"]).stdout
    assert all(name in table for name in NAMES)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "o3-mini"])
def test_the_stock_sdk_is_answered_and_the_call_is_in_the_ledger(tenant: dict[str, Any], model: str) -> None:
    before = calls(tenant["database_url"])
    assert ask(tenant["proxy_url"], tenant["key"], model)
    until(lambda: calls(tenant["database_url"]) == before + 1)


def test_embeddings_and_completions_are_served(tenant: dict[str, Any]) -> None:
    with openai.OpenAI(base_url=f"{tenant['proxy_url']}/v1", api_key=tenant["key"]) as client:
        assert client.embeddings.create(model="text-embedding-3-small", input="Hello").data[0].embedding
        assert client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hello").choices[0].text
        assert client.responses.create(model="gpt-4o", input="Hello").output_text


def test_a_second_up_on_its_directory_is_refused_and_does_not_disturb_it(tenant: dict[str, Any]) -> None:
    done = aduana("up", "--data-dir", tenant["data_dir"], *PORTS, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "already_running"
    assert ask(tenant["proxy_url"], tenant["key"])


def test_its_proxy_port_is_refused_to_another_tenant(tenant: dict[str, Any], tmp_path: Path) -> None:
    port = tenant["proxy_url"].rsplit(":", 1)[1]
    done = aduana("up", "--data-dir", tmp_path / "other", "--proxy-port", port, "--admin-port", 0, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "port_taken"


def test_other_commands_find_it_by_its_directory(tenant: dict[str, Any]) -> None:
    keys = answer("keys", "list", "--data-dir", tenant["data_dir"])
    assert tenant["key"].split("_")[1] in json.dumps(keys)
    assert tenant["key"] not in json.dumps(keys)


def test_logs_are_kept_for_each_process_and_hold_no_secret(tenant: dict[str, Any]) -> None:
    done = aduana("logs", "--data-dir", tenant["data_dir"])
    assert done.returncode == 0
    assert "ready to accept connections" in done.stdout
    one = aduana("logs", "redis", "--data-dir", tenant["data_dir"])
    assert "Ready to accept connections" in one.stdout
    secrets = [path.read_text().strip() for path in (Path(tenant["data_dir"]) / "secrets").iterdir()]
    for path in Path(tenant["data_dir"], "logs").iterdir():
        text = path.read_text(errors="replace")
        assert not any(secret in text for secret in [*secrets, tenant["key"]])


def test_no_process_shows_a_secret_in_its_command_line(tenant: dict[str, Any]) -> None:
    listed = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout
    for path in (Path(tenant["data_dir"]) / "secrets").iterdir():
        assert path.read_text().strip() not in listed


@pytest.mark.parametrize("name", NAMES)
def test_a_process_that_is_killed_is_started_again(tenant: dict[str, Any], name: str) -> None:
    data_dir = Path(tenant["data_dir"])
    pid = rows(data_dir)[name]["pid"]
    os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        row = rows(data_dir)[name]
        return row["state"] == "running" and row["pid"] not in (None, pid)

    until(back)
    before = calls(tenant["database_url"])
    until(lambda: _answered(tenant))
    until(lambda: calls(tenant["database_url"]) > before)


def _answered(tenant: dict[str, Any]) -> bool:
    try:
        return bool(ask(tenant["proxy_url"], tenant["key"]))
    except openai.APIError:  # what a killed server has not come back from yet
        return False


def test_detached_it_outlives_its_command_dies_with_its_supervisor_and_comes_back_with_its_data(tmp_path: Path) -> None:
    data_dir = tmp_path / 'It\'s "mine", é 1=2'  # a path is a path
    first = answer("up", "--data-dir", data_dir, *PORTS, "--detach")
    supervisor = int((data_dir / "lock").read_text())
    try:
        assert first["key"].startswith("adu_")
        assert ask(first["proxy_url"], first["key"])
        until(lambda: calls(first["database_url"]) == 1)
        everything = family(supervisor)
        assert len(everything) > len(NAMES) - 1
        os.kill(supervisor, signal.SIGKILL)
        if sys.platform == "linux":
            until(lambda: gone(everything))
            assert {row["state"] for row in answer("status", "--data-dir", data_dir)} == {"stopped"}

        second = answer("up", "--data-dir", data_dir, *PORTS, "--detach")
        supervisor = int((data_dir / "lock").read_text())
        assert second["key"] is None
        assert second["database_url"] == first["database_url"]
        assert ask(second["proxy_url"], first["key"])
        until(lambda: calls(second["database_url"]) == 2)
        everything = family(supervisor)
        assert answer("down", "--data-dir", data_dir)["stopped"] is True
        assert gone(everything)
        assert answer("down", "--data-dir", data_dir)["stopped"] is False
    finally:
        answer("down", "--data-dir", data_dir)


def test_a_seed_file_is_served_in_place_of_the_built_in_one_without_redis(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(
        """
        upstreams:
          - name: nowhere
            provider: openai_compatible
            endpoint: http://127.0.0.1:1
            auth: {secret_ref: "env:KEY_OF_NOWHERE"}
        routes:
          - {model: mine, targets: [{upstream: nowhere, deployment: mine}]}
        clients:
          - {name: c, teams: [{name: t, apps: [{name: a, keys: [{name: k}]}]}]}
        prices:
          - provider: openai_compatible
            model: mine
            input_per_million: "1"
            output_per_million: "1"
            effective_from: 2024-01-01
        """
    )
    data_dir = tmp_path / "data"
    arguments = ("up", "--data-dir", data_dir, *PORTS, "--seed", seed, "--no-redis", "--detach")
    try:
        started = answer(*arguments, KEY_OF_NOWHERE="x")
        assert started["redis_url"] is None
        assert list(rows(data_dir)) == ["postgres", "writer", "admin", "proxy-0"]
        with openai.OpenAI(base_url=f"{started['proxy_url']}/v1", api_key=started["key"], max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["mine"]
            with pytest.raises(openai.APIStatusError):
                client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "Hello"}])
        until(lambda: calls(started["database_url"]) == 1)
    finally:
        answer("down", "--data-dir", data_dir)


def test_the_simulator_runs_on_its_own(free_port: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from deployer.cli import main; main()", "simulate", "--port", str(free_port)],
        env=clean_environment(),
        preexec_fn=die_with_parent(),
    )
    try:
        until(lambda: process.poll() is not None or not is_free(free_port))
        assert ask(f"http://127.0.0.1:{free_port}", "any")
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_logs_are_followed(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "writer.log"
    log.write_text("first\nsecond\n")
    lines = read_logs([log], last=1, follow=True)
    assert next(lines) == ("writer", "second")
    with log.open("a") as file:
        file.write("third\nhalf a li")
    assert next(lines) == ("writer", "third")
    with log.open("a") as file:
        file.write("ne\n")
    assert next(lines) == ("writer", "half a line")
    log.write_text("anew\n")  # as after a rotation
    assert next(lines) == ("writer", "anew")
