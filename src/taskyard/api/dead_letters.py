"""Dead letters: look at them, requeue them, give them up."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.task_lists import TaskFilter, filter_of, kind_ids
from taskyard.domain.ids import parse_id
from taskyard.domain.json import detail, refusal
from taskyard.domain.lifecycle import State
from taskyard.domain.queue import Queue
from taskyard.domain.task import to_json
from taskyard.engine.query import get_tasks, list_dead
from taskyard.engine.requeue import discard, requeue

routes = Routes("Internal: dead letters")
public = Routes("Dead letters")

_PAGE = 200


class DeadQuery(schemas.PageQuery):
    """A page of the dead letters, of one definition if it is named."""

    definition: str | None = None


class Selection(schemas.Strict):
    """Which dead letters are meant: by their ids, by a filter, or by the `fingerprint` of their cause, as
    `/api/v1/errors` tells it. With `dryRun` they are only told, not moved.
    """

    task_ids: Annotated[list[schemas.TaskId], Meta(max_length=1000)] | None = None
    filter: TaskFilter | None = None
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")] | None = None
    reason: Annotated[str, Meta(max_length=2000)] | None = None
    dry_run: bool = False


class Requeue(Selection):
    """How dead letters are requeued: with another `input`, and `ratePerSecond` at most."""

    input: Any = None
    rate_per_second: Annotated[float, Meta(gt=0, le=100_000)] | None = None


class DeadLetters(schemas.TaskIds):
    """Which dead letters it concerned; `complete`: there are no others that were meant. Of a cause only the newest
    10,000 dead letters are looked at; ask again for the rest.
    """

    complete: bool


class _Selected(NamedTuple):
    """The tasks that are meant, as far as they were looked at."""

    ids: list[int]
    complete: bool = True


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
    told = (call.caller.subject, body.reason or "requeued", body.input, body.rate_per_second)
    moved = await requeue(call.engine, meant.ids, *told, caller=call.caller)
    return answer({"taskIds": [str(id_) for id_ in moved], "complete": meant.complete})


@public.add("POST /api/v1/deadletters/discard", body=SELECTION, answers={200: DeadLetters})
@routes.add("POST /api/internal/deadletters/discard", body=SELECTION, answers={200: DeadLetters})
async def discard_dead_letters(call: Call) -> Response:
    """Give dead letters up for good."""
    body = await call.body(SELECTION)
    meant = await _selected(call, body)
    if body.dry_run:
        return await _dead_among(call, meant)
    moved = await discard(call.engine, meant.ids, call.caller.subject, body.reason or "discarded")
    return answer({"taskIds": [str(id_) for id_ in moved], "complete": meant.complete})


async def _dead_among(call: Call, meant: _Selected) -> Response:
    """What a verb would move, looked at page by page."""
    dead: list[str] = []
    for start in range(0, len(meant.ids), _PAGE):
        tasks = await get_tasks(call.engine, meant.ids[start : start + _PAGE])
        dead += [task.task_id for task in tasks if task.dead_lettered_at is not None]
    return answer({"taskIds": dead, "complete": meant.complete})


async def _selected(call: Call, body: Selection) -> _Selected:
    """The ids that are meant. Raises ValidationFailed unless they are named in exactly one way."""
    if sum(given is not None for given in (body.task_ids, body.filter, body.fingerprint)) != 1:
        raise refusal([detail("/taskIds", "is needed, or filter, or fingerprint; just one of them", "oneOf")])
    if body.task_ids is not None:
        return _Selected([number for text in body.task_ids if (number := parse_id(text)) is not None])
    if body.fingerprint is not None:
        return _Selected(*await call.engine.insight.dead_of(body.fingerprint))
    assert body.filter is not None  # noqa: S101 - the one that is left
    wanted = (await filter_of(call.engine, body.filter))._replace(status=frozenset({State.FAILED}))
    found: list[int] = []
    after: int | None = None
    while True:
        page = await call.engine.store.find(wanted, _PAGE, after)
        found += page.ids
        after = page.next
        if after is None:
            return _Selected(found)
