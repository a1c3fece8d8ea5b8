"""After a pause of the machine, or of a file that somebody has locked, everybody looks dead to a SQLite store too."""

from collections.abc import AsyncIterator

import pytest

from taskyard.contracts.records import LEADER_GAP_US, WORKER_TTL_US
from taskyard.store.sqlite import SqliteStore
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import SECOND, Bench

_LEASE_US = 4 * SECOND


class WallClock(ManualClock):
    """Told by the test, but a wall clock for all that the store knows."""

    moved_by_hand = False


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = WallClock()
    store = SqliteStore(":memory:", clock)
    await store.open()
    yield await Bench.on(store, clock)
    await store.close()


async def lead_for(bench: Bench, seconds: int) -> None:
    """Somebody leads for so long."""
    for _ in range(seconds):
        bench.clock.move(1)
        assert await bench.store.lead("upkeep", "leader", _LEASE_US)


async def test_nobody_is_given_up_for_a_pause(bench: Bench) -> None:
    await lead_for(bench, 20)
    held = await bench.running()
    assert await bench.store.beat(bench.worker_id, [held.task_id], {})
    bench.clock.move(40)
    await lead_for(bench, 5)
    assert await bench.store.lost(10) == []
    assert await bench.store.beat(bench.worker_id, [held.task_id], {})
    await lead_for(bench, 8)
    assert await bench.store.lost(10) == []


async def test_who_stays_silent_after_a_pause_is_given_up(bench: Bench) -> None:
    held = await bench.running()
    await lead_for(bench, 2)
    bench.clock.move(40)
    await lead_for(bench, WORKER_TTL_US // SECOND + 2)
    assert [task.task_id for task in await bench.store.lost(10)] == [held.task_id]


async def test_another_leader_goes_on_without_a_pause(bench: Bench) -> None:
    held = await bench.running()
    await lead_for(bench, 10)
    bench.clock.move(LEADER_GAP_US / SECOND - 1)
    assert await bench.store.lead("upkeep", "another", _LEASE_US)
    assert [task.task_id for task in await bench.store.lost(10)] == [held.task_id]


async def test_where_nobody_leads_the_silent_are_given_up(bench: Bench) -> None:
    held = await bench.running()
    bench.clock.move(WORKER_TTL_US / SECOND)
    assert [task.task_id for task in await bench.store.lost(10)] == [held.task_id]


async def test_nothing_ends_before_it_began(bench: Bench) -> None:
    """Time was asked before the request had its turn."""
    (held, other) = [await bench.running() for _ in range(2)]
    bench.clock._now -= 5 * SECOND
    await bench.settle(held)
    await bench.store.cancel(other.task_id, None, None, None)
    for task_id in (held.task_id, other.task_id):
        (attempt,) = await bench.store.attempts(task_id)
        assert attempt.started_at is not None
        assert attempt.finished_at >= attempt.started_at
