"""One breaker for all machines: each counts its own calls, and none alone decides by them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard.calls.shared import SharedCircuit
from taskyard.contracts.connections import BreakerRow
from taskyard.errors import CircuitOpen, Overloaded
from taskyard.store.sqlite import SqliteStore
from taskyard.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(str(tmp_path / "t.db"), clock)
    await made.migrate()
    await made.open()
    yield made
    await made.close()


async def calls(circuit: SharedCircuit, failed: int, of: int) -> None:
    for number in range(of):
        await circuit.tell(await circuit.enter(), failed=number < failed)


async def test_what_two_machines_count_is_judged_together(store: SqliteStore, clock: ManualClock) -> None:
    here, there = (SharedCircuit("billing", clock, store) for _ in range(2))
    await calls(here, 5, 9)
    assert here.figures()["state"] == "closed"
    clock.move(1)
    await calls(there, 1, 1)
    clock.move(1)
    await here.enter()
    for circuit in (there, here):
        with pytest.raises(CircuitOpen):
            await circuit.enter()
        clock.move(1)


async def test_a_breaker_opens_at_once_and_elsewhere_within_a_second(store: SqliteStore, clock: ManualClock) -> None:
    here, there = (SharedCircuit("billing", clock, store) for _ in range(2))
    await calls(there, 0, 1)
    await calls(here, 3, 10)
    with pytest.raises(CircuitOpen) as caught:
        await here.enter()
    assert caught.value.retry_after == 30
    clock.move(1)
    with pytest.raises(CircuitOpen):
        await there.enter()


async def open_circuits(store: SqliteStore, clock: ManualClock) -> list[SharedCircuit]:
    circuits = [SharedCircuit("billing", clock, store) for _ in range(3)]
    await calls(circuits[0], 10, 10)
    clock.move(30)
    return circuits


async def test_half_open_one_probe_is_made_for_all(store: SqliteStore, clock: ManualClock) -> None:
    circuits = await open_circuits(store, clock)
    asked = await asyncio.gather(*(circuit.enter() for circuit in circuits), return_exceptions=True)
    permits = [each for each in asked if not isinstance(each, BaseException)]
    assert [permit.probe for permit in permits] == [True]
    assert sum(isinstance(each, CircuitOpen) for each in asked) == 2
    await circuits[asked.index(permits[0])].tell(permits[0], failed=False)
    clock.move(1)
    for circuit in circuits:
        assert not (await circuit.enter()).probe


async def test_a_probe_that_fails_keeps_it_open(store: SqliteStore, clock: ManualClock) -> None:
    first, second, _ = await open_circuits(store, clock)
    await first.tell(await first.enter(), failed=True)
    clock.move(29)
    for circuit in (first, second):
        with pytest.raises(CircuitOpen):
            await circuit.enter()
    clock.move(1)
    assert (await second.enter()).probe


async def test_of_a_probe_that_never_tells_nothing_remains(store: SqliteStore, clock: ManualClock) -> None:
    first, second, _ = await open_circuits(store, clock)
    await first.enter()
    clock.move(29)
    with pytest.raises(CircuitOpen):
        await second.enter()
    clock.move(1)
    assert (await second.enter()).probe


async def test_a_probe_that_is_given_back_is_anothers(store: SqliteStore, clock: ManualClock) -> None:
    first, second, _ = await open_circuits(store, clock)
    await first.give_back(await first.enter())
    assert (await second.enter()).probe


async def test_old_failures_are_forgotten(store: SqliteStore, clock: ManualClock) -> None:
    circuit = SharedCircuit("billing", clock, store)
    await calls(circuit, 9, 9)
    clock.move(61)
    await calls(circuit, 1, 1)
    assert circuit.figures() == {"state": "closed", "failureRate": 1.0, "opensIn": 0.0}


class Away:
    """A store that cannot be reached."""

    async def breaker(self, name: str) -> BreakerRow | None:
        raise Overloaded("the store is away")

    async def save_breaker(self, name: str, row: BreakerRow) -> bool:
        raise Overloaded("the store is away")


async def test_without_the_store_each_process_goes_by_what_it_has_seen(clock: ManualClock) -> None:
    circuit = SharedCircuit("billing", clock, Away())
    await calls(circuit, 0, 9)
    clock.move(2)
    await calls(circuit, 0, 1)
    assert circuit.figures()["state"] == "closed"
    for _ in range(5):
        await circuit.tell(await circuit.enter(), failed=True)
    with pytest.raises(CircuitOpen):
        await circuit.enter()
