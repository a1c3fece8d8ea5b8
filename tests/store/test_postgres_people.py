"""Claims of people who may have only so many tasks: one after the other for each of them, and beside others'."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskyard.contracts.connections import Begun
from taskyard.contracts.inbox import Room
from taskyard.contracts.records import Opened
from taskyard.domain.gate import RateGate
from taskyard.domain.lifecycle import EventType
from taskyard.domain.rate import parse_rate
from taskyard.errors import Full
from taskyard.store.postgres import PostgresStore
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import Bench
from tests.support import eventually

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_HELD = "SELECT 1 FROM taskyard.open WHERE task_id = $1 FOR UPDATE"


_TEN = RateGate("connection/billing", parse_rate("10/s"))
_AT_GATE = "SELECT 1 FROM taskyard.gate WHERE name = $1 FOR UPDATE"


@pytest.fixture
async def bench(migrated_dsn: str) -> AsyncIterator[Bench]:
    clock = ManualClock()
    store = PostgresStore(migrated_dsn, clock)
    await store.open()
    yield await Bench.on(store, clock)
    await store.close()


async def test_who_does_not_get_to_a_gate_for_others_is_told_when_to_come_back(bench: Bench, migrated_dsn: str) -> None:
    assert (await bench.store.begin_call([_TEN], 1)).call_id is not None
    holding = await asyncpg.connect(migrated_dsn)
    try:
        async with holding.transaction():
            await holding.execute(_AT_GATE, _TEN.name)
            assert await bench.store.begin_call([_TEN], 1) == Begun(None, None, bench.clock.now())
    finally:
        await holding.close()
    assert (await bench.store.begin_call([_TEN], 1)).call_id is not None


async def test_one_persons_claim_does_not_wait_for_anothers(bench: Bench, migrated_dsn: str) -> None:
    store = bench.store
    assert isinstance(store, PostgresStore)
    first, second, third, *others = [await bench.opened(opened=Opened("GROUP", "ops")) for _ in range(8)]

    def claim(task_id: int, person: str) -> asyncio.Task[bool]:
        opened, room = Opened("GROUP", "ops", person), Room(person, 1)
        return asyncio.create_task(store.change_open(task_id, opened, EventType.CLAIMED, {}, None, room))

    holding, looking = await asyncpg.connect(migrated_dsn), await asyncpg.connect(migrated_dsn)

    async def wait_for(count: int) -> None:
        async def are_waiting() -> bool:
            return bool(await looking.fetchval(_WAITING) == count)

        await eventually(are_waiting)

    try:
        async with holding.transaction():
            await holding.execute(_HELD, first)
            slow = claim(first, "ann")
            await wait_for(1)
            more = [claim(task_id, "ann") for task_id in (third, *others)]  # more than there are connections
            assert await asyncio.wait_for(claim(second, "bob"), 60)
            given = asyncio.create_task(store.give(third, 9, ["ann", "bob"], lambda loads: min(loads)))
            await wait_for(2)
        assert await slow
        assert [type(each) for each in await asyncio.gather(*more, return_exceptions=True)] == [Full] * len(more)
        await given
        assert not store.takers  # nothing is kept of who waits no more
    finally:
        await holding.close()
        await looking.close()
