"""Many movers at once, through the store itself, on few tasks: nothing fails, and the law holds in the end."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskyard.contracts.records import Entry, Filter, Opened, Settlement, SlotKey, WorkerInfo
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import FINAL, EventType, Outcome, State
from taskyard.domain.policy import Policy
from taskyard.domain.queue import LaneKey
from taskyard.domain.retry import RetryPolicy
from taskyard.domain.task import state_of
from taskyard.store.postgres import PostgresStore

TASKS = 200
ROUNDS = 60
LIMIT = 3
WAYS_OUT = (Outcome.COMPLETED, Outcome.COMPLETED, Outcome.RETRY, Outcome.FAILED, Outcome.RELEASED, Outcome.WAITING)

LAWLESS = """
SELECT t.id, array_agg(p.place || ' ' || p.attempt) FROM taskyard.task t
LEFT JOIN taskyard.place p ON p.task_id = t.id GROUP BY t.id HAVING count(p.place) <> 1
"""
STRAY_SLOTS = """
SELECT task_id FROM taskyard.slot
WHERE task_id NOT IN (SELECT task_id FROM taskyard.place WHERE place IN ('ready', 'claim'))
"""


class Crowd:
    """The stores of several processes, and what they do to the same tasks."""

    def __init__(self, stores: list[PostgresStore], seed: int) -> None:
        self.stores = stores
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.ids: list[int] = []
        self.lanes: list[int] = []
        self.most_held = 0

    async def prepare(self) -> None:
        store = self.stores[0]
        (kind,) = await store.save_kinds([Definition(key="a")])
        (policy,) = await store.policies([Policy(timeout=60, retry=RetryPolicy())])
        keys = [LaneKey(queue, 1, "a", priority, solo=False) for queue in (1, 4) for priority in (2, 3)]
        self.lanes = await store.lanes(keys)
        entries = [
            Entry(
                id_,
                kind.id,
                policy,
                self.lanes[n % 2],
                2 + n % 2,
                b"1",
                slots=self._slots(n),
                fairness_key=f"tenant {n % 5}",
            )
            for n, id_ in enumerate(store.new_ids(TASKS))
        ]
        self.ids = [entry.id for entry in entries]
        await store.enqueue(entries)

    def _slots(self, n: int) -> tuple[SlotKey, ...]:
        slots = (SlotKey("all", LIMIT), SlotKey(f"one of {n % 4}", 1), SlotKey("share", None, shared=True))
        return slots[n % 2 :] if n % 3 == 0 else ()

    async def work(self, store: PostgresStore) -> None:
        """Claim and settle, in pieces and in several ways."""
        worker = await store.register(WorkerInfo("w", "h", 1, "1", (), 10, supervised=True))
        for _ in range(ROUNDS):
            await store.beat(worker, [], {})
            visibility = self.random.choice((None, None, 60_000_000))
            lease = await store.claim(worker, self.lanes, self.random.randint(1, 12), visibility)
            if lease is None:
                continue
            tasks = list(lease.tasks)
            self.random.shuffle(tasks)
            while tasks:
                cut = self.random.randint(1, len(tasks))
                now, tasks = tasks[:cut], tasks[cut:]
                one_way = self.random.choice((None, Outcome.COMPLETED))
                ends = [self._end(lease.id, t.task_id, t.attempt, one_way, t.failures) for t in now]
                moved = await store.settle(worker, ends, [] if tasks else [lease.id])
                self.done["settled"] += len(moved)

    def _end(self, claim_id: int, task_id: int, attempt: int, way: Outcome | None, failures: int) -> Settlement:
        outcome = way or self.random.choice(WAYS_OUT)
        return Settlement(claim_id, task_id, attempt, outcome, delay_us=0, failures=failures, opened=Opened())

    async def meddle(self, store: PostgresStore) -> None:
        """What people and keepers of time do."""
        for _ in range(ROUNDS):
            match self.random.choice(("cancel", "requeue", "requeue", "hurry", "answer", "answer", "keep", "keep")):
                case "cancel":
                    for task in await self._some(store, State.PENDING, State.RUNNING):
                        self.done["canceled"] += await store.cancel(task, None, None, None)
                case "requeue":
                    page = await store.dead(5, None, None)
                    self.done["requeued"] += len(await store.requeue(page.ids, "x", "y", None))
                case "hurry":
                    for task in await self._some(store, State.RETRYING):
                        self.done["hurried"] += await store.hurry(task)
                case "answer":
                    outcome = self.random.choice((Outcome.COMPLETED, Outcome.RETRY, Outcome.FAILED))
                    for task in await self._some(store, State.WAITING):
                        end = Settlement(0, task, 0, outcome, delay_us=0)
                        self.done["answered"] += await store.settle_open(task, end, None)
                case "keep":
                    await store.promote(5)
                    await store.tidy()
                    await store.sequence(7)

    async def _some(self, store: PostgresStore, *states: State) -> list[int]:
        """One task in one of these states, if there is any."""
        page = await store.find(Filter(status=frozenset(states)), 20, None)
        return [self.random.choice(page.ids)] if page.ids else []

    async def watch(self, dsn: str, over: asyncio.Event) -> None:
        """No limit is ever exceeded."""
        connection = await asyncpg.connect(dsn)
        query = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM taskyard.slot WHERE key = 'all') s"
        while not over.is_set():
            self.most_held = max(self.most_held, await connection.fetchval(query))
        await connection.close()


@pytest.fixture
async def stores(migrated_dsn: str) -> AsyncIterator[list[PostgresStore]]:
    made = [PostgresStore(migrated_dsn) for _ in range(4)]
    await asyncio.gather(*[store.open() for store in made])
    yield made
    await asyncio.gather(*[store.close() for store in made])


async def test_a_crowd_keeps_the_law(migrated_dsn: str, stores: list[PostgresStore]) -> None:
    crowd = Crowd(stores, seed=20)
    await crowd.prepare()
    over = asyncio.Event()
    watching = asyncio.create_task(crowd.watch(migrated_dsn, over))
    try:
        await asyncio.gather(*[crowd.work(s) for s in stores[:2]], *[crowd.meddle(s) for s in stores[1:]])
    finally:
        over.set()
        await watching
    assert min(crowd.done[verb] for verb in ("settled", "canceled", "requeued", "answered")) > 0
    assert crowd.most_held <= LIMIT
    connection = await asyncpg.connect(migrated_dsn)
    assert await connection.fetch(LAWLESS) == []
    assert await connection.fetch(STRAY_SLOTS) == []
    await connection.close()
    await _assert_stories_are_in_order(stores[0], crowd.ids)


async def _assert_stories_are_in_order(store: PostgresStore, ids: list[int]) -> None:
    """Each task's events have growing numbers, each told once, from its creation to its end."""
    while await store.sequence(1000):
        pass
    story: dict[int, list[tuple[int, EventType]]] = {id_: [] for id_ in ids}
    expected = itertools.count(1)
    for row in await store.feed(0, 100_000):
        for id_, sequence in zip(row.task_ids, row.sequences, strict=True):
            story[id_].append((sequence, row.type))
            assert next(expected) <= row.pos
    states = {f.body.id: state_of(f.place, f.last) for f in await store.facts(ids)}
    for id_, events in story.items():
        numbers = [sequence for sequence, _ in events]
        assert numbers == sorted(set(numbers)), (id_, events)
        assert events[0][1] is EventType.CREATED
        if states[id_] in FINAL - {State.FAILED}:
            assert events[-1][1] in (EventType.COMPLETED, EventType.CANCELED), (id_, events)
