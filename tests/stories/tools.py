"""Short words for what many stories look at."""

from collections.abc import Sequence
from typing import Any

from taskyard import Run, TaskEvent, Taskyard
from taskyard.contracts.records import Filter, WorkerInfo
from taskyard.engine.events import task_events
from taskyard.engine.query import list_tasks
from taskyard.engine.recover import recover
from taskyard.engine.requeue import discard, requeue, retry
from taskyard.errors import TaskyardError

__all__ = ["count_tasks", "discard", "events_of", "keys_of", "lose", "refused_paths", "requeue", "retry"]


async def count_tasks(yard: Taskyard, **wanted: Any) -> int:
    """How many tasks are stored that fit; at most 2,000."""
    return len((await list_tasks(yard.engine, Filter(**wanted), 2000, None)).items)


async def events_of(yard: Taskyard, run: Run[Any]) -> list[TaskEvent]:
    """A task's audit trail, oldest first."""
    return await task_events(yard.engine, int(run.id))


def keys_of(events: Sequence[TaskEvent]) -> list[str]:
    """Their routing keys without the word that all begin with."""
    return [event.key.removeprefix("task.") for event in events]


def refused_paths(error: TaskyardError) -> list[str]:
    """Where an input was found wrong."""
    return sorted(detail["path"] for detail in error.details)


async def lose(yard: Taskyard, task_id: int) -> None:
    """Have a worker die that has begun the only task there is."""
    store = yard.engine.store
    worker_id = await store.register(WorkerInfo("unlucky", "localhost", 0, "0", (), 1, supervised=True))
    assert await store.claim(worker_id, list(await yard.engine.catalog.all_lanes()), 1) is not None
    await store.bury(worker_id, [task_id])
    assert await recover(yard.engine) == 1
