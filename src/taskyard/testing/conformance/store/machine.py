# ruff: noqa: D102, S101 - the rules' names say what they do
"""Any history of verbs: the store does what the model does, step by step."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from taskyard.contracts.records import Emitted, Opened, Settlement, SlotKey, Unique
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey, Queue
from taskyard.engine.engine import Engine
from taskyard.engine.recover import recover
from taskyard.testing.conformance.store.bench import POLICY, SECOND, SILENCE, WAYS_OUT
from taskyard.testing.conformance.store.hands import MANY, Hands, Way, chosen

_HOUR = 3600.0
_MOVING = (State.PENDING, State.RUNNING, State.RETRYING)

_KEYS = st.sampled_from([None, SlotKey("one", 1), SlotKey("two", 2)])
_SHARERS = st.sampled_from(["", "a", "b", "c"])
_DELAYS = st.sampled_from([0.0, 1.0, 20.0])
_PICKS = st.integers(0, 999)
_WAYS = st.builds(Way, _PICKS, st.sampled_from(WAYS_OUT), _DELAYS)


def some_task(*places: PlaceKind) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Only where some task is at one of these places."""
    return precondition(lambda self: any(task.place in places for task in self.model.tasks.values()))


class StoreMachine(Hands):
    """Verbs in any order, on a store and on the model."""

    @initialize(batches=st.lists(st.tuples(st.integers(1, 5), _KEYS, _SHARERS), min_size=1, max_size=4))
    def prepare(self, batches: list[tuple[int, SlotKey | None, str]]) -> None:
        self.begin()
        self.engine = Engine(self.store)
        self.register(pid=1, supervised=True)
        self.register(pid=0, supervised=False)
        for count, key, fairness_key in batches:
            self.enqueue(count, Priority.MEDIUM, False, key, fairness_key, 0.0)

    @invariant()
    def store_and_model_agree(self) -> None:
        self.run(self.agreement.check(self.now))
        self.agrees = True

    def teardown(self) -> None:
        try:
            if self.agrees:
                self.come_to_an_end()
        finally:
            self.end()

    def come_to_an_end(self) -> None:
        """Whatever has happened, all that moves by itself is done in the end."""
        self.resume()
        rounds = 0
        while any(task.state in _MOVING for task in self.model.tasks.values()):
            rounds += 1
            assert rounds < len(self.model.tasks) + 3
            self.clock.move(_HOUR)
            self.recover()
            self.promote()
            worker_id = self.register(pid=1, supervised=False)
            done = Way(0, Outcome.COMPLETED, 0.0)
            self.way_out(worker_id, [(held, done) for held in self.lease(worker_id, MANY, None)])
        self.run(self.agreement.check(self.now))
        self.run(self.agreement.check_stories())

    # ---- coming in
    @rule(
        count=st.integers(1, 5), priority=st.sampled_from(Priority), other=st.booleans(), key=_KEYS,
        fairness_key=_SHARERS, delay=_DELAYS,
    )  # fmt: skip
    def enqueue(
        self, count: int, priority: Priority, other: bool, key: SlotKey | None, fairness_key: str, delay: float
    ) -> None:
        self.pass_time()
        lane = LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "other" if other else "report", priority, False)
        run_at = self.now + int(delay * SECOND) if delay else None
        limits = {"slots": (key,) if key else (), "fairness_key": fairness_key, "tags": (lane.definition,)}
        ids = self.run(self.bench.put(count, priority=priority, lane_id=self.lane(lane), run_at=run_at, **limits))
        self.model.enqueue(ids, lane, key, fairness_key, run_at, self.now)

    @rule(
        key=st.sampled_from([b"a", b"b"]), fingerprint=st.sampled_from([None, b"x", b"y"]), lasts=st.none() | _DELAYS,
        forgiving=st.booleans(), newer=st.none() | _DELAYS,
    )  # fmt: skip
    def enqueue_unique(
        self, key: bytes, fingerprint: bytes | None, lasts: float | None, forgiving: bool, newer: float | None
    ) -> None:
        self.pass_time()
        expires_at = None if lasts is None else self.now + int(lasts * SECOND)
        newer_than = None if newer is None else self.now - int(newer * SECOND)
        unique = Unique(key, fingerprint, expires_at, forgiving, newer_than)
        lane = LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "report", Priority.MEDIUM, False)
        (entry,) = self.run(self.bench.entries(lane_id=self.lane(lane), tags=(lane.definition,)))
        found = self.run(self.store.enqueue_unique(entry, [unique]))
        assert found == self.model.holder(unique, self.now)
        if found is None:
            self.model.enqueue([entry.id], lane, None, "", None, self.now)
            self.model.uniques[key] = (entry.id, unique)

    # ---- under lease
    @rule(pick=_PICKS, limit=st.integers(1, 4), visibility=st.sampled_from([None, 10.0, 60.0]))
    def claim(self, pick: int, limit: int, visibility: float | None) -> None:
        self.pass_time()
        worker_id = chosen(self.living(), pick)
        over_http = self.model.workers[worker_id].over_http
        self.lease(worker_id, limit, visibility or (30.0 if over_http else None))

    @precondition(lambda self: self.model.tasks)
    @rule(pick=_PICKS, ways=st.lists(_WAYS, min_size=1, max_size=6))
    def work(self, pick: int, ways: list[Way]) -> None:
        self.pass_time()
        worker_id = chosen(self.living(), pick)
        held = self.lease(worker_id, len(ways), 30.0)
        self.pass_time()
        self.way_out(worker_id, list(zip(held, ways, strict=False)))

    @precondition(lambda self: any(map(self.is_live, self.held)))
    @rule(worker=_PICKS, ways=st.lists(_WAYS, min_size=1, max_size=4), recovery=st.integers(0, 5))
    def settle(self, worker: int, ways: list[Way], recovery: int) -> None:
        self.pass_time()
        live = [held for held in self.held if self.is_live(held)]
        worker_id = chosen(live, worker).worker_id
        mine = [held for held in live if held.worker_id == worker_id]
        self.way_out(None if recovery == 5 else worker_id, [(chosen(mine, way.pick), way) for way in ways])

    @precondition(lambda self: self.held)
    @rule(worker=_PICKS, ways=st.lists(_WAYS, min_size=1, max_size=4))
    def settle_late(self, worker: int, ways: list[Way]) -> None:
        self.pass_time()
        again = [held for held in self.held if held.task_id in self.model.leases]
        told = [(chosen(again or self.held, way.pick), way) for way in ways]
        self.way_out(told[0][0].worker_id if worker % 2 else chosen(list(self.model.workers), worker), told)

    @precondition(lambda self: any(map(self.is_live, self.held)))
    @rule(pick=_PICKS, way=_WAYS, later=st.booleans())
    def settle_what_is_not_held(self, pick: int, way: Way, later: bool) -> None:
        self.pass_time()
        held = chosen([held for held in self.held if self.is_live(held)], pick)
        if not self.model.leases[held.task_id].revoked:
            other = held.task._replace(attempt=held.task.attempt + 1)
            wrong = held._replace(task=other) if later else held._replace(claim_id=held.claim_id - 1)
            self.way_out(held.worker_id, [(wrong, way)])

    @precondition(lambda self: self.held)
    @rule(pick=_PICKS)
    def emit(self, pick: int) -> None:
        self.pass_time()
        held = chosen([held for held in self.held if self.is_live(held)] or self.held, pick)
        told = Emitted(held.task_id, self.model.emit(*held.pair), {"name": "half", "data": pick})
        self.run(self.store.record([], [], [told]))

    # ---- workers die
    @precondition(lambda self: len(self.living()) > 1)
    @rule(
        pick=_PICKS,
        told=st.sampled_from([None, 1, 2]),
        silently=st.booleans(),
        pid=st.integers(0, 2),
        heir=st.booleans(),
    )
    def a_worker_dies(self, pick: int, told: int | None, silently: bool, pid: int, heir: bool) -> None:
        worker = self.model.workers[chosen(self.living(), pick)]
        if silently:
            self.pass_time(SILENCE + 1, silent=worker.id)
        else:
            running = self.holding(worker.id)[::told] if told else None
            self.run(self.store.bury(worker.id, running))
            worker.dead, worker.running = True, worker.running if running is None else running
        self.register(pid=pid, supervised=heir)

    @rule()
    def recover(self) -> None:
        self.pass_time()
        lost = self.run(self.store.lost(MANY))
        assert {task.task_id: task.started for task in lost} == self.model.lost(self.now)
        assert self.run(recover(self.engine)) == len(lost)
        for task in lost:
            losses = task.losses + task.started
            outcome = Outcome.LOST if task.started else Outcome.RELEASED
            if task.started and losses >= POLICY.max_deliveries:
                outcome = Outcome.FAILED
            lane = self.model.leases[task.task_id].lane._replace(solo=losses)
            settlement = Settlement(task.claim_id, task.task_id, task.attempt, outcome)
            settlement = settlement._replace(failures=task.failures, losses=losses)
            assert self.model.settle(None, settlement, lane, self.now)
        self.model.admit()
        self.lanes.update(self.run(self.store.all_lanes()))
        self.tidy()

    # ---- moved by others
    @precondition(lambda self: self.model.tasks)
    @rule(pick=_PICKS, where=st.sampled_from(PlaceKind))
    def cancel(self, pick: int, where: PlaceKind) -> None:
        self.pass_time()
        id_ = self.some_task(pick, where).id
        assert self.run(self.store.cancel(id_, "ada", None, None)) is self.model.cancel(id_, self.now)

    @some_task(PlaceKind.DEAD)
    @rule(pick=_PICKS, new_input=st.booleans())
    def requeue(self, pick: int, new_input: bool) -> None:
        self.pass_time()
        id_ = self.some_task(pick, PlaceKind.DEAD).id
        moved = self.run(self.store.requeue([id_], "ada", "again", b"1" if new_input else None))
        assert moved == ([id_] if self.model.requeue(id_, self.now, new_input=new_input) else [])

    @some_task(PlaceKind.ASSIGNED)
    @rule(pick=_PICKS, new_input=st.booleans())
    def rerun(self, pick: int, new_input: bool) -> None:
        self.pass_time()
        id_ = self.some_task(pick, PlaceKind.ASSIGNED).id
        moved = self.run(self.store.rerun(id_, "ada", "mended", b"1" if new_input else None, None))
        assert moved is self.model.rerun(id_, self.now, new_input=new_input)

    @some_task(PlaceKind.DEAD)
    @rule(pick=_PICKS)
    def take_up(self, pick: int) -> None:
        self.pass_time()
        id_ = self.some_task(pick, PlaceKind.DEAD).id
        taken = self.run(self.store.take_up(id_, Opened("USER", "ann"), {"by": "ada"}, None))
        assert taken is self.model.take_up(id_, self.now)

    @some_task(PlaceKind.DEAD)
    @rule(pick=_PICKS)
    def discard(self, pick: int) -> None:
        id_ = self.some_task(pick, PlaceKind.DEAD).id
        moved = self.run(self.store.discard([id_], "ada", "no use"))
        assert moved == ([id_] if self.model.discard(id_, self.now) else [])

    @some_task(PlaceKind.DELAYED, PlaceKind.RETRYING)
    @rule(pick=_PICKS)
    def hurry(self, pick: int) -> None:
        self.pass_time()
        id_ = self.some_task(pick, PlaceKind.DELAYED, PlaceKind.RETRYING).id
        assert self.run(self.store.hurry(id_)) is self.model.hurry(id_, self.now)

    @some_task(PlaceKind.ASSIGNED, PlaceKind.WAITING)
    @rule(pick=_PICKS, outcome=st.sampled_from([Outcome.COMPLETED, Outcome.FAILED, Outcome.RETRY]), delay=_DELAYS)
    def settle_open(self, pick: int, outcome: Outcome, delay: float) -> None:
        self.pass_time()
        task = self.some_task(pick, PlaceKind.ASSIGNED, PlaceKind.WAITING)
        if task.place is PlaceKind.ASSIGNED and outcome is Outcome.RETRY:
            outcome = Outcome.COMPLETED
        lane = task.lane._replace(queue=int(Queue.RETRY))
        delay_us = int(delay * SECOND)
        told = Settlement(0, task.id, 0, outcome, delay_us=delay_us, failures=1, lane_id=self.lane(lane))
        moved = self.run(self.store.settle_open(task.id, told, None))
        assert moved is self.model.settle_open(task.id, told, lane, self.now)

    @some_task(PlaceKind.ASSIGNED)
    @rule(pick=_PICKS)
    def change_open(self, pick: int) -> None:
        task = self.some_task(pick, PlaceKind.ASSIGNED)
        changed = self.run(self.store.change_open(task.id, Opened("USER", "bob"), EventType.CLAIMED, {}, None))
        assert changed is self.model.change_open(task.id, EventType.CLAIMED)

    # ---- upkeep
    @rule(seconds=st.sampled_from([0.5, 5.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.resume()
        self.pass_time(seconds)
        self.promote()
        self.tidy()

    @rule(queue=st.sampled_from([Queue.AUTOMATED, Queue.RETRY]))
    def pause(self, queue: int) -> None:
        self.run(self.store.pause(queue, True))
        self.model.paused.add(queue)
