from __future__ import annotations

import asyncio

import pytest

from taskyard.calls.breakers import Breakers, Circuit
from taskyard.domain.breaker import SERVICE, BreakerState
from taskyard.errors import CallFailed, CircuitOpen, EgressRefused
from taskyard.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def circuit(clock: ManualClock) -> Circuit:
    return Breakers(clock).circuit("service:user", SERVICE)


def fail(circuit: Circuit, error: BaseException, times: int = 10) -> None:
    for _ in range(times):
        with pytest.raises(type(error)), circuit.call():
            raise error


def test_it_opens_says_when_to_come_back_and_closes_after_a_probe(circuit: Circuit, clock: ManualClock) -> None:
    fail(circuit, CallFailed("away", reason="connect"))
    assert circuit.figures() == {"state": "open", "failureRate": 1.0, "opensIn": 30.0}
    with pytest.raises(CircuitOpen, match="service:user") as refused, circuit.call():
        pytest.fail("a call through an open circuit")
    assert refused.value.retry_after == 30.0
    clock.move(30)
    assert circuit.state is BreakerState.HALF_OPEN
    with circuit.call(), pytest.raises(CircuitOpen), circuit.call():
        pytest.fail("two probes at once")
    assert circuit.figures() == {"state": "closed", "failureRate": 0.0, "opensIn": 0.0}


@pytest.mark.parametrize(
    "error",
    [
        CallFailed("no", reason="status", retryable=False),
        EgressRefused("not there"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
    ],
)
def test_what_is_no_outage_opens_nothing(circuit: Circuit, error: BaseException) -> None:
    fail(circuit, error, 30)
    assert circuit.state is BreakerState.CLOSED


@pytest.mark.parametrize("error", [OSError("reset"), TimeoutError(), ValueError("nonsense came back")])
def test_what_is_one_opens(circuit: Circuit, error: Exception) -> None:
    fail(circuit, error)
    assert circuit.state is BreakerState.OPEN


def test_a_probe_that_is_cancelled_makes_room_for_another(circuit: Circuit, clock: ManualClock) -> None:
    fail(circuit, OSError("reset"))
    clock.move(30)
    fail(circuit, asyncio.CancelledError(), 3)
    assert circuit.state is BreakerState.HALF_OPEN
    with circuit.call():
        pass
    assert circuit.state is BreakerState.CLOSED


def test_all_are_told_by_name(clock: ManualClock) -> None:
    breakers = Breakers(clock)
    fail(breakers.circuit("connection:1"), OSError())
    breakers.circuit("connection:2")
    assert breakers.circuit("connection:1") is breakers.circuit("connection:1")
    assert {name: figures["state"] for name, figures in breakers.figures().items()} == {
        "connection:1": "open",
        "connection:2": "closed",
    }
    breakers.remove("connection:1")
    assert list(breakers.figures()) == ["connection:2"]
