"""Lists of tasks, and what may be asked of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.visibility import is_theirs, sees_all
from taskyard.contracts.insight import AttemptFilter
from taskyard.contracts.records import Filter
from taskyard.domain import sequence
from taskyard.domain.ids import parse_id
from taskyard.domain.lifecycle import State
from taskyard.domain.priority import Priority
from taskyard.domain.queue import Queue, TaskType
from taskyard.domain.task import Task, Time, to_json
from taskyard.engine.engine import Engine
from taskyard.engine.query import TaskPage, get_tasks, list_tasks
from taskyard.engine.request import PriorityName

internal = Routes("Internal: tasks")
routes = Routes("Tasks")


QueueName = Literal[
    "task-execution-automated", "task-execution-integration", "task-execution-manual", "task-execution-retry",
    "task-execution-deadletter",
]  # fmt: skip


class StatusQuery(schemas.PageQuery, rename="camel"):
    """A page of the tasks in some states; several are separated by commas."""

    status: list[schemas.Status] | None = None


class TaskFilter(schemas.Strict, rename="camel"):
    """Which tasks are meant; every field that is given has to hold. `q` is the beginning of id, title or
    correlation id. `error`, `worker`, `tookFrom` and `tookBelow` (seconds) are of one and the same ended attempt: the
    code it failed with, who executed it, for how long. `queue`: where the task waits now; `attempts`: at least so
    many have begun; `askedBy`: who asked, by themselves or through a client; `traceId`: the trace its spans are in.
    """

    status: list[schemas.Status] | None = None
    task_type: list[TaskType] | None = None
    definition: str | None = None
    workflow_id: str | None = None
    cause_type: str | None = None
    cause: str | None = None
    parent_task_id: schemas.TaskId | None = None
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    correlation_id: str | None = None
    assignee: str | None = None
    tag: str | None = None
    q: str | None = None
    created_after: Time | None = None
    created_before: Time | None = None
    started_after: Time | None = None
    started_before: Time | None = None
    error: Annotated[str, Meta(max_length=255)] | None = None
    worker: Annotated[str, Meta(max_length=255)] | None = None
    took_from: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    took_below: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    queue: list[QueueName] | None = None
    priority: list[PriorityName] | None = None
    attempts: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    asked_by: Annotated[str, Meta(max_length=255)] | None = None
    trace_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")] | None = None


class TaskQuery(TaskFilter, rename="camel"):
    """A page of the tasks that are meant, in the order of their creation or of their latest start; or `taskIds`,
    those and no others, in their order.
    """

    task_ids: Annotated[list[schemas.TaskId], Meta(max_length=200)] | None = None
    sort: Literal["created", "started"] = "created"
    limit: schemas.Limit = 50
    cursor: schemas.Cursor | None = None


_QUEUES = {queue.title: queue for queue in Queue}

STATUS_QUERY = Shape[StatusQuery](StatusQuery)
TASK_QUERY = Shape[TaskQuery](TaskQuery)


@routes.add("GET /api/v1/tasks", query=TASK_QUERY, answers={200: schemas.TaskPage})
async def find_tasks(call: Call) -> Response:
    """Tasks, newest first."""
    query = call.query(TASK_QUERY)
    if query.task_ids is not None:
        return await _answer_these(call, query.task_ids)
    wanted = await filter_of(call.engine, query)
    name = f"tasks by {query.sort}"
    after = call.services.cursors.read_number(name, query.cursor)
    if sees_all(call.caller):
        page = await list_tasks(call.engine, wanted, query.limit, after, by_start=query.sort == "started")
    else:
        page = await _list_theirs(call, wanted, query.limit, after)
    return answer_page([to_json(task) for task in page.items], call.services.cursors.make(name, page.next))


@internal.add("GET /api/internal/tasks/workflow/{workflowId}", query=STATUS_QUERY, answers={200: schemas.TaskPage})
async def list_workflow_tasks(call: Call) -> Response:
    """The tasks of one workflow, newest first."""
    query = call.query(STATUS_QUERY)
    return await _answer_some(call, query, Filter(_states(query.status), workflow_id=call.param("workflowId")))


@internal.add("GET /api/internal/tasks/user/{userId}", query=STATUS_QUERY, answers={200: schemas.TaskPage})
async def list_user_tasks(call: Call) -> Response:
    """The open manual tasks of one person, newest first."""
    query = call.query(STATUS_QUERY)
    return await _answer_some(call, query, Filter(_states(query.status), assignee=call.param("userId")))


async def filter_of(engine: Engine, wanted: TaskFilter) -> Filter:
    """The store's filter for these wishes."""
    return Filter(
        status=_states(wanted.status),
        task_types=None if wanted.task_type is None else frozenset(wanted.task_type),
        kind_ids=None if wanted.definition is None else await kind_ids(engine, [wanted.definition]),
        workflow_id=wanted.workflow_id,
        cause_type=wanted.cause_type,
        cause=wanted.cause,
        parent_id=None if wanted.parent_task_id is None else parse_id(wanted.parent_task_id) or 0,
        hash=None if wanted.hash is None else bytes.fromhex(wanted.hash),
        correlation_id=wanted.correlation_id,
        assignee=wanted.assignee,
        tag=wanted.tag,
        created_after=schemas.us(wanted.created_after),
        created_before=schemas.us(wanted.created_before),
        started_after=schemas.us(wanted.started_after),
        started_before=schemas.us(wanted.started_before),
        attempt=_attempt(wanted),
        queues=None if wanted.queue is None else frozenset(map(_QUEUES.__getitem__, wanted.queue)),
        priorities=None if wanted.priority is None else frozenset(map(Priority.parse, wanted.priority)),
        attempts=wanted.attempts,
        asker=wanted.asked_by,
        family=None if wanted.trace_id is None else sequence.task_of(wanted.trace_id) or 0,
        **await _search(engine, wanted.q),
    )


def _attempt(wanted: TaskFilter) -> AttemptFilter | None:
    spans = (None if each is None else round(each * 1000) for each in (wanted.took_from, wanted.took_below))
    like = AttemptFilter(wanted.error, wanted.worker, *spans)
    return None if like == AttemptFilter() else like


async def _answer_some(call: Call, query: StatusQuery, wanted: Filter) -> Response:
    name = call.scope["path"]
    after = call.services.cursors.read_number(name, query.cursor)
    page = await list_tasks(call.engine, wanted, query.limit, after)
    return answer_page([to_json(task) for task in page.items], call.services.cursors.make(name, page.next))


async def _answer_these(call: Call, task_ids: list[schemas.TaskId]) -> Response:
    ids = [number for text in dict.fromkeys(task_ids) if (number := parse_id(text)) is not None]
    tasks = await get_tasks(call.engine, ids)
    seen = tasks if sees_all(call.caller) else [task for task in tasks if is_theirs(call.caller, task)]
    return answer_page([to_json(task) for task in seen], None)


async def _list_theirs(call: Call, wanted: Filter, limit: int, after: int | None) -> TaskPage:
    """The caller's and their groups' manual tasks, newest first: a merge of one list for each name."""
    found: dict[int, Task] = {}
    ends: list[int] = []
    for name in {call.caller.subject, *call.caller.groups}:
        if wanted.assignee in (None, name):
            page = await list_tasks(call.engine, wanted._replace(assignee=name), limit, after)
            found |= {int(task.task_id): task for task in page.items if is_theirs(call.caller, task)}
            ends += [] if page.next is None else [page.next]
    # Below the highest end some list has not been read yet, so the page stops there.
    end = max(ends, default=0)
    ids = sorted((id_ for id_ in found if id_ >= end), reverse=True)
    more = len(ids) > limit
    return TaskPage([found[id_] for id_ in ids[:limit]], ids[limit - 1] if more else end or None)


async def kind_ids(engine: Engine, keys: list[str]) -> tuple[int, ...]:
    """The versions of these definitions; of one there is not, none."""
    return tuple([kind.id for key in keys for kind in await engine.store.versions(key)])


async def titled(engine: Engine, text: str) -> list[str]:
    """The definitions whose title begins with a text, without regard to case."""
    return [
        kind.definition.key
        for kind in await engine.catalog.all_current()
        if (kind.definition.title or kind.definition.key).lower().startswith(text.lower())
    ]


async def _search(engine: Engine, text: str | None) -> dict[str, Any]:
    """`q` as the beginning of an id, a title (without regard to case) or a correlation id."""
    if not text:
        return {}
    return {
        "id_prefix": text if parse_id(text) is not None else None,
        "title_kind_ids": await kind_ids(engine, await titled(engine, text)),
        "correlation_prefix": text,
    }


def _states(names: list[schemas.Status] | None) -> frozenset[State] | None:
    return None if names is None else frozenset(State.parse(name) for name in names)
