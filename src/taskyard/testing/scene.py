"""One look at everything that is not final: what moves by itself, and when time would move something."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from taskyard.contracts.records import Filter
from taskyard.domain.facts import Facts, PlaceKind
from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.queue import Queue
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, know
from taskyard.runtime.worker import Worker

_AT_ONCE = 1000
_OPEN = frozenset(State) - FINAL
_TIMED = frozenset({PlaceKind.DELAYED, PlaceKind.RETRYING})


class Scene(NamedTuple):
    """`moving`: the tasks that go on without time being moved; `next_due` in microseconds, None for nothing."""

    moving: frozenset[int]
    next_due: int | None


async def look(engine: Engine, worker: Worker, can_run: Callable[[Known], bool]) -> Scene:
    """The scene now. `can_run`: whether the worker has the task's definition."""
    tasks = await _open_tasks(engine)
    paused = {row.queue for row in await engine.store.queues() if row.paused}
    parents = {known.facts.body.parent_id for known in tasks}
    moving = {id_ for id_ in worker.running if id_ not in parents}
    due: list[int] = []
    for known in tasks:
        task_id, place = known.facts.body.id, known.facts.place
        if place is None:
            continue
        if place.kind in _TIMED:
            due.append(place.at)
        elif place.kind is PlaceKind.READY:
            queue = Queue.of(known.kind.definition.task_type)
            if queue in paused or not can_run(known):
                continue
            opens_at = await _opens_at(engine, known)
            if opens_at is None:
                moving.add(task_id)
            else:
                due.append(opens_at)
        elif _runs_here(known.facts, worker) and task_id not in parents:
            moving.add(task_id)
    return Scene(frozenset(moving), min(due, default=None))


async def _opens_at(engine: Engine, known: Known) -> int | None:
    """When the rates that the task keeps to let the next one start; None for now."""
    gates = await engine.gates.rates(known.kind.definition)
    opens_at = max([await engine.store.rate_opens_at(gate) for gate in gates], default=0)
    return None if opens_at <= await engine.store.now() else opens_at


def _runs_here(facts: Facts, worker: Worker) -> bool:
    place = facts.place
    return place is not None and place.kind is PlaceKind.RUNNING and place.worker == worker.name


async def _open_tasks(engine: Engine) -> list[Known]:
    tasks: list[Known] = []
    after: int | None = None
    while True:
        page = await engine.store.find(Filter(status=_OPEN), _AT_ONCE, after)
        tasks += await know(engine, page.ids)
        after = page.next
        if after is None:
            return tasks
