"""Verbs on many tasks, a stretch of them at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.task import Task
from taskyard.engine.cancel import cancel
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_tasks
from taskyard.engine.requeue import retry
from taskyard.errors import Conflict, IllegalTransition, NotFound


class Verb(NamedTuple):
    """What can be done, and to which tasks as far as can be told before."""

    act: Callable[[Engine, int, str, str], Awaitable[Task]]
    may: Callable[[Task], bool]


class Done(NamedTuple):
    """The tasks that the verb changed, or would; how many others there are, by their state."""

    changed: list[str]
    kept: dict[State, int]


CANCEL = Verb(cancel, lambda task: task.status not in FINAL)
RETRY = Verb(retry, lambda task: task.dead_lettered_at is not None or task.status is State.RETRYING)


async def to_each(engine: Engine, verb: Verb, task_ids: Sequence[int], by: str, reason: str, *, dry_run: bool) -> Done:
    """Use the verb on each by itself; those it may not be used on stay as they are. Unknown ones are left out."""
    changed: list[str] = []
    kept: Counter[State] = Counter()
    for task in await get_tasks(engine, task_ids):
        try:
            if not verb.may(task):
                kept[task.status] += 1
                continue
            if not dry_run:
                await verb.act(engine, int(task.task_id), by, reason)
        except (IllegalTransition, Conflict, NotFound):
            kept[task.status] += 1
            continue
        changed.append(task.task_id)
    return Done(changed, dict(kept))
