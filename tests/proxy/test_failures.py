"""Any one of proxy, writer, Redis and Postgres is killed under load, at seeded moments: every admitted call ends as exactly
one row, and the rollups are the sum of the rows.
"""

import random
import threading
import time
import uuid
from dataclasses import dataclass, field

import httpx
import pytest

from core.store import Database, migrate
from deployer.local.ports import free_port
from tests.proxy.stack import Stack, eventually

VICTIMS = ("proxy", "writer", "redis", "postgres")
CALLERS = 6
LOAD_SECONDS = 5.0


@dataclass
class Load:
    """Callers that mix whole, streamed and abandoned calls, and remember what they were told."""

    stack: Stack
    ports: list[int]
    seed: int
    answered: dict[str, tuple[int, bool]] = field(default_factory=dict)  # request id → status, whether read to its end
    broken: set[str] = field(default_factory=set)  # their connection broke: admitted or not, nobody told
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, caller: int) -> None:
        chance = random.Random(self.seed * 1000 + caller)
        while not self.stop.is_set():
            request_id = f"load-{uuid.uuid4().hex}"
            kind = chance.choice(("whole", "whole", "stream", "abandoned"))
            body = {
                "model": "gpt-4o",
                "messages": [{"role": "user", "content": f"write {chance.randint(1, 20)} tokens"}],
                "stream": kind != "whole",
            }
            headers = {"x-request-id": request_id, "x-simulate": "chunk-delay=0.005", "api-key": self.stack.key}
            url = f"http://127.0.0.1:{chance.choice(self.ports)}/v1/chat/completions"
            try:
                with httpx.stream("POST", url, json=body, headers=headers, timeout=20, trust_env=False) as answer:
                    if kind == "abandoned":
                        next(answer.iter_raw(), None)
                        self.answered[request_id] = (answer.status_code, False)
                        continue
                    text = b"".join(answer.iter_raw())
                    ended = kind == "whole" or b"[DONE]" in text or answer.status_code != 200
                    self.answered[request_id] = (answer.status_code, ended)
                if answer.status_code == 503:
                    time.sleep(0.02)  # refused while Redis is away: do not spin
            except httpx.HTTPError:
                self.broken.add(request_id)
                time.sleep(0.02)  # the process is away: do not spin


def kill_under_load(stack: Stack, simulator, victim: str, seed: int, kill, start) -> Load:
    """One round: load, a kill at a seeded moment, a restart at another, load, and quiet."""
    chance = random.Random(seed)
    load = Load(stack, [stack.port, stack.second_port], seed)
    callers = [threading.Thread(target=load.run, args=(n,)) for n in range(CALLERS)]
    for caller in callers:
        caller.start()
    moments = sorted(chance.uniform(0.5, LOAD_SECONDS - 1.5) for _ in range(2))
    time.sleep(moments[0])
    kill()
    time.sleep(max(0.2, moments[1] - moments[0]))
    start()
    time.sleep(LOAD_SECONDS - moments[1])
    load.stop.set()
    for caller in callers:
        caller.join(30)
    return load


ROUNDS = [(victim, 1) for victim in VICTIMS] + [
    pytest.param(victim, seed, marks=pytest.mark.full) for victim in VICTIMS for seed in range(2, 8)
]


@pytest.mark.parametrize(("victim", "seed"), ROUNDS)
def test_a_kill_loses_no_call_and_doubles_none(victim, seed, simulator, start_postgres, start_valkey, tmp_path_factory):
    # What a test's fast settings would lose at a kill is not what is tested here: commits are durable.
    postgres = start_postgres(settings={"synchronous_commit": "on"})
    migrate(Database(postgres.url()))
    valkey = start_valkey()
    stack = Stack(tmp_path_factory.mktemp("kill"), postgres.url(), valkey.url, lease_seconds="3", redis_timeout="0.5")
    stack.second_port = free_port()
    try:
        stack.seed_simulator(simulator.url, on_limiter_loss="refuse" if seed % 2 else "allow")
        stack.start_proxy("proxy-0")
        stack.start_proxy("proxy-1", port=stack.second_port)
        stack.start_writer()
        kills = {
            "proxy": (lambda: stack.stop("proxy-0", number=9), lambda: stack.start_proxy("proxy-0")),
            "writer": (stack.kill_writer, stack.start_writer),
            "redis": (valkey.kill, valkey.start),
            "postgres": (postgres.kill, postgres.start),
        }
        load = kill_under_load(stack, simulator, victim, seed, *kills[victim])

        admitted = {i for i, (status, _) in load.answered.items() if status not in (401, 503)}
        assert len(admitted) > 20, "the load did not load"

        def told() -> set[str]:
            return {row["request_id"] for row in stack.rows("SELECT request_id FROM usage_events")}

        eventually("every admitted call has its row", lambda: admitted <= told(), within=60)
        eventually("no call is open", lambda: not stack.rows("SELECT id FROM admitted_calls"), within=60)

        rows = stack.rows()
        ids = [row["request_id"] for row in rows]
        assert len(ids) == len(set(ids)), "a call has two rows"
        # Refused ones have none, and there is none that nobody made.
        refused = {i for i, (status, _) in load.answered.items() if status in (401, 503)}
        assert not refused & set(ids)
        assert set(ids) <= admitted | load.broken
        by_id = {row["request_id"]: row for row in rows}
        ended = [by_id[i] for i, (status, whole) in load.answered.items() if whole and status == 200]
        assert all(row["usage_source"] == "reported" and row["status"] == 200 for row in ended)
        estimated = [row for row in rows if row["usage_source"] == "estimated"]
        assert all(row["request_id"] in load.broken or not load.answered[row["request_id"]][1] for row in estimated)
        if victim != "proxy":
            assert not estimated

        [summed] = stack.rows(
            "SELECT sum(calls)::int AS calls, sum(cost_usd) AS cost, sum(output_tokens)::int AS output FROM usage_rollups"
        )
        assert summed == {
            "calls": len(rows),
            "cost": sum(row["cost_usd"] for row in rows),
            "output": sum(row["output_tokens"] for row in rows),
        }
    finally:
        stack.close()
