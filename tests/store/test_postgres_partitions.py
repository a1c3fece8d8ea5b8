"""Partitions by time: made ahead, compacted and dropped, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from taskyard.contracts.records import Filter, Opened
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.errors import Overloaded
from taskyard.store.postgres import PostgresStore, compaction
from taskyard.store.postgres.partitions import HOUR_US, TABLES, Span, spans
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import HOUR, SECOND, Bench
from tests.support import eventually

DAY = 86_400
RETENTION = 30 * DAY * SECOND
LAWLESS = (
    "SELECT t.id, array_agg(p.place || ' ' || p.attempt) FROM taskyard.task t "
    "LEFT JOIN taskyard.place p ON p.task_id = t.id GROUP BY t.id HAVING count(p.place) <> 1"
)
STRAY_TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'taskyard'::regnamespace AND relkind = 'r' "
    r"AND NOT relispartition AND relname ~ '_\d{10}_'"
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(migrated_dsn: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(migrated_dsn, clock)
    await store.open()
    for span in await spans(store.db.relaxed):  # that of the real time, which is not this clock's
        await compaction.compact(store.db.relaxed, span, 0)
    yield store
    await store.close()


@pytest.fixture
async def bench(store: PostgresStore, clock: ManualClock) -> Bench:
    """A worker at a time for which there are partitions."""
    await store.make_room(RETENTION)
    clock.move(2 * HOUR / SECOND)
    return await Bench.on(store, clock)


async def grow_old(bench: Bench) -> Span:
    """The present span, 60 days later."""
    (span, *_) = await present_spans(bench)
    bench.clock.move(60 * DAY)
    return span


async def present_spans(bench: Bench) -> list[Span]:
    store = bench.store
    assert isinstance(store, PostgresStore)
    return await spans(store.db.relaxed)


async def rows(store: Any, sql: str) -> list[Any]:
    return list(await store.db.relaxed.fetch(sql))


async def in_order(bench: Bench) -> None:
    """The law holds, and nothing is left of tables that are no partitions."""
    assert await rows(bench.store, LAWLESS) == []
    assert await rows(bench.store, STRAY_TABLES) == []


async def prune(bench: Bench) -> int:
    return await bench.store.prune(bench.clock.now() - RETENTION)


async def test_there_is_always_room_ahead_and_never_much(store: PostgresStore, clock: ManualClock) -> None:
    for day in range(90):
        await store.make_room(RETENTION)
        hour = clock.now() // HOUR_US
        held = await spans(store.db.relaxed)
        assert all(one.end == other.begin for one, other in pairwise(held))
        assert held[-1].end > hour + 120
        assert day == 0 or held[0].begin <= hour
        assert len(held) <= 10
        await store.prune(clock.now() - RETENTION)
        clock.move(DAY)


async def test_a_young_database_has_one_span_from_the_start(migrated_dsn: str) -> None:
    store = PostgresStore(migrated_dsn)
    await store.open()
    (span,) = await spans(store.db.relaxed)
    await store.make_room(RETENTION)
    held = await spans(store.db.relaxed)
    now = await store.now()
    await store.close()
    assert span.begin * HOUR_US <= now
    assert held[0] == span
    assert len(held) == 2


async def test_room_is_made_around_what_is_there_already(bench: Bench) -> None:
    """Tasks of a clock that ran ahead are in the way of no span."""
    bench.clock.move(200 * DAY)
    ahead = await bench.put_one()
    await bench.store.make_room(RETENTION)
    assert all(not span.low <= ahead < span.high for span in await present_spans(bench))
    assert await bench.state(ahead) is State.PENDING


@pytest.mark.parametrize("few", [5000, 0])
async def test_what_is_kept_moves_on_and_the_rest_is_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(compaction, "_FEW", few)
    ended = [await bench.ended(), await bench.ended(Outcome.FAILED)]
    kept = [await bench.opened(), await bench.opened(Outcome.WAITING)]
    span = await grow_old(bench)
    stories = [await bench.store.story(id_, 0, 10) for id_ in kept]
    assert await prune(bench) == 2
    assert [await bench.store.story(id_, 0, 10) for id_ in kept] == stories
    assert await bench.store.facts(ended) == []
    held = await present_spans(bench)
    assert span not in held
    assert [one.begin for one in held if one.kept] == ([] if few else [span.begin])
    await in_order(bench)
    assert await bench.store.cancel(kept[0], None, None, None)
    bench.clock.move(60 * DAY)
    assert await prune(bench) == 1
    assert [facts.body.id for facts in await bench.store.facts(kept)] == kept[1:]
    monkeypatch.undo()
    await prune(bench)
    assert not any(one.kept for one in await present_spans(bench))
    assert await bench.state(kept[1]) is State.WAITING
    await in_order(bench)


@pytest.mark.parametrize("step", ["_exchange", "sweep_up", "_catch_up", "detach", "attach"])
async def test_a_compaction_that_broke_off_is_made_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(compaction, "_FEW", 0)
    await bench.ended()
    kept = await bench.opened()
    await grow_old(bench)
    story = await bench.store.story(kept, 0, 10)
    real, calls = getattr(compaction, step), 0

    async def break_off(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == (3 if step == "sweep_up" else 1):
            raise ConnectionError
        return await real(*given, **named)

    monkeypatch.setattr(compaction, step, break_off)
    with suppress(ConnectionError, Overloaded):
        await prune(bench)
    assert calls
    assert await bench.store.story(kept, 0, 10) == story
    assert await rows(bench.store, LAWLESS) == []
    await prune(bench)
    assert await bench.store.story(kept, 0, 10) == story
    assert (await bench.store.find(Filter(), 10, None)).ids == [kept]
    await in_order(bench)


async def test_what_happens_during_a_compaction_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the copy and the exchange one is completed, one asked again, and a dead letter called back."""
    answered, delegated = await bench.opened(), await bench.opened()
    dead = await bench.ended(Outcome.FAILED)
    other = await bench.ended(Outcome.FAILED)
    held = await bench.running()
    await grow_old(bench)
    real = compaction._exchange

    async def busy_exchange(*given: Any, **named: Any) -> None:
        done = held.settlement(Outcome.COMPLETED, result=b'"late"')
        assert await bench.store.settle_open(answered, done, None)
        assert await bench.store.settle(held.worker_id, [done], [held.claim_id]) == {held.pair}
        changed = Opened("USER", "bob", "bob")
        await bench.store.change_open(delegated, changed, EventType.CLAIMED, {"by": "ada"}, None)
        assert await bench.store.requeue([dead], "ada", "again", b'{"new":1}') == []
        await real(*given, **named)

    monkeypatch.setattr(compaction, "_exchange", busy_exchange)
    assert await prune(bench) == 2
    assert await bench.store.facts([dead, other]) == []
    assert (await bench.facts(answered)).last.result == b'"late"'
    assert await bench.state(held.task_id) is State.COMPLETED
    assert len(await bench.store.notes([delegated])) == 1
    assert (await bench.place(delegated)).claimed_by == "bob"
    await in_order(bench)


async def test_a_letter_called_back_during_a_compaction_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = await bench.ended(Outcome.FAILED)
    await grow_old(bench)
    real = compaction._begin

    async def busy_begin(*given: Any) -> Span:
        new = await real(*given)
        assert await bench.store.requeue([dead], "ada", "again", b'{"new":1}') == [dead]
        return new

    monkeypatch.setattr(compaction, "_begin", busy_begin)
    assert await prune(bench) == 0
    assert await bench.state(dead) is State.PENDING
    assert (await bench.facts(dead)).body.input == b'{"new":1}'
    await in_order(bench)


async def test_two_leaders_at_once_lose_nothing(migrated_dsn: str, bench: Bench) -> None:
    kept = [await bench.opened() for _ in range(20)]
    for _ in range(20):
        await bench.ended()
    await grow_old(bench)
    other = PostgresStore(migrated_dsn, bench.clock)
    await other.open()
    before = bench.clock.now() - RETENTION
    await asyncio.gather(bench.store.prune(before), other.prune(before), return_exceptions=True)
    await other.close()
    await prune(bench)
    assert (await bench.store.find(Filter(), 100, None)).ids == kept[::-1]
    await in_order(bench)


async def test_who_reads_for_long_is_waited_for_only_shortly(migrated_dsn: str, bench: Bench) -> None:
    """A compaction gives way: the others, who would have to queue behind it, go on."""
    await bench.ended()
    span = await grow_old(bench)
    reader = await asyncpg.connect(migrated_dsn)
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("SELECT FROM taskyard.task LIMIT 1")
    store = bench.store
    assert isinstance(store, PostgresStore)
    with pytest.raises(Overloaded):
        await compaction._exchange(store.db.relaxed, span, span, few=True)
    await bench.put_one()
    await transaction.rollback()
    await reader.close()
    assert await prune(bench) == 1
    await in_order(bench)


async def test_all_tables_of_a_span_have_the_same_bounds(bench: Bench) -> None:
    for table in TABLES:
        sql = f"SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'taskyard.{table}'::regclass"
        names = {row["name"].removeprefix(f"taskyard.{table}") for row in await rows(bench.store, sql)}
        assert names == {"_default", *(span.suffix for span in await present_spans(bench))}


async def test_a_task_on_its_way_to_the_default_partition_arrives_though_one_is_made_for_it(
    bench: Bench, migrated_dsn: str
) -> None:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    bench.clock.move(60 * DAY)
    begin = bench.clock.now()
    maker, looker = await asyncpg.connect(migrated_dsn), await asyncpg.connect(migrated_dsn)
    try:
        span = f"FROM ({floor_id(begin)}) TO ({floor_id(begin + DAY * SECOND)})"
        async with maker.transaction():
            await maker.execute("CREATE TABLE taskyard.task_new (LIKE taskyard.task INCLUDING ALL)")
            await maker.execute(f"ALTER TABLE taskyard.task ATTACH PARTITION taskyard.task_new FOR VALUES {span}")
            entering = asyncio.create_task(bench.put_one())
            await eventually(lambda: looker.fetchval(waits))
        id_ = await entering
        assert await looker.fetchval("SELECT count(*) FROM taskyard.task_new WHERE id = $1", id_) == 1
    finally:
        await maker.close()
        await looker.close()
