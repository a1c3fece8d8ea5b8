"""Progress, for those who name it: told now and then while tasks run, the latest only, and not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from taskyard.domain import sequence
from taskyard.domain.event import TaskEvent, tell_progress
from taskyard.engine.engine import Engine
from taskyard.engine.query import know

EVERY: Final = 2.0
"""Seconds between two looks: a task's progress is told no more often."""


class Reports(NamedTuple):
    """What running tasks have reported, by their ids, and which tasks have reported anything at all."""

    events: dict[int, TaskEvent]
    reporting: frozenset[int]


async def read_reports(engine: Engine, told: Callable[[int], int]) -> Reports:
    """An event for each running task that has come further than the sequence that was `told` of it, 0 for none."""
    found = dict(await engine.store.reporting())
    further = [task_id for task_id, number in found.items() if number > told(task_id)]
    events = {}
    for known in await know(engine, further) if further else ():
        body, place, progress = known.facts.body, known.facts.place, known.facts.progress
        if progress is None or place is None or sequence.attempt_of(progress.sequence) != place.attempt:
            continue  # it has ended meanwhile, or its attempt before this one said so
        events[body.id] = tell_progress(body, progress)
    return Reports(events, frozenset(found))
