"""Three targets under faults and one that works: callers see no error, and nobody is called while it asked not to be."""

import asyncio
from time import monotonic

import httpx
import pytest

from tests.proxy.routing.seeds import CHAT, a_target, seed_of
from tests.proxy.stack import Stack, eventually

RATE = 100  # calls a second
FIRST_BYTE = 2.0  # seconds; a loaded machine's healthy target has to keep it
ASKED = 1.0  # seconds for which the first target asks to be left alone
ON_THE_WAY = 0.3  # seconds within which calls that were on their way when it asked may still arrive


async def load(stack: Stack, seconds: float) -> tuple[list[int], list[float]]:
    """Statuses and durations of calls that begin at a steady rate, streams among them."""
    statuses: list[int] = []
    durations: list[float] = []

    async def one(http: httpx.AsyncClient, number: int) -> None:
        began = monotonic()
        answer = await http.post("/v1/chat/completions", json={**CHAT, "stream": number % 2 == 0})
        statuses.append(answer.status_code if answer.text.strip() else 0)
        durations.append(monotonic() - began)

    headers = {"authorization": f"Bearer {stack.key}"}
    limits = httpx.Limits(max_connections=1000)
    async with httpx.AsyncClient(
        base_url=stack.url, headers=headers, timeout=60, limits=limits, trust_env=False
    ) as http:
        calls = []
        begin = monotonic()
        for number in range(round(RATE * seconds)):
            await asyncio.sleep(max(0.0, begin + number / RATE - monotonic()))
            calls.append(asyncio.create_task(one(http, number)))
        await asyncio.gather(*calls)
    return statuses, durations


def waits_in_vain(stack: Stack, calls: int) -> list[int]:
    """How many attempts of each call timed out; empty until the ledger has them all."""
    rows = stack.rows(
        """
        SELECT count(*) FILTER (WHERE a.error_code LIKE '%%timeout') AS waits
          FROM usage_events e LEFT JOIN usage_attempts a ON a.event_id = e.id GROUP BY e.id
        """
    )
    return [row["waits"] for row in rows] if len(rows) == calls else []


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.full)])
def test_no_caller_sees_an_error_while_a_healthy_target_has_capacity(new_stack, start_simulator, tmp_path, seconds):
    config = tmp_path / "simulator.yaml"
    config.write_text("remembered_requests: 100000\n")
    simulator = start_simulator("--config", str(config))
    stack: Stack = new_stack()
    upstream = {"endpoint": simulator.url, "timeouts": {"first_byte": FIRST_BYTE, "answer": FIRST_BYTE}}
    names = ("busy", "hangs", "resets", "well")
    stack.seed(seed_of({"sim": upstream}, [{"model": "m", "targets": [a_target("sim", name) for name in names]}]))
    simulator.faults(
        {"model": "busy", "faults": {"status": 429, "retry-after": ASKED}},
        {"model": "hangs", "faults": {"hang": True}},
        {"model": "resets", "faults": {"reset": True}},
    )
    stack.start_proxy()
    stack.start_writer()

    statuses, durations = asyncio.run(load(stack, seconds))

    assert set(statuses) == {200}
    waits = eventually("all calls are in the ledger", lambda: waits_in_vain(stack, len(statuses)))
    assert max(waits) <= 1  # what faults add to a call is one first-byte time-out at most
    if seconds == 60:  # where the machine has the time for it: less than two of them, whatever else took its time
        assert sorted(durations)[int(len(durations) * 0.99)] < 2 * FIRST_BYTE
    seen = simulator.requests()
    asked = [request for request in seen if request["body"]["model"] == "busy"]
    wishes = [request["answered_at"] for request in asked]
    disregarded = [
        request["arrived_at"] - wish
        for request in asked
        for wish in wishes
        if ON_THE_WAY < request["arrived_at"] - wish < ASKED
    ]
    assert disregarded == []
    assert len(asked) >= 2  # it was asked again when its time was over
    ill = [request for request in seen if request["body"]["model"] in ("hangs", "resets")]
    assert len(ill) < len(seen) / 4  # circuits keep calls away: a share of two thirds falls to where it is answered
