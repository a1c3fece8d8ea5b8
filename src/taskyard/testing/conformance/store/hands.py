# ruff: noqa: S101 - where store and model differ, the test fails
"""What the state machine's rules are made of: each does one thing on the store and on the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from taskyard.contracts.records import Opened
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.queue import LaneKey, Queue
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.agreement import Agreement
from taskyard.testing.conformance.store.bench import SECOND, Bench, Database, Held, worker_info
from taskyard.testing.conformance.store.fixtures import open_migrated
from taskyard.testing.conformance.store.model import Model
from taskyard.testing.conformance.store.modelled import ModelLease, ModelTask, ModelWorker

R = TypeVar("R")
T = TypeVar("T")

MANY = 1000
TICK = 0.001
_BEAT = 3.0


class Way(NamedTuple):
    """A way out of a claim; which claim, `pick` decides."""

    pick: int
    outcome: Outcome
    delay: float


class Hands(RuleBasedStateMachine):
    """A store, the model, and what both can do."""

    def __init__(self, new_database: Callable[[], Database]) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.agrees = False
        self.clock = ManualClock()
        self.store = new_database()(self.clock)
        self.model = Model()
        self.agreement = Agreement(self.store, self.model)
        self.held: list[Held] = []
        self.lanes: dict[int, LaneKey] = {}

    def begin(self) -> None:
        """Open the store, with one worker."""
        self.run(open_migrated(self.store))
        self.bench = self.run(Bench.on(self.store, self.clock))
        self.model.workers[self.bench.worker_id] = ModelWorker(self.bench.worker_id, self.now, supervised=False)

    def end(self) -> None:
        """Close the store."""
        self.run(self.store.close())
        self._runner.close()

    def run(self, verb: Coroutine[Any, Any, R]) -> R:
        """Do it now."""
        self.agrees = False
        return self._runner.run(verb)

    @property
    def now(self) -> int:
        """The present moment."""
        return self.clock.now()

    def pass_time(self, seconds: float = TICK, silent: int | None = None) -> None:
        """Let time pass while all living workers but one say that they live, and of some tasks that they run them."""
        living = [self.model.workers[id_] for id_ in self.living() if id_ != silent]
        while seconds > 0:
            self.clock.move(min(seconds, _BEAT))
            seconds -= _BEAT
            for worker in living:
                if self.now - worker.beat_at >= _BEAT * SECOND:
                    worker.beat_at, worker.running = self.now, self.holding(worker.id)[::2]
                    assert self.run(self.store.beat(worker.id, worker.running, {}))

    def register(self, *, pid: int, supervised: bool) -> int:
        """A new worker."""
        info = worker_info(f"worker {len(self.model.workers)}", pid=pid, supervised=supervised)
        id_ = self.run(self.store.register(info))
        self.model.workers[id_] = ModelWorker(id_, self.now, supervised, over_http=pid == 0)
        return id_

    def living(self) -> list[int]:
        """The workers that live."""
        return [id_ for id_ in self.model.workers if not self.model.is_dead(id_, self.now)]

    def holding(self, worker_id: int) -> list[int]:
        """The tasks a worker holds."""
        return [lease.task_id for lease in self.model.leases.values() if lease.worker_id == worker_id]

    def is_live(self, held: Held) -> bool:
        """Whether a worker still holds what it once held."""
        lease = self.model.leases.get(held.task_id)
        return lease is not None and (lease.claim_id, lease.attempt) == (held.claim_id, held.task.attempt)

    def some_task(self, pick: int, *places: PlaceKind) -> ModelTask:
        """A task, rather one that is at one of these places."""
        tasks = list(self.model.tasks.values())
        return chosen([task for task in tasks if task.place in places] or tasks, pick)

    def lane(self, key: LaneKey) -> int:
        """The lane's id."""
        (id_,) = self.run(self.store.lanes([key]))
        self.lanes[id_] = key
        return id_

    def resume(self) -> None:
        """Let all queues go on."""
        for queue in self.model.paused:
            self.run(self.store.pause(queue, False))
        self.model.paused.clear()

    def tidy(self) -> None:
        """Free what is orphaned."""
        self.run(self.store.lost(1))  # which is when silence is noticed
        self.run(self.store.tidy())
        self.model.tidy(self.now)

    def promote(self) -> None:
        """Make ready what is due."""
        assert self.run(self.store.promote(MANY)) == self.model.promote(self.now)

    def lease(self, worker_id: int, limit: int, visibility: float | None) -> list[Held]:
        """Claim from all lanes what the model says, in its order."""
        held = self.run(self.bench.take(limit, worker_id, list(self.lanes), visibility))
        wanted = self.model.claim(limit, {one.task_id for one in held})
        assert [one.task_id for one in held] == [task.id for task in wanted]
        expires_at = None if visibility is None else self.now + int(visibility * SECOND)
        for one, task in zip(held, wanted, strict=True):
            assert self.lanes[one.task.lane_id] == task.lane
            told = (one.task.attempt, one.task.failures, one.task.losses)
            assert told == (task.attempt, task.failures, task.losses)
            self.model.start(task, ModelLease(worker_id, one.claim_id, task.id, *told, task.lane, expires_at), self.now)
        self.held += held
        return held

    def way_out(self, worker_id: int | None, ways: list[tuple[Held, Way]]) -> None:
        """Settle as the engine would, and as the model says."""
        told, moved = [], set()
        for held, way in {held.task_id: (held, way) for held, way in ways}.values():
            lane, failures, losses = self.lanes[held.task.lane_id], held.task.failures, held.task.losses
            if way.outcome is Outcome.RETRY:
                failures, lane = failures + 1, lane._replace(queue=int(Queue.RETRY))
            if way.outcome is Outcome.LOST:
                losses, lane = losses + 1, lane._replace(solo=losses + 1)
            opened = Opened("USER", "ada") if way.outcome in (Outcome.ASSIGNED, Outcome.WAITING) else None
            settlement = held.settlement(
                way.outcome, delay_us=int(way.delay * SECOND), failures=failures, losses=losses,
                lane_id=self.lane(lane), opened=opened,
            )  # fmt: skip
            told.append(settlement)
            if self.model.settle(worker_id, settlement, lane, self.now):
                moved.add(held.pair)
        left = {lease.claim_id for lease in self.model.leases.values()}
        closing = {settlement.claim_id for settlement in told} - left
        assert self.run(self.store.settle(worker_id, told, sorted(closing))) == moved
        self.model.admit()


def chosen(things: list[T], pick: int) -> T:
    """The thing that `pick` decides."""
    return things[pick % len(things)]
