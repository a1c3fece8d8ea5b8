"""Query: tasks as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from taskyard.contracts.records import Filter
from taskyard.domain.definition import Kind
from taskyard.domain.facts import AttemptFact, Facts, Line
from taskyard.domain.forms.secrets import without_secrets
from taskyard.domain.forms.start import input_schema
from taskyard.domain.policy import Policy
from taskyard.domain.task import Task, tell
from taskyard.domain.token import times_begun_anew, token_of
from taskyard.domain.waiting import former_inputs, queue_waits
from taskyard.engine.engine import Engine
from taskyard.errors import NotFound


class TaskPage(NamedTuple):
    """Some tasks, newest first, and the position where the next page begins (None: there is none)."""

    items: list[Task]
    next: int | None


class Known(NamedTuple):
    """A task's facts with its version and policy."""

    facts: Facts
    kind: Kind
    policy: Policy


class Attempt(NamedTuple):
    """An ended attempt, and for how many milliseconds it waited in its queue (None: it did not)."""

    fact: AttemptFact
    queue_wait: int | None
    former_input: Any = None


async def know(engine: Engine, task_ids: Sequence[int]) -> list[Known]:
    """The facts of these tasks with what they refer to; unknown tasks are left out."""
    return await join(engine, await engine.store.facts(task_ids))


async def join(engine: Engine, facts: Sequence[Facts]) -> list[Known]:
    """Facts with the versions and policies they refer to."""
    kinds = await engine.catalog.versions(f.body.kind_id for f in facts)
    policies = await engine.catalog.policies(f.body.policy_id for f in facts)
    return [Known(f, kinds[f.body.kind_id].kind, policies[f.body.policy_id]) for f in facts]


async def token_now(engine: Engine, task_id: int) -> str:
    """The token under which the task's present attempts run."""
    notes, attempts = await engine.store.notes([task_id]), await engine.store.attempts(task_id)
    return token_of(task_id, times_begun_anew(notes, attempts))


async def know_one(engine: Engine, task_id: int) -> Known:
    """One task's facts. Raises NotFound."""
    found = await know(engine, [task_id])
    if not found:
        raise NotFound(f"there is no task {task_id}")
    return found[0]


async def get_tasks(engine: Engine, task_ids: Sequence[int]) -> list[Task]:
    """These tasks, in this order; unknown ones are left out."""
    return [tell(*known) for known in await know(engine, task_ids)]


async def get_task(engine: Engine, task_id: int) -> Task:
    """One task. Raises NotFound."""
    return tell(*await know_one(engine, task_id))


async def list_tasks(
    engine: Engine, wanted: Filter, limit: int, after: int | None, *, by_start: bool = False
) -> TaskPage:
    """A page of tasks, newest first, or by the start of their latest attempt."""
    find = engine.store.find_started if by_start else engine.store.find
    page = await find(wanted, limit, after)
    return TaskPage(await get_tasks(engine, page.ids), page.next)


async def list_dead(engine: Engine, limit: int, after: int | None, kind_ids: Sequence[int] | None = None) -> TaskPage:
    """A page of the dead letters, newest first."""
    page = await engine.store.dead(limit, after, kind_ids)
    return TaskPage(await get_tasks(engine, page.ids), page.next)


async def list_attempts(engine: Engine, task_id: int) -> list[Attempt]:
    """A task's ended attempts, oldest first. Raises NotFound."""
    story = await engine.store.story(task_id, 0, 0)
    if story is None:
        raise NotFound(f"there is no task {task_id}")
    waits = queue_waits(story.facts.body, story.attempts, story.notes)
    known = (await join(engine, [story.facts]))[0]
    schema = input_schema(known.kind.definition)
    given = former_inputs(story.attempts, story.notes)
    inputs = {attempt: without_secrets(schema, value) for attempt, value in given.items()}
    return [Attempt(fact, waits[fact.attempt], inputs.get(fact.attempt)) for fact in story.attempts]


async def list_lines(engine: Engine, task_id: int, after: int, limit: int) -> list[Line]:
    """What a task logged after a sequence, oldest first. Raises NotFound."""
    await know_one(engine, task_id)
    return await engine.store.lines(task_id, after, limit)
