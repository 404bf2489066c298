"""A circuit opens on failures in a row or on their share, and one probe at a time closes it."""

import pytest

from proxy.targets.circuit import Circuit, CircuitRules, CircuitState

RULES = CircuitRules(consecutive=3, share=0.5, least=10, window=10.0, first_open=1.0, longest_open=5.0)


def fail(circuit: Circuit, now: float, times: int = 1) -> bool:
    return [circuit.failed(now, now) for _ in range(times)][-1]


def test_failures_in_a_row_open_it():
    circuit = Circuit(RULES)
    assert not fail(circuit, 0.0, 2)
    assert fail(circuit, 0.0)
    assert circuit.state(0.5) is CircuitState.OPEN
    assert not circuit.admits(0.5)


def test_a_success_between_them_starts_the_row_anew():
    circuit = Circuit(RULES)
    fail(circuit, 0.0, 2)
    circuit.succeeded(0.0, 0.0)
    assert not fail(circuit, 0.0, 2)


@pytest.mark.parametrize(("good", "bad", "opens"), [(5, 5, True), (6, 5, False), (4, 4, False)])
def test_a_share_of_failures_among_enough_attempts_opens_it(good, bad, opens):
    circuit = Circuit(CircuitRules(consecutive=100, share=0.5, least=10))
    for _ in range(good):
        circuit.succeeded(0.0, 0.0)
    assert fail(circuit, 0.0, bad) is opens


def test_what_lies_behind_the_window_is_not_counted():
    circuit = Circuit(CircuitRules(consecutive=100, share=0.5, least=10, window=10.0))
    fail(circuit, 0.0, 9)
    assert not fail(circuit, 20.0)
    circuit = Circuit(CircuitRules(consecutive=100, share=0.5, least=10, window=10.0))
    fail(circuit, 0.0, 9)
    assert fail(circuit, 7.0)  # the last half still counts


def test_silence_opens_it_at_once():
    circuit = Circuit(RULES)
    assert circuit.failed(0.0, 1.0, silent=True)


def test_one_probe_at_a_time_passes_when_it_is_half_open():
    circuit = Circuit(RULES)
    fail(circuit, 0.0, 3)
    assert circuit.state(1.0) is CircuitState.HALF_OPEN
    assert circuit.admits(1.0)
    circuit.begin(1.0)
    assert not circuit.admits(1.1)
    assert circuit.succeeded(1.0, 1.2)
    assert circuit.state(1.2) is CircuitState.CLOSED


def test_a_probe_that_fails_doubles_the_time_up_to_a_bound():
    circuit, now, opens = Circuit(RULES), 0.0, []
    fail(circuit, now, 3)
    for _ in range(5):
        opens.append(circuit.open_for)
        now = circuit.open_until
        circuit.begin(now)
        assert circuit.failed(now, now)
    assert opens == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_probe_whose_caller_hung_up_lets_the_next_one_go():
    circuit = Circuit(RULES)
    fail(circuit, 0.0, 3)
    circuit.begin(1.0)
    circuit.abandoned(1.0)
    assert circuit.admits(1.1)


def test_what_began_before_it_opened_neither_closes_it_nor_doubles_its_time():
    circuit = Circuit(RULES)
    fail(circuit, 10.0, 3)
    assert not circuit.succeeded(9.0, 10.5)
    assert not circuit.failed(9.0, 10.5)
    assert (circuit.state(10.5), circuit.open_for) == (CircuitState.OPEN, 1.0)


def test_late_failures_of_an_outage_do_not_open_it_again():
    circuit = Circuit(RULES)
    fail(circuit, 0.0, 3)
    circuit.begin(1.0)
    circuit.succeeded(1.0, 1.5)
    assert not any(circuit.failed(0.5, 2.0) for _ in range(10))
    assert circuit.state(2.0) is CircuitState.CLOSED
