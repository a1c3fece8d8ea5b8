"""Dead letters: look at them, requeue them, give them up."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.task_lists import TaskFilter, filter_of, kind_ids
from taskyard.contracts.records import Page
from taskyard.domain.ids import parse_id
from taskyard.domain.json import detail, refusal
from taskyard.domain.queue import Queue
from taskyard.domain.task import to_json
from taskyard.engine.query import get_tasks, list_dead
from taskyard.engine.requeue import dead_letters, discard, requeue

routes = Routes("Internal: dead letters")
public = Routes("Dead letters")

_PAGE = 200
_MEANT = "dead letters that are meant"


class DeadQuery(schemas.PageQuery):
    """A page of the dead letters, of one definition if it is named."""

    definition: str | None = None


class Selection(schemas.Strict):
    """Which dead letters are meant: by their ids, by a filter, or by the `fingerprint` of their cause, as
    `/api/v1/errors` tells it; of a filter or a cause each call takes a page. With `dryRun` they are only told, not
    moved.
    """

    task_ids: Annotated[list[schemas.TaskId], Meta(max_length=1000)] | None = None
    filter: TaskFilter | None = None
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")] | None = None
    cursor: schemas.Cursor | None = None
    reason: Annotated[str, Meta(max_length=2000)] | None = None
    dry_run: bool = False


class Requeue(Selection):
    """How dead letters are requeued: with another `input`, the first after a `delay` in seconds, and `ratePerSecond` at
    most from then on.
    """

    input: Any = None
    delay: Annotated[float, Meta(ge=0, le=315_360_000)] = 0
    rate_per_second: Annotated[float, Meta(ge=0.001, le=100_000)] | None = None


class DeadLetters(schemas.TaskIds):
    """Which dead letters it concerned; `complete`: there are no others that were meant. A call takes the newest 10,000
    that fit a filter, or of a cause those among the newest 10,000 of all; ask again with `nextCursor` for the rest.
    """

    complete: bool
    next_cursor: str | None


DEAD_QUERY = Shape[DeadQuery](DeadQuery)
SELECTION = Shape[Selection](Selection)
REQUEUE = Shape[Requeue](Requeue)


@public.add("GET /api/v1/deadletters", query=DEAD_QUERY, answers={200: schemas.TaskPage})
@routes.add(
    f"GET /api/internal/queues/{Queue.DEADLETTER.title}/messages",
    query=DEAD_QUERY,
    answers={200: schemas.TaskPage},
)
async def list_dead_letters(call: Call) -> Response:
    """The dead letters, newest first."""
    query, cursors = call.query(DEAD_QUERY), call.services.cursors
    kinds = None if query.definition is None else await kind_ids(call.engine, [query.definition])
    page = await list_dead(call.engine, query.limit, cursors.read_number("dead letters", query.cursor), kinds)
    return answer_page([to_json(task) for task in page.items], cursors.make("dead letters", page.next))


@public.add("POST /api/v1/deadletters/requeue", body=REQUEUE, answers={200: DeadLetters})
@routes.add("POST /api/internal/deadletters/requeue", body=REQUEUE, answers={200: DeadLetters})
async def requeue_dead_letters(call: Call) -> Response:
    """Have dead letters run again; at a rate, all but the first are delayed."""
    body = await call.body(REQUEUE)
    meant = await _selected(call, body)
    if body.dry_run:
        return await _dead_among(call, meant)
    told = (call.caller.subject, body.reason or "requeued", body.input, body.rate_per_second, body.delay)
    moved = await requeue(call.engine, meant.ids, *told, caller=call.caller)
    return _answer(call, [str(id_) for id_ in moved], meant)


@public.add("POST /api/v1/deadletters/discard", body=SELECTION, answers={200: DeadLetters})
@routes.add("POST /api/internal/deadletters/discard", body=SELECTION, answers={200: DeadLetters})
async def discard_dead_letters(call: Call) -> Response:
    """Give dead letters up for good."""
    body = await call.body(SELECTION)
    meant = await _selected(call, body)
    if body.dry_run:
        return await _dead_among(call, meant)
    moved = await discard(call.engine, meant.ids, call.caller.subject, body.reason or "discarded")
    return _answer(call, [str(id_) for id_ in moved], meant)


def _answer(call: Call, task_ids: list[str], meant: Page) -> Response:
    cursor = call.services.cursors.make(_MEANT, meant.next)
    return answer({"taskIds": task_ids, "complete": cursor is None, "nextCursor": cursor})


async def _dead_among(call: Call, meant: Page) -> Response:
    """What a verb would move, looked at page by page."""
    dead: list[str] = []
    for start in range(0, len(meant.ids), _PAGE):
        tasks = await get_tasks(call.engine, meant.ids[start : start + _PAGE])
        dead += [task.task_id for task in tasks if task.dead_lettered_at is not None]
    return _answer(call, dead, meant)


async def _selected(call: Call, body: Selection) -> Page:
    """The ids that are meant. Raises ValidationFailed unless they are named in exactly one way."""
    if sum(given is not None for given in (body.task_ids, body.filter, body.fingerprint)) != 1:
        raise refusal([detail("/taskIds", "is needed, or filter, or fingerprint; just one of them", "oneOf")])
    if body.task_ids is not None:
        return Page([number for text in body.task_ids if (number := parse_id(text)) is not None], None)
    after = call.services.cursors.read_number(_MEANT, body.cursor)
    if body.fingerprint is not None:
        return await call.engine.insight.dead_of(body.fingerprint, after)
    assert body.filter is not None  # noqa: S101 - the one that is left
    return await dead_letters(call.engine, await filter_of(call.engine, body.filter), after)
