"""The proxy as processes: what follows Postgres, what survives without it, how it starts, drains and shares a port."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import psycopg
import pytest

from core.store import Database, migrate
from deployer.local.ports import free_port, is_free
from tests.proxy.stack import Stack, eventually, seed_text

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def status_of(stack: Stack, port: int) -> tuple[int, str | None]:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json=CHAT,
        headers={"api-key": stack.key},
        trust_env=False,
        timeout=30,
    )
    return answer.status_code, answer.json().get("error", {}).get("code")


def test_a_revoked_key_is_refused_by_every_replica_within_two_seconds(new_stack, simulator):
    stack: Stack = new_stack()
    stack.seed_simulator(simulator.url)
    ports = [stack.start_proxy("proxy-0"), stack.start_proxy("proxy-1", port=free_port())]
    assert [status_of(stack, port)[0] for port in ports] == [200, 200]
    stack.execute("UPDATE api_keys SET disabled_at = now() WHERE name = 'prod'")
    deadline = time.monotonic() + 2.0
    eventually(
        "both refuse the key",
        lambda: all(status_of(stack, port) == (401, "disabled_api_key") for port in ports),
        within=2.0,
    )
    assert time.monotonic() < deadline
    stack.execute(
        "UPDATE api_keys SET disabled_at = NULL, expires_at = now() - interval '1 second' WHERE name = 'prod'"
    )
    eventually(
        "both say it expired", lambda: all(status_of(stack, p) == (401, "expired_api_key") for p in ports), within=2.0
    )
    stack.execute("UPDATE api_keys SET expires_at = NULL WHERE name = 'prod'")
    eventually("both take it again", lambda: all(status_of(stack, p)[0] == 200 for p in ports), within=2.0)


def test_a_proxy_starts_from_its_copy_and_serves_while_postgres_is_down(
    new_stack, simulator, start_postgres, tmp_path, start_valkey
):
    server = start_postgres(settings={"synchronous_commit": "on"})
    migrate(Database(server.url()))
    stack = Stack(tmp_path / "stack", server.url(), start_valkey().url)
    try:
        stack.seed_simulator(simulator.url)
        stack.start_proxy()
        server.kill()
        assert status_of(stack, stack.port)[0] == 200
        stack.stop()
        stack.start_proxy()
        with stack.http() as http:
            answer = http.post("/v1/chat/completions", json=CHAT)
        assert answer.status_code == 200
        server.start()
        stack.start_writer()
        assert stack.row(answer.headers["x-request-id"])["status"] == 200
    finally:
        stack.close()


def test_a_proxy_that_never_saw_postgres_lives_and_says_what_is_missing(new_stack):
    stack: Stack = new_stack()
    stack.environment["ADUANA_DATABASE_URL"] = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    stack.start_proxy(ready=False)
    url = f"http://127.0.0.1:{stack.port}"

    def answer(path: str) -> httpx.Response | None:
        try:
            return httpx.get(url + path, trust_env=False, headers={"api-key": stack.key}, timeout=60)
        except httpx.HTTPError:
            return None

    assert eventually("it lives", lambda: answer("/livez")).status_code == 200
    ready = answer("/readyz")
    assert ready.status_code == 503
    assert "snapshot" in ready.json()["missing"]
    refused = answer("/v1/models")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway_not_ready")
    assert refused.headers["retry-after"]


def test_a_stream_in_flight_is_not_cut_within_the_drain_time(new_stack, simulator):
    stack: Stack = new_stack()
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    stack.start_writer()
    begun, lines = threading.Event(), []

    def read() -> None:
        asked = {**CHAT, "messages": [{"role": "user", "content": "write 30 tokens"}], "stream": True}
        with (
            stack.http() as http,
            http.stream(
                "POST",
                "/v1/chat/completions",
                json=asked,
                headers={"x-simulate": "chunk-delay=0.05", "x-request-id": "drained"},
            ) as answer,
        ):
            for line in answer.iter_lines():
                lines.append(line)
                begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(10)
    assert stack.stop() == 0
    reader.join(10)
    assert "data: [DONE]" in lines
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{stack.url}/livez", trust_env=False, timeout=60)
    row = stack.row("drained")
    assert (row["usage_source"], row["output_tokens"]) == ("reported", 30)


def test_a_stream_that_outlasts_the_drain_time_is_ended_and_settled(new_stack, simulator):
    stack: Stack = new_stack(drain_timeout="1")
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    stack.start_writer()
    with (
        stack.http() as http,
        http.stream(
            "POST",
            "/v1/chat/completions",
            json={**CHAT, "stream": True},
            headers={"x-simulate": "hang-after=4", "x-request-id": "outlasted"},
        ) as answer,
    ):
        lines = answer.iter_lines()
        seen = 0
        while seen < 4:
            line = next(lines)
            seen += '"content":' in line and '"role"' not in line
        assert stack.stop() == 0
    row = stack.row("outlasted")
    assert (row["error_code"], row["usage_source"], row["output_tokens"]) == ("gateway_stopped", "counted", 4)


def test_workers_share_a_port_and_one_that_dies_is_replaced(new_stack, simulator):
    stack: Stack = new_stack()
    stack.seed_simulator(simulator.url)
    stack.start_proxy("master", "--workers", "2")

    def children() -> set[int]:
        found = subprocess.run(
            ["pgrep", "-P", str(stack.proxies["master"].pid)], capture_output=True, text=True, check=False
        )
        return {int(pid) for pid in found.stdout.split()}

    first = eventually("two workers", lambda: len(children()) == 2 and children())
    os.kill(min(first), signal.SIGKILL)
    eventually("another worker", lambda: len(children()) == 2 and children() != first)
    eventually("it serves", lambda: stack._ready("master", stack.port))
    assert status_of(stack, stack.port)[0] == 200
    assert stack.stop("master") == 0
    for pid in first:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_tokenizers_process_ends_with_its_proxy_however_that_ends(new_stack, simulator):
    stack: Stack = new_stack()
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    stack.start_writer()
    with stack.http() as http:
        counted = http.post("/v1/chat/completions", json=CHAT, headers={"x-simulate": "no-usage"})
    assert stack.row(counted.headers["x-request-id"])["usage_source"] == "counted"

    def family(pid: int) -> list[int]:
        found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
        return [int(child) for child in found.stdout.split()]

    children = family(stack.proxies["proxy-0"].pid)
    assert children
    for child in children:
        os.kill(child, signal.SIGSTOP)
    stack.stop(number=signal.SIGKILL)
    assert is_free(stack.port), "a child holds the port"
    for child in children:
        os.kill(child, signal.SIGCONT)

    def gone(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    eventually("its children are gone", lambda: all(map(gone, children)))


def test_a_taken_port_is_a_clear_error(new_stack, simulator):
    stack: Stack = new_stack()
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    stack.start_proxy("second", ready=False)
    assert stack.proxies["second"].wait(20) == 1
    assert "cannot listen on 127.0.0.1" in stack.log("second")


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"ADUANA_PEPPERS": ""}, 1, "no pepper"),
        ({"ADUANA_PEPPERS": "1=env:NOT_THERE"}, 1, "pepper version 1"),
        ({"ADUANA_MAX_BODY_BYTES": "lots"}, 2, "ADUANA_MAX_BODY_BYTES"),
        ({"ADUANA_DATABASE_URL": ""}, 2, "ADUANA_DATABASE_URL"),
        ({"ADUANA_MAX_BODY_BITES": "1"}, 2, "ADUANA_MAX_BODY_BYTES"),
    ],
)
def test_a_wrong_setting_is_named_and_no_stack_is_shown(new_stack, change, code, says):
    stack: Stack = new_stack()
    stack.environment.update(change)
    command = [sys.executable, "-m", "proxy", "--host", "127.0.0.1", "--port", str(stack.port)]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


# ── Without Redis ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_redis_calls_are_spooled_and_reach_the_ledger(new_stack, simulator):
    stack: Stack = new_stack(redis=False)
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    with stack.http() as http:
        ids = [http.post("/v1/chat/completions", json=CHAT).headers["x-request-id"] for _ in range(5)]
        # A caller does not wait for its settlement; a turn of the event loop later the last one is in the file.
        assert http.get("/livez").is_success
    stack.stop(number=signal.SIGKILL)
    stack.start_writer()
    for request_id in ids:
        assert stack.row(request_id)["usage_source"] == "reported"


def test_without_redis_a_second_proxy_and_a_second_worker_do_not_start(new_stack, simulator):
    stack: Stack = new_stack(redis=False)
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    stack.start_proxy("second", port=free_port(), ready=False)
    assert stack.proxies["second"].wait(20) == 1
    assert "ADUANA_REDIS_URL" in stack.log("second")
    stack.start_proxy("workers", "--workers", "2", port=free_port(), ready=False)
    assert stack.proxies["workers"].wait(20) == 2
    assert "ADUANA_REDIS_URL" in stack.log("workers")
    stack.start_proxy("declared", port=free_port(), ADUANA_MEMORY_MODE_PER_REPLICA="true", ready=False)
    port = stack.proxies["declared"].args[stack.proxies["declared"].args.index("--port") + 1]
    eventually("limits declared per replica let it start", lambda: stack._ready("declared", int(port)))


# ── Loss of Redis ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("on_loss", ["refuse", "allow"])
def test_when_redis_is_gone_the_policy_decides_and_nothing_is_lost(
    new_stack, simulator, database_url, start_valkey, tmp_path, on_loss
):
    valkey = start_valkey()
    stack = Stack(tmp_path / "lossy", database_url, valkey.url)
    try:
        stack.seed_simulator(simulator.url, on_limiter_loss=on_loss)
        stack.start_proxy()
        with stack.http() as http:
            ids = [http.post("/v1/chat/completions", json=CHAT).headers["x-request-id"]]
            valkey.kill()
            answers = [http.post("/v1/chat/completions", json=CHAT) for _ in range(3)]
            if on_loss == "refuse":
                assert {(a.status_code, a.json()["error"]["code"]) for a in answers} == {(503, "limiter_unavailable")}
                assert all(int(a.headers["retry-after"]) >= 1 for a in answers)
            else:
                assert {a.status_code for a in answers} == {200}
                ids += [a.headers["x-request-id"] for a in answers]
            valkey.start()
            back = eventually(
                "Redis is used again", lambda: (a := http.post("/v1/chat/completions", json=CHAT)).is_success and a
            )
            ids.append(back.headers["x-request-id"])
        stack.start_writer()
        for request_id in ids:
            assert stack.row(request_id)["usage_source"] == "reported"
        eventually("nothing is open", lambda: stack.rows("SELECT * FROM admitted_calls") == [])
        assert len(stack.rows()) == len(ids)
    finally:
        stack.close()


def test_when_a_target_fails_before_the_first_byte_the_next_one_serves(new_stack, simulator):
    stack: Stack = new_stack()
    text = json.loads(seed_text(simulator.url))
    dead = f"http://127.0.0.1:{free_port()}"
    text["upstreams"].append({"name": "dead", "provider": "openai", "endpoint": dead, "auth": {"none": True}})
    text["upstreams"].append(
        {"name": "busy", "provider": "azure_openai", "endpoint": simulator.url, "auth": {"none": True}}
    )
    text["routes"][0]["targets"] = [
        {"upstream": "dead", "deployment": "gpt-4o", "priority": 0},
        {"upstream": "busy", "deployment": "gpt-4o-busy", "priority": 1},
        {"upstream": "sim", "deployment": "gpt-4o", "priority": 2},
    ]
    text["policies"][0]["unpriced_models"] = "allow"
    stack.seed(json.dumps(text))
    simulator.faults({"path": "/openai/v1/*", "model": "gpt-4o-busy", "faults": {"status": 429, "retry-after": 0}})
    stack.start_proxy()
    stack.start_writer()
    with stack.http() as http:
        for streamed in (False, True):
            answer = http.post("/v1/chat/completions", json={**CHAT, "stream": streamed})
            assert answer.status_code == 200
            row = stack.row(answer.headers["x-request-id"])
            assert (row["upstream"], row["usage_source"]) == ("sim", "reported")
            assert [(a["upstream"], a["status"], a["error_code"]) for a in stack.attempts(row)] == [
                ("dead", None, "upstream_connect_failed"),
                ("busy", 429, "http_429"),
                ("sim", 200, None),
            ]
    simulator.clear()


@pytest.mark.parametrize("fault", ["garbage=1", "cut-after=0", "huge-header=131072"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_target_that_answers_garbage_hands_over_too(new_stack, simulator, fault, streamed):
    stack: Stack = new_stack()
    text = json.loads(seed_text(simulator.url))
    text["upstreams"].append(
        {"name": "bad", "provider": "azure_openai", "endpoint": simulator.url, "auth": {"none": True}}
    )
    text["routes"][0]["targets"] = [
        {"upstream": "bad", "deployment": "gpt-4o", "priority": 0},
        {"upstream": "sim", "deployment": "gpt-4o", "priority": 1},
    ]
    stack.seed(json.dumps(text))
    name, _, value = fault.partition("=")
    simulator.faults({"path": "/openai/v1/*", "faults": {name: int(value) if name != "garbage" else True}})
    stack.start_proxy()
    stack.start_writer()
    with stack.http() as http:
        answer = http.post("/v1/chat/completions", json={**CHAT, "stream": streamed})
    simulator.clear()
    assert answer.status_code == 200
    row = stack.row(answer.headers["x-request-id"])
    assert (row["upstream"], row["status"], row["error_code"], row["usage_source"]) == ("sim", 200, None, "reported")
    assert [(a["upstream"], a["error_code"]) for a in stack.attempts(row)] == [
        ("bad", "upstream_cut_short" if name == "cut-after" else "upstream_bad_answer"),
        ("sim", None),
    ]


def test_the_database_sees_no_connection_of_a_call(new_stack, simulator):
    """Nothing on a call's way waits for Postgres: its connections are the snapshot's, whatever is called."""
    stack: Stack = new_stack()
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    count = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(stack.database_url, autocommit=True) as connection, stack.http() as http:
        before = connection.execute(count).fetchone()
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE api_keys, routes, usage_events IN ACCESS EXCLUSIVE MODE")
        for _ in range(20):
            assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
        connection.execute("ROLLBACK")
        assert connection.execute(count).fetchone() == before
