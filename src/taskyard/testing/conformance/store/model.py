"""A store as plain Python, written from the contract alone: what the others are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from taskyard.contracts.records import Found, Settlement, SlotKey, Unique
from taskyard.domain import sequence
from taskyard.domain.facts import PlaceKind
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.priority import AGED, Priority
from taskyard.domain.queue import LaneKey, Queue
from taskyard.testing.conformance.store.bench import SECOND
from taskyard.testing.conformance.store.modelled import ModelLease, ModelTask, ModelWorker

_QUEUED = (PlaceKind.READY, PlaceKind.PARKED)
_TIMED = (PlaceKind.DELAYED, PlaceKind.RETRYING)
_OPEN = (PlaceKind.ASSIGNED, PlaceKind.WAITING)
_COMES_BACK = (Outcome.LOST, Outcome.RELEASED)
_SILENCE = 15 * SECOND


class Model:
    """All tasks. Each verb does what the store's does, at the moment `now`."""

    def __init__(self) -> None:
        self.tasks: dict[int, ModelTask] = {}
        self.leases: dict[int, ModelLease] = {}
        self.workers: dict[int, ModelWorker] = {}
        self.uniques: dict[bytes, tuple[int, Unique]] = {}
        self.paused: set[int] = set()
        self.served: dict[SlotKey, str] = {}

    # ---- coming in
    def enqueue(
        self, ids: Iterable[int], lane: LaneKey, key: SlotKey | None, fairness_key: str, run_at: int | None, now: int
    ) -> None:
        """New tasks, ready or delayed."""
        for id_ in ids:
            task = self.tasks[id_] = ModelTask(id_, lane, key, fairness_key)
            task.move("create", sequence.queued(1))
            if run_at is None:
                self._queue(task, now)
            else:
                task.go(PlaceKind.DELAYED, run_at)
        self.admit()

    def holder(self, unique: Unique, now: int) -> Found | None:
        """Who holds the key and counts."""
        if unique.key not in self.uniques:
            return None
        id_, held = self.uniques[unique.key]
        if held.expires_at is not None and held.expires_at <= now:
            return None
        if unique.newer_than is not None and id_ < floor_id(unique.newer_than):
            return None
        if unique.forgiving and self.tasks[id_].state in (State.FAILED, State.CANCELED):
            return None
        return Found(id_, unique.fingerprint in (None, held.fingerprint))

    # ---- under lease
    def claim(self, limit: int, chosen: Collection[int]) -> list[ModelTask]:
        """What a claim of all lanes leases, in order; where several lanes may go first, one of the `chosen` does."""
        taken: list[ModelTask] = []
        lanes: dict[LaneKey, list[ModelTask]] = {}
        for task in sorted(self.tasks.values(), key=lambda task: (task.at, task.id)):
            if task.place is PlaceKind.READY and task.lane.queue not in self.paused:
                lanes.setdefault(task.lane, []).append(task)
        for lane in sorted(lanes.values(), key=lambda tasks: (*_rank(tasks[0]), tasks[0].id not in chosen)):
            taken += lane[: limit - len(taken)]
        return sorted(taken, key=lambda task: (*_rank(task), task.id))

    def start(self, task: ModelTask, lease: ModelLease, now: int) -> None:
        """The task is leased."""
        task.move("start", sequence.started(task.attempt))
        task.order = task.at
        task.go(PlaceKind.RUNNING, now)
        self.leases[task.id] = lease

    def settle(self, worker_id: int | None, settlement: Settlement, lane: LaneKey, now: int) -> bool:
        """A way out of a claim; whether it moved the task. `lane`: where it queues next. To be followed by `admit`."""
        lease = self.leases.get(settlement.task_id)
        if lease is None or (lease.claim_id, lease.attempt) != (settlement.claim_id, settlement.attempt):
            return False
        if worker_id not in (None, lease.worker_id):
            return False
        del self.leases[lease.task_id]
        task = self.tasks[lease.task_id]
        if not lease.revoked:
            self._leave(task, settlement, lane, now)
        return not lease.revoked

    def _leave(self, task: ModelTask, settlement: Settlement, lane: LaneKey, now: int) -> None:
        task.end(settlement.outcome)
        task.failures, task.losses, task.changes = settlement.failures, settlement.losses, 0
        match settlement.outcome:
            case Outcome.RETRY:
                task.go(PlaceKind.RETRYING, now + (settlement.delay_us or 0))
                task.attempt, task.lane = task.attempt + 1, lane
            case Outcome.LOST | Outcome.RELEASED:
                task.go(PlaceKind.READY, task.order)
                task.attempt, task.lane = task.attempt + 1, lane
            case Outcome.ASSIGNED | Outcome.WAITING:
                task.go(PlaceKind[settlement.outcome.name], now)
            case Outcome.FAILED:
                task.go(PlaceKind.DEAD, now)
            case _:
                task.go(None, now)

    def emit(self, id_: int, attempt: int) -> int:
        """Someone who holds the attempt, or held it, emits something; the place of that in the story."""
        task = self.tasks[id_]
        task.said += 1
        at = sequence.line(attempt, task.said)
        if len(task.ends) < attempt:
            task.events.append((EventType.EMITTED, at))
        return at

    def is_dead(self, worker_id: int, now: int) -> bool:
        """Whether a worker was buried or has been silent for too long."""
        worker = self.workers[worker_id]
        return worker.dead or worker.beat_at <= now - _SILENCE

    def over(self, lease: ModelLease, now: int) -> bool:
        """Whether a lease has ended without a word."""
        return self.is_dead(lease.worker_id, now) if lease.expires_at is None else lease.expires_at <= now

    def lost(self, now: int) -> dict[int, bool]:
        """The lost tasks, and whether each had started."""
        return {
            lease.task_id: self._had_started(lease)
            for lease in self.leases.values()
            if not lease.revoked and self.over(lease, now)
        }

    def _had_started(self, lease: ModelLease) -> bool:
        worker = self.workers[lease.worker_id]
        told = worker.supervised and worker.running is not None and lease.expires_at is None
        return not told or lease.task_id in (worker.running or ())

    # ---- moved by others
    def cancel(self, id_: int, now: int) -> bool:
        """CANCELED at once."""
        task = self.tasks[id_]
        if task.place in (None, PlaceKind.DEAD):
            return False
        if task.place in _OPEN:
            task.attempt += 1
        if task.place is PlaceKind.RUNNING:
            self.leases[id_].revoked = True
        task.end(Outcome.CANCELED)
        task.go(None, now)
        self.admit()
        return True

    def requeue(self, id_: int, now: int, *, new_input: bool) -> bool:
        """Out of the dead letters, into the home queue."""
        task = self.tasks[id_]
        if task.place is not PlaceKind.DEAD:
            return False
        task.move("requeue", sequence.queued(task.attempt + 1))
        self._begin_anew(task, now, new_input=new_input)
        return True

    def rerun(self, id_: int, now: int, *, new_input: bool) -> bool:
        """From a person into the home queue."""
        task = self.tasks[id_]
        if task.place is not PlaceKind.ASSIGNED:
            return False
        task.attempt, task.changes = task.attempt + 1, 0
        task.end(Outcome.REPAIRED)
        self._begin_anew(task, now, new_input=new_input)
        return True

    def take_up(self, id_: int, now: int) -> bool:
        """From the dead letters to a person."""
        task = self.tasks[id_]
        if task.place is not PlaceKind.DEAD:
            return False
        task.failures, task.losses, task.changes = 0, 0, 0
        task.move("repair", sequence.line(task.attempt + 1, 0))
        task.go(PlaceKind.ASSIGNED, now)
        return True

    def _begin_anew(self, task: ModelTask, now: int, *, new_input: bool) -> None:
        task.attempt, task.failures, task.losses = task.attempt + 1, 0, 0
        task.lane = task.lane._replace(queue=task.lane.home, solo=False)
        task.revision += new_input
        self._queue(task, now)
        self.admit()

    def discard(self, id_: int, now: int) -> bool:
        """Out of the dead letters, for good."""
        task = self.tasks[id_]
        if task.place is not PlaceKind.DEAD:
            return False
        task.events.append((EventType.DEADLETTERED, sequence.queued(task.attempt + 1)))
        task.go(None, now)
        return True

    def hurry(self, id_: int, now: int) -> bool:
        """Ready now."""
        task = self.tasks[id_]
        if task.place not in _TIMED:
            return False
        self._wake(task, now)
        self.admit()
        return True

    def promote(self, now: int) -> int:
        """Ready what is due, in that order."""
        due = [task for task in self.tasks.values() if task.place in _TIMED and task.at <= now]
        for number, task in enumerate(sorted(due, key=lambda task: (task.at, task.id))):
            self._wake(task, now + number)
        self.admit()
        return len(due)

    def settle_open(self, id_: int, settlement: Settlement, lane: LaneKey, now: int) -> bool:
        """The wait of a person or a system is over."""
        task = self.tasks[id_]
        if task.place not in _OPEN:
            return False
        task.attempt += 1
        failures = max(task.failures, settlement.failures)
        self._leave(task, settlement._replace(failures=failures, losses=task.losses), lane, now)
        return True

    def change_open(self, id_: int, type_: EventType) -> bool:
        """The wait has changed."""
        task = self.tasks[id_]
        if task.place not in _OPEN:
            return False
        task.changes += 1
        task.events.append((type_, sequence.line(task.attempt + 1, task.changes)))
        return True

    # ---- limits
    def tidy(self, now: int) -> None:
        """Let go what canceled tasks hold whose worker will not."""
        for lease in list(self.leases.values()):
            if lease.revoked and self.over(lease, now):
                del self.leases[lease.task_id]
        self.admit()

    def holding(self, key: SlotKey) -> list[ModelTask]:
        """Who has a slot."""
        return [
            task
            for task in self.tasks.values()
            if task.key == key and (task.place is PlaceKind.READY or task.id in self.leases)
        ]

    def _wake(self, task: ModelTask, now: int) -> None:
        if task.state is State.RETRYING:
            task.move("promote")
        self._queue(task, now)

    def _queue(self, task: ModelTask, now: int) -> None:
        task.go(PlaceKind.READY if task.key is None else PlaceKind.PARKED, now)

    def admit(self) -> None:
        """Give each limit's free slots to those in its line, one after the other."""
        for key in {task.key for task in self.tasks.values() if task.key is not None}:
            while (task := self._next(key)) is not None:
                self.served[key] = task.fairness_key
                task.go(PlaceKind.READY, task.at)

    def _next(self, key: SlotKey) -> ModelTask | None:
        """Whose turn it is: of the fairness key that holds least, after the one served last, the first."""
        line = [task for task in self.tasks.values() if task.place is PlaceKind.PARKED and task.key == key]
        held = Counter(task.fairness_key for task in self.holding(key))
        if not line or (key.limit is not None and held.total() >= key.limit):
            return None
        served = self.served.get(key, "")
        return min(
            line,
            key=lambda task: (
                held[task.fairness_key], task.fairness_key <= served, task.fairness_key,
                task.at - AGED[Priority(task.lane.priority)], task.id,
            ),
        )  # fmt: skip

    # ---- what there is
    def figures(self, queue: Queue, now: int) -> tuple[bool, int, int, int | None, int]:
        """Whether a queue is paused, what waits in it, what is leased from it, for how long the oldest waits, and
        how many run whose home it is.
        """
        tasks = self.tasks.values()
        if queue is Queue.DEADLETTER:
            waiting = [task for task in tasks if task.place is PlaceKind.DEAD]
        else:
            waiting = [task for task in tasks if task.place in _QUEUED and task.lane.queue == queue]
        running = [task.lane for task in tasks if task.place is PlaceKind.RUNNING]
        leased = sum(lane.queue == queue for lane in running)
        at_home = sum(lane.home == queue for lane in running)
        oldest = min((task.at for task in waiting), default=None)
        age = None if oldest is None else max(0, now - oldest)
        return queue in self.paused, len(waiting), leased, age, at_home


def _rank(task: ModelTask) -> tuple[bool, int]:
    return task.lane.queue != Queue.RETRY, task.at - AGED[Priority(task.lane.priority)]
