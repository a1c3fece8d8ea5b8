# ruff: noqa: S101 - what a test needs must be there
"""The bench: a store with what its tasks need, and short words for what every test does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from taskyard.contracts.clock import Clock
from taskyard.contracts.records import Claimed, Entry, Opened, Settlement, WorkerInfo
from taskyard.contracts.store import Store
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.facts import Facts, Place
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.policy import Policy
from taskyard.domain.priority import AGED, HeadStarts, Priority
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.retry import RetryPolicy
from taskyard.domain.task import state_of, version_of
from taskyard.testing.clock import ManualClock

SECOND = 1_000_000
WAYS_OUT = [outcome for outcome in Outcome if outcome is not Outcome.REPAIRED]
"""How a claim can be left; only a person repairs."""
HOUR = 3600 * SECOND
SILENCE = 15.0
"""Seconds after which a worker without a sign of life is known to be dead."""

Database = Callable[[Clock], Store]
"""Makes a store, not yet open, on always the same database."""

POLICY = Policy(timeout=60, retry=RetryPolicy(max_retries=3, initial_delay=1, jitter=0), max_deliveries=3)


class Held(NamedTuple):
    """A task as a worker holds it."""

    worker_id: int
    claim_id: int
    task: Claimed

    @property
    def task_id(self) -> int:
        """The task's id."""
        return self.task.task_id

    @property
    def pair(self) -> tuple[int, int]:
        """The task's id and the attempt."""
        return self.task.task_id, self.task.attempt

    def settlement(self, outcome: Outcome, **fields: Any) -> Settlement:
        """A way out of the claim, the budgets as they were unless told otherwise."""
        budgets = {"failures": self.task.failures, "losses": self.task.losses}
        return Settlement(self.claim_id, *self.pair, outcome, **{**budgets, **fields})


class Bench:
    """A store at work: one definition, one policy, one worker, and lanes made as they are asked for."""

    def __init__(self, store: Store, clock: ManualClock, kind: Kind, policy_id: int, worker_id: int) -> None:
        self.store = store
        self.clock = clock
        self.kind = kind
        self.policy_id = policy_id
        self.worker_id = worker_id

    @classmethod
    async def on(cls, store: Store, clock: ManualClock, name: str = "worker") -> Bench:
        """A bench on an open store."""
        kind = (await store.save_kinds([Definition(key="report")]))[0]
        policy_id = (await store.policies([POLICY]))[0]
        return cls(store, clock, kind, policy_id, await store.register(worker_info(name)))

    async def lane(
        self,
        priority: Priority = Priority.MEDIUM,
        queue: Queue = Queue.AUTOMATED,
        definition: str = "report",
        *,
        solo: bool = False,
        connection: str = "",
    ) -> int:
        """The id of a lane whose home is the automated queue."""
        key = LaneKey(queue, Queue.AUTOMATED, definition, priority, solo, connection=connection)
        return (await self.store.lanes([key]))[0]

    async def entries(self, count: int = 1, *, priority: Priority = Priority.MEDIUM, **fields: Any) -> list[Entry]:
        """Requests, not yet stored."""
        named = {"kind_id": self.kind.id, "policy_id": self.policy_id, "priority": priority}
        given = {**named, "lane_id": await self.lane(priority), "input": b"{}", **fields}
        return [Entry(id=id_, **given) for id_ in self.store.new_ids(count)]

    async def put(self, count: int = 1, *, priority: Priority = Priority.MEDIUM, **fields: Any) -> list[int]:
        """Store tasks in one batch; their ids."""
        entries = await self.entries(count, priority=priority, **fields)
        await self.store.enqueue(entries)
        return [entry.id for entry in entries]

    async def put_one(self, *, priority: Priority = Priority.MEDIUM, **fields: Any) -> int:
        """Store one task; its id."""
        return (await self.put(1, priority=priority, **fields))[0]

    async def take(
        self, limit: int = 1, worker_id: int | None = None, lanes: Sequence[int] | None = None,
        visibility: float | None = None, head_starts: HeadStarts = AGED,
    ) -> list[Held]:  # fmt: skip
        """Claim from all lanes, or these; `visibility` in seconds."""
        worker = self.worker_id if worker_id is None else worker_id
        if lanes is None:
            lanes = [id_ for id_, _ in await self.store.all_lanes()]
        until = None if visibility is None else int(visibility * SECOND)
        lease = await self.store.claim(worker, lanes, limit, until, head_starts)
        return [] if lease is None else [Held(worker, lease.id, task) for task in lease.tasks]

    async def take_one(self, worker_id: int | None = None, visibility: float | None = None) -> Held:
        """Claim one task, which must be there."""
        (held,) = await self.take(1, worker_id, visibility=visibility)
        return held

    async def running(self, **fields: Any) -> Held:
        """A new task that the worker runs; nothing else may be ready."""
        await self.put_one(**fields)
        return await self.take_one()

    async def settle(self, held: Held, outcome: Outcome = Outcome.COMPLETED, **fields: Any) -> bool:
        """Settle a claim of one task; whether the task was moved."""
        moved = await self.store.settle(held.worker_id, [held.settlement(outcome, **fields)], [held.claim_id])
        assert moved <= {held.pair}
        return bool(moved)

    async def ended(self, outcome: Outcome = Outcome.COMPLETED, **fields: Any) -> int:
        """A new task that has run and left its first attempt in this way; nothing else may be ready."""
        held = await self.running(**fields)
        assert await self.settle(held, outcome)
        return held.task_id

    async def opened(self, outcome: Outcome = Outcome.ASSIGNED, opened: Opened | None = None, **fields: Any) -> int:
        """A new task that waits for a person or a system; nothing else may be ready."""
        held = await self.running(**fields)
        assert await self.settle(held, outcome, opened=opened or Opened("USER", "ada"))
        return held.task_id

    async def register(self, name: str = "other", *, pid: int = 2, supervised: bool = False) -> int:
        """Another worker's id."""
        return await self.store.register(worker_info(name, pid=pid, supervised=supervised))

    async def pass_silently(self, *living: int) -> None:
        """Let the time pass after which a silent worker is dead, while these go on living."""
        for _ in range(5):
            self.clock.move(SILENCE / 5)
            for worker_id in living:
                assert await self.store.beat(worker_id, [], {})

    async def facts(self, task_id: int) -> Facts:
        """What is known of a task that must be there."""
        (facts,) = await self.store.facts([task_id])
        return facts

    async def place(self, task_id: int) -> Place:
        """The place of a task, which must be in one."""
        place = (await self.facts(task_id)).place
        assert place is not None
        return place

    async def state(self, task_id: int) -> State:
        """The task's state."""
        _, place, last, _ = await self.facts(task_id)
        return state_of(place, last)

    async def version(self, task_id: int) -> int:
        """The task's version."""
        _, place, last, _ = await self.facts(task_id)
        return version_of(place, last)

    async def events(self, task_id: int) -> list[tuple[EventType, int]]:
        """The task's events with their sequences, as the feed tells them."""
        await self.sequence()
        return [
            (row.type, sequence)
            for row in await self.store.feed(0, 100_000)
            for id_, sequence in zip(row.task_ids, row.sequences, strict=True)
            if id_ == task_id
        ]

    async def event_types(self, task_id: int) -> list[EventType]:
        """The types of the task's events, in order."""
        return [type_ for type_, _ in await self.events(task_id)]

    async def sequence(self) -> None:
        """Give all events their positions."""
        while await self.store.sequence(1000):
            pass


def worker_info(name: str, *, pid: int = 1, supervised: bool = False) -> WorkerInfo:
    """A worker as it registers."""
    return WorkerInfo(name, "host", pid, "1.0", ("task-execution-automated",), 4, supervised)
