"""Pepper and master key rotated under calls: nobody is refused, and the old ones can be taken away."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import threading

import httpx
import psycopg
import pytest

from core.keys import Peppers, generate
from core.secrets.database import MasterKeys, store_secret
from core.secrets.resolver import open_resolver
from deployer.local.ports import free_port
from tests.proxy.stack import Stack, eventually, seed_text

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
OLD = {"ADUANA_PEPPERS": "1=env:TEST_PEPPER", "ADUANA_MASTER_KEYS": "1=env:MASTER_1"}
BOTH = {"ADUANA_PEPPERS": "1=env:TEST_PEPPER,2=env:PEPPER_2", "ADUANA_MASTER_KEYS": "1=env:MASTER_1,2=env:MASTER_2"}
NEW = {"ADUANA_PEPPERS": "2=env:PEPPER_2", "ADUANA_MASTER_KEYS": "2=env:MASTER_2"}


class Callers(threading.Thread):
    """Calls one proxy after the other with one key until it is stopped; what went wrong is kept."""

    def __init__(self, stack: Stack, ports: list[int]) -> None:
        super().__init__(daemon=True)
        self.stack, self.ports, self.calls, self.wrong = stack, ports, 0, list[str]()
        self.stopped = threading.Event()

    def run(self) -> None:
        with self.stack.http() as http:
            while not self.stopped.is_set():
                for port in list(self.ports):
                    try:
                        answer = http.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=CHAT)
                        if answer.status_code != 200:
                            self.wrong.append(f"{port}: {answer.status_code} {answer.text}")
                    except httpx.HTTPError as error:
                        self.wrong.append(f"{port}: {error!r}")
                    self.calls += 1


def aduana(stack: Stack, *arguments: str, **environment: str) -> int:
    """The program's exit code, with the proxies' settings."""
    command = [sys.executable, "-c", "from deployer.cli import main; main()", *arguments]
    return subprocess.run(command, env={**stack.environment, **environment}, capture_output=True, timeout=60).returncode


async def seal(stack: Stack, name: str, value: str) -> None:
    keys = MasterKeys({1: "env:MASTER_1"}, open_resolver(stack.environment, ttl=60))
    async with await psycopg.AsyncConnection.connect(stack.database_url) as connection:
        await store_secret(connection, await keys.seal(name, value))


@pytest.mark.timeout(600)  # seven starts of a proxy
def test_pepper_and_master_key_are_rotated_while_callers_call_and_the_old_ones_go(new_stack, fresh_simulator):

    stack: Stack = new_stack(secret_ttl="1")
    stack.environment |= {
        "PEPPER_2": "second-pepper-" + "x" * 32,
        "MASTER_1": base64.b64encode(os.urandom(32)).decode(),
        "MASTER_2": base64.b64encode(os.urandom(32)).decode(),
    }
    document = json.loads(seed_text(fresh_simulator.url))
    document["upstreams"][0]["auth"] = {"secret_ref": "db://aoai"}
    asyncio.run(seal(stack, "aoai", "the-providers-key"))
    stack.seed(json.dumps(document))
    made = generate()  # a key whose secret is known to its owner alone
    version, digest = Peppers({1: stack.environment["TEST_PEPPER"].encode()}).digest(made.secret)
    stack.execute(
        "INSERT INTO api_keys (id, app_id, name, pepper_version, digest) SELECT %s, id, 'made', %s, %s FROM apps",
        made.id,
        version,
        digest,
    )
    stack.execute("UPDATE api_keys SET secret_ref = NULL")
    stack.key = made.text
    ports = [free_port(), free_port()]
    for number, port in enumerate(ports):
        stack.start_proxy(f"proxy-{number}", port=port, **OLD)
    callers = Callers(stack, ports)
    callers.start()

    def restart_all(environment: dict[str, str]) -> None:
        """One after the other, as a rolling update does: the one that goes is asked no more."""
        for number, port in enumerate(tuple(ports)):
            ports.remove(port)
            before = callers.calls
            eventually("calls in flight are over", lambda before=before: callers.calls > before + 2)
            stack.stop(f"proxy-{number}")
            stack.start_proxy(f"proxy-{number}", port=port, **environment)
            ports.append(port)

    assert aduana(stack, "secrets", "rotate", **BOTH) == 3, "the proxies do not hold the new ones"
    restart_all(BOTH)
    assert stack.rows("SELECT DISTINCT pepper_version AS v FROM api_keys WHERE id = %s", made.id) == [{"v": 1}]
    assert aduana(stack, "secrets", "rotate", **BOTH) == 0
    eventually(
        "the key that is used is under the new pepper",
        lambda: stack.rows("SELECT 1 FROM api_keys WHERE id = %s AND pepper_version = 2", made.id),
    )
    assert stack.rows("SELECT DISTINCT master_key_version AS v FROM secrets") == [{"v": 2}]
    restart_all(NEW)
    calls = callers.calls
    eventually("calls go on", lambda: callers.calls > calls + 10)
    callers.stopped.set()
    callers.join(30)
    assert callers.wrong == []
    sent = {
        dict(request["headers"]).get("api-key") for request in fresh_simulator.requests() if request["method"] == "POST"
    }
    assert sent == {"the-providers-key"}
    events = stack.rows("SELECT action FROM audit_events WHERE action IN ('reseal', 'rotate', 'rehash') ORDER BY seq")
    assert [event["action"] for event in events] == ["reseal", "rotate", "rehash"]


def test_a_proxy_without_the_right_to_write_keys_serves_on_and_says_why_they_stay(new_stack, fresh_simulator):
    stack: Stack = new_stack()
    stack.environment["PEPPER_2"] = "second-pepper-" + "x" * 32
    stack.seed_simulator(fresh_simulator.url)
    stack.execute("INSERT INTO pepper_rotation (version) VALUES (2)")
    stack.execute("REVOKE ALL ON api_keys FROM PUBLIC")
    role = f"reader_{os.urandom(4).hex()}"
    stack.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'reader'")
    try:
        stack.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        url = stack.database_url.split("@", 1)[1]
        stack.start_proxy(
            ADUANA_DATABASE_URL=f"postgresql://{role}:reader@{url}", ADUANA_PEPPERS="1=env:TEST_PEPPER,2=env:PEPPER_2"
        )
        with stack.http() as http:
            assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
            eventually("it says why", lambda: "keys stay under an older pepper" in stack.log("proxy-0"))
            assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
        assert "permission denied" in stack.log("proxy-0")
    finally:
        stack.close()
        stack.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
