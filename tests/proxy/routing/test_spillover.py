"""A provisioned deployment first, others while it is full or says so, back as soon as it allows; replicas tell each other."""

import pytest

from deployer.local.ports import free_port
from tests.proxy.routing.seeds import CHAT, a_target, seed_of
from tests.proxy.stack import Stack, eventually


@pytest.fixture
def ptu(new_stack, start_simulator):
    """A stack with a provisioned deployment in front of another one, and its simulator."""
    simulator = start_simulator()
    stack: Stack = new_stack()
    targets = [a_target("sim", "ptu", priority=0, spill_at=95), a_target("sim", "paygo", priority=1)]
    stack.seed(seed_of({"sim": simulator.url}, [{"model": "m", "targets": targets}]))
    stack.start_proxy()
    yield stack, simulator


def asked(simulator) -> list[str]:
    return [request["body"]["model"] for request in simulator.requests()]


def ask(stack: Stack, port: int | None = None, **body):
    with stack.http() as http:
        return http.post(f"http://127.0.0.1:{port or stack.port}/v1/chat/completions", json={**CHAT, **body})


def test_calls_spill_over_while_it_says_that_it_is_full_and_come_back(ptu):
    stack, simulator = ptu
    simulator.provisioned(ptu={"utilization": 96.0})
    assert [ask(stack).status_code for _ in range(3)] == [200, 200, 200]
    assert asked(simulator)[0] == "ptu" and "paygo" in asked(simulator)
    simulator.provisioned(ptu={"utilization": 20.0})
    eventually("calls are back", lambda: ask(stack) and asked(simulator)[-2:] == ["ptu", "ptu"])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_429_is_served_by_the_next_and_left_alone_for_as_long_as_it_asks(ptu, streamed):
    stack, simulator = ptu
    simulator.provisioned(ptu={"utilization": 100, "retry_after": 1.5})

    def asked_twice() -> bool:
        assert ask(stack, stream=streamed).status_code == 200
        return asked(simulator).count("ptu") == 2

    eventually("it is asked again", asked_twice)
    times = [r["arrived_at"] for r in simulator.requests() if r["body"]["model"] == "ptu"]
    assert times[1] - times[0] > 1.45


def test_what_one_replica_learns_the_others_know_and_those_that_start_later(ptu):
    stack, simulator = ptu
    second, third = free_port(), free_port()
    stack.start_proxy("proxy-1", port=second)
    simulator.provisioned(ptu={"utilization": 100, "retry_after": 600})
    assert ask(stack).status_code == 200
    eventually("the other replica knows", lambda: stack.states(second).get(("sim", "ptu")) == "cooling")
    stack.start_proxy("proxy-2", port=third)
    eventually("a later one knows", lambda: stack.states(third).get(("sim", "ptu")) == "cooling")
    assert [ask(stack, port).status_code for port in (second, third)] == [200, 200]
    assert asked(simulator).count("ptu") == 1


def test_a_circuit_that_one_replica_opened_is_open_for_all_and_closed_by_anyones_probe(ptu):
    stack, simulator = ptu
    second = free_port()
    stack.start_proxy("proxy-1", port=second)
    simulator.faults({"model": "ptu", "faults": {"status": 500}})
    for _ in range(5):
        assert ask(stack).status_code == 200
    ill = {"open", "half_open"}
    eventually("both know", lambda: ill >= {stack.states(port).get(("sim", "ptu")) for port in (stack.port, second)})
    simulator.faults()
    eventually("calls come back", lambda: ask(stack, second) and asked(simulator)[-1] == "ptu")
    eventually(
        "both closed", lambda: {stack.states(port)[("sim", "ptu")] for port in (stack.port, second)} == {"closed"}
    )


def test_a_redis_that_forgets_is_told_again(new_stack, start_simulator, start_valkey, database_url, tmp_path):
    simulator, valkey = start_simulator(), start_valkey()
    stack = Stack(tmp_path / "stack", database_url, valkey.url)
    try:
        targets = [a_target("sim", "ptu"), a_target("sim", "paygo", priority=1)]
        stack.seed(seed_of({"sim": simulator.url}, [{"model": "m", "targets": targets}], on_limiter_loss="allow"))
        stack.start_proxy()
        simulator.faults({"model": "ptu", "faults": {"status": 429, "retry-after": 600}})
        assert ask(stack).status_code == 200
        valkey.kill()
        assert ask(stack).status_code == 200  # no call waits for the board
        valkey.start()
        port = free_port()
        stack.start_proxy("proxy-1", port=port)
        eventually("it is told again", lambda: stack.states(port).get(("sim", "ptu")) == "cooling")
        assert asked(simulator).count("ptu") == 1
    finally:
        stack.close()
