"""When the database goes away, pauses, or loses an answer on its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from taskyard.contracts.records import Settlement, Topic
from taskyard.domain.facts import PlaceKind
from taskyard.domain.gate import CallGate
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.priority import AGED
from taskyard.errors import ConfigurationError, Overloaded
from taskyard.store.postgres import PostgresStore
from taskyard.store.postgres.execution import CLAIM, by_number
from tests.servers.postgres import PostgresServer
from tests.store.made import WORKER, ground


@pytest.fixture
async def other_store(migrated_dsn: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(migrated_dsn)
    await store.open()
    yield store
    await store.close()


async def woken_by(store: PostgresStore, topic: Topic, make: Any) -> None:
    """Waits until `store` hears of what `make()` does, which is done again and again."""
    heard = asyncio.Event()
    stop = store.listen(topic, heard.set)
    while not heard.is_set():
        await make()
        try:
            await asyncio.wait_for(heard.wait(), 0.2)
        except TimeoutError:
            continue
    stop()


async def test_it_comes_back_and_listens_again(
    postgres_server: PostgresServer, postgres_store: PostgresStore, other_store: PostgresStore
) -> None:
    made = await ground(postgres_store)
    await woken_by(postgres_store, Topic.READY, lambda: other_store.enqueue(made.entries(other_store)))
    postgres_server.stop("immediate")
    for verb in (postgres_store.enqueue(made.entries(postgres_store)), postgres_store.claim(1, [made.lane_id], 1)):
        with pytest.raises(Overloaded) as caught:
            await verb
        assert caught.value.retry_after
    postgres_server.start_again()
    await postgres_store.enqueue(made.entries(postgres_store))
    await woken_by(postgres_store, Topic.READY, lambda: other_store.enqueue(made.entries(other_store)))


async def test_open_says_what_is_wrong(postgres_server: PostgresServer, postgres_dsn: str) -> None:
    with pytest.raises(ConfigurationError, match="taskyard migrate"):
        await PostgresStore(postgres_dsn).open()
    with pytest.raises(ConfigurationError, match="TASKYARD_DATABASE_URL"):
        await PostgresStore(postgres_server.dsn("nowhere")).open()
    with pytest.raises(ConfigurationError, match="TASKYARD_DATABASE_URL"):
        await PostgresStore("http://127.0.0.1/test").open()
    with pytest.raises(Overloaded):
        await PostgresStore("postgresql://postgres@127.0.0.1:1/test").open()


async def test_many_migrate_at_once(postgres_dsn: str) -> None:
    applied = await asyncio.gather(*[PostgresStore(postgres_dsn).migrate() for _ in range(6)])
    assert sorted(map(len, applied))[:-1] == [0] * 5
    assert max(applied)[0].startswith("0001")


async def test_a_claim_whose_answer_is_lost_is_given_back(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await ground(postgres_store)
    entries = made.entries(postgres_store, 3)
    await postgres_store.enqueue(entries)
    worker = await postgres_store.register(WORKER)
    fetch = postgres_store.db.relaxed.fetch

    async def lose(sql: str, *parameters: Any) -> Any:
        await fetch(sql, *parameters)
        if sql == CLAIM:
            raise Overloaded("lost on its way", retry_after=1.0)

    monkeypatch.setattr(postgres_store.db.relaxed, "fetch", lose)
    with pytest.raises(Overloaded):
        await postgres_store.claim(worker, [made.lane_id], 10)
    monkeypatch.undo()
    await postgres_store.finish()
    facts = await postgres_store.facts([entry.id for entry in entries])
    assert [(f.place.kind, f.place.attempt) for f in facts if f.place] == [(PlaceKind.READY, 2)] * 3


async def test_a_call_whose_beginning_is_lost_on_its_way_is_ended(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = CallGate("billing", 1)
    transaction = postgres_store.db.gated.transaction

    @asynccontextmanager
    async def lose() -> AsyncIterator[asyncpg.Connection]:
        async with transaction() as connection:
            yield connection
        raise Overloaded("lost on its way", retry_after=1.0)

    monkeypatch.setattr(postgres_store.db.gated, "transaction", lose)
    with pytest.raises(Overloaded):
        await postgres_store.begin_call([gate], 60_000_000)
    monkeypatch.undo()
    await postgres_store.finish()
    assert (await postgres_store.begin_call([gate], 60_000_000)).call_id is not None


async def test_a_claim_still_under_way_is_waited_for_and_a_later_one_fails(
    postgres_store: PostgresStore, migrated_dsn: str
) -> None:
    made = await ground(postgres_store)
    await postgres_store.enqueue(made.entries(postgres_store, 2))
    connection = await asyncpg.connect(migrated_dsn)
    take = (None, 1, [made.lane_id], 1)
    transaction = connection.transaction()
    await transaction.start()
    taken = await connection.fetch(CLAIM, *take, 5, None, by_number(AGED))
    giving = asyncio.create_task(postgres_store.give_back(1, 5, 0))
    waits = "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not await connection.fetchval(waits):
        assert not giving.done()
    await transaction.commit()
    await giving
    (facts,) = await postgres_store.facts([taken[0]["task_id"]])
    assert facts.place is not None
    assert (facts.place.kind, facts.place.attempt) == (PlaceKind.READY, 2)
    await postgres_store.give_back(1, 6, 0)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.fetch(CLAIM, *take, 6, None, by_number(AGED))
    await connection.close()


async def test_a_pause_of_the_database_is_nobody_s_death(postgres_store: PostgresStore, migrated_dsn: str) -> None:
    made = await ground(postgres_store)
    await postgres_store.enqueue(made.entries(postgres_store, 2))
    worker = await postgres_store.register(WORKER)
    lease = await postgres_store.claim(worker, [made.lane_id], 10)
    assert lease is not None
    connection = await asyncpg.connect(migrated_dsn)
    # All last renewals lie before the pause.
    await postgres_store.lead("recovery", "me", 5_000_000)
    await connection.execute("UPDATE taskyard.leader SET since = since - 60000000, renewed_at = renewed_at - 20000000")
    await connection.execute("UPDATE taskyard.worker SET beat_at = beat_at - 20000000")
    assert await postgres_store.lost(10) == []
    assert await postgres_store.lead("recovery", "me", 5_000_000)
    assert await postgres_store.lost(10) == []
    # Nor has the worker been heard of since.
    await connection.execute("UPDATE taskyard.leader SET since = since - 12000000")
    assert [task.task_id for task in await postgres_store.lost(10)] == [task.task_id for task in lease.tasks]
    assert not await postgres_store.beat(worker, [], {})
    await connection.close()


async def test_a_claim_is_not_closed_over_tasks_that_are_left(postgres_store: PostgresStore) -> None:
    made = await ground(postgres_store)
    await postgres_store.enqueue(made.entries(postgres_store, 3))
    worker = await postgres_store.register(WORKER)
    lease = await postgres_store.claim(worker, [made.lane_id], 10)
    assert lease is not None
    for task, outcome in zip(lease.tasks, (Outcome.COMPLETED, Outcome.FAILED, Outcome.COMPLETED), strict=True):
        settlement = Settlement(lease.id, task.task_id, task.attempt, outcome)
        assert await postgres_store.settle(worker, [settlement], [lease.id]) == {(task.task_id, task.attempt)}
    assert await postgres_store.db.relaxed.value("SELECT count(*) FROM taskyard.claim") == 0
