"""Canceling and retrying many tasks: those that are named, or those that a filter finds, page by page."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.access import READ
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.task_lists import TaskFilter, filter_of
from taskyard.domain.ids import parse_id
from taskyard.domain.json import detail, refusal
from taskyard.domain.lifecycle import State
from taskyard.engine.many import CANCEL, RETRY, Verb, to_each

routes = Routes("Tasks")

_PAGE = 500


class ManyTasks(schemas.Strict):
    """Which tasks are meant: by their ids, or by a filter, of which each call takes a page. With `dryRun` it is only
    told what would be done.
    """

    task_ids: Annotated[list[schemas.TaskId], Meta(min_length=1, max_length=_PAGE)] | None = None
    filter: TaskFilter | None = None
    cursor: schemas.Cursor | None = None
    reason: Annotated[str, Meta(max_length=2000)] | None = None
    dry_run: bool = False


class ManyDone(schemas.Answer):
    """The tasks that were changed, or would be; of the others how many are in which state. With a `nextCursor` there
    may be more that fit the filter.
    """

    task_ids: list[str]
    kept: dict[State, int]
    next_cursor: str | None


MANY_TASKS = Shape[ManyTasks](ManyTasks)


@routes.add("POST /api/v1/tasks/cancel", body=MANY_TASKS, answers={200: ManyDone})
async def cancel_many(call: Call) -> Response:
    """Cancel many tasks; those that are over stay as they are."""
    return await _act(call, CANCEL, "canceled by hand")


@routes.add("POST /api/v1/tasks/retry", body=MANY_TASKS, answers={200: ManyDone})
async def retry_many(call: Call) -> Response:
    """Requeue dead letters, and run now what waits for its retry; the others stay as they are."""
    return await _act(call, RETRY, "retried by hand")


async def _act(call: Call, verb: Verb, reason: str) -> Response:
    body = await call.body(MANY_TASKS)
    ids, after = await _page(call, body)
    done = await to_each(call.engine, verb, ids, call.caller.subject, body.reason or reason, dry_run=body.dry_run)
    cursor = call.services.cursors.make("many", after)
    return answer({"taskIds": done.changed, "kept": done.kept, "nextCursor": cursor})


async def _page(call: Call, body: ManyTasks) -> tuple[list[int], int | None]:
    """The ids that are meant, and where the next page begins; what a filter finds is told to who may read only.
    Raises ValidationFailed, Forbidden.
    """
    if (body.task_ids is None) == (body.filter is None):
        raise refusal([detail("/taskIds", "is needed, or filter; not both", "oneOf")])
    if body.task_ids is not None:
        return [number for text in dict.fromkeys(body.task_ids) if (number := parse_id(text)) is not None], None
    assert body.filter is not None  # noqa: S101 - the one that is left
    call.caller.require(READ)
    after = call.services.cursors.read_number("many", body.cursor)
    page = await call.engine.store.find(await filter_of(call.engine, body.filter), _PAGE, after)
    return page.ids, page.next
