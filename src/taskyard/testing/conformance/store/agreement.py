# ruff: noqa: S101 - where they do not agree, the test fails
"""Whether a store and the model know the same."""

from __future__ import annotations

from taskyard.contracts.records import Filter
from taskyard.contracts.store import Store
from taskyard.domain.facts import Facts, PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.queue import Queue
from taskyard.domain.task import state_of
from taskyard.testing.conformance.store.model import Model
from taskyard.testing.conformance.store.modelled import ModelTask, check_story

_MANY = 100_000


class Agreement:
    """Compares as a history goes on."""

    def __init__(self, store: Store, model: Model) -> None:
        self.store = store
        self.model = model
        self._events: dict[int, list[tuple[EventType, int]]] = {}
        self._position = 0
        self._latest: dict[int, tuple[int, tuple[object, ...]]] = {}

    async def check(self, now: int) -> None:
        """Every task is where the model says, and has told what the model says."""
        tasks = list(self.model.tasks.values())
        found = await self.store.facts([task.id for task in tasks])
        assert [facts.body.id for facts in found] == [task.id for task in tasks]
        for facts, task in zip(found, tasks, strict=True):
            _compare(facts, task)
        await self._check_events()
        await self._check_latest()
        await self._check_queues(now)
        await self._check_revoked()

    async def check_stories(self) -> None:
        """Attempts add up, events are a legal path, and every list has what it should."""
        tasks = self.model.tasks.values()
        for task in tasks:
            attempts = await self.store.attempts(task.id)
            assert [(a.attempt, a.outcome) for a in attempts] == list(enumerate(task.ends, 1))
            assert check_story(self._events[task.id]) in (task.state, State.RETRYING)
        for state in State:
            wanted = sorted((task.id for task in tasks if task.state is state), reverse=True)
            assert (await self.store.find(Filter(status=frozenset({state})), _MANY, None)).ids == wanted
            assert sum(n for _, s, n in await self.store.counts(0) if s is state) == len(wanted)
        for tag in {task.lane.definition for task in tasks}:
            tagged = sorted((task.id for task in tasks if task.lane.definition == tag), reverse=True)
            assert (await self.store.find(Filter(tag=tag), _MANY, None)).ids == tagged
        dead = sorted((task.id for task in tasks if task.place is PlaceKind.DEAD), reverse=True)
        assert (await self.store.dead(_MANY, None, None)).ids == dead

    async def _check_events(self) -> None:
        while await self.store.sequence(1000):
            pass
        for row in await self.store.feed(self._position, _MANY):
            assert row.pos == self._position + len(row.task_ids)
            self._position = row.pos
            for task_id, sequence in zip(row.task_ids, row.sequences, strict=True):
                self._events.setdefault(task_id, []).append((row.type, sequence))
        assert self._events == {task.id: task.events for task in self.model.tasks.values()}

    async def _check_latest(self) -> None:
        """Followers are told of every change, by a number that never falls."""
        for id_, number in await self.store.latest(list(self.model.tasks)):
            task = self.model.tasks[id_]
            seen: tuple[object, ...] = (task.state, task.attempt, task.changes, len(task.events))
            before, known = self._latest.get(id_, (-1, ()))
            assert number > before if seen != known else number >= before
            self._latest[id_] = number, seen

    async def _check_queues(self, now: int) -> None:
        rows = {row.queue: tuple(row[1:]) for row in await self.store.queues()}
        assert rows == {int(queue): self.model.figures(queue, now) for queue in Queue}

    async def _check_revoked(self) -> None:
        """Each worker is told of its leases that were revoked; maybe also of some that it has let go already."""
        for worker_id in {lease.worker_id for lease in self.model.leases.values()}:
            revoked = {
                lease.pair for lease in self.model.leases.values() if lease.revoked and lease.worker_id == worker_id
            }
            told = set(await self.store.revoked(worker_id))
            assert revoked <= told
            assert all(self.model.tasks[id_].ends[attempt - 1] is Outcome.CANCELED for id_, attempt in told)


def _compare(facts: Facts, task: ModelTask) -> None:
    _, place, last, _ = facts
    assert state_of(place, last) is task.state
    assert (place and place.kind) is task.place
    assert (last and (last.attempt, last.outcome)) == ((len(task.ends), task.ends[-1]) if task.ends else None)
    assert facts.body.revision == task.revision
    if place is not None:
        assert (place.at, place.attempt, place.changes) == (task.at, task.attempt, task.changes)
        if place.kind is not PlaceKind.DEAD:
            assert (place.failures, place.losses) == (task.failures, task.losses)
