"""The inbox: what a person has to do, one by one and many at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, field
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call, parse_task_id
from taskyard.api.forms import TaskForm
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.task_lists import kind_ids
from taskyard.api.visibility import see
from taskyard.contracts.inbox import InboxFilter, InboxRow
from taskyard.domain.json import detail, refusal
from taskyard.domain.priority import Priority
from taskyard.domain.task import Task, Time
from taskyard.engine.engine import Engine
from taskyard.engine.people import verbs
from taskyard.engine.people.inbox import groups_of, item_json, read_done, read_inbox
from taskyard.engine.query import Known
from taskyard.errors import TaskyardError

routes = Routes("Inbox")

_AT_ONCE = 200

Field = Annotated[str, Meta(pattern=r"^[\w-]+(\.[\w-]+){0,9}=", max_length=500)]
View = Literal["open", "mine", "claimed", "groups", "unclaimed", "overdue", "done"]


class Wanted(schemas.Strict):
    """What of an inbox is meant. `open`: what the caller can do now, theirs and what none of their groups has claimed.

    `q` is part of a title or of the input; `field` is `path=value` of the input, such as `customer.country=DE` or, in
    an array, `items.sku=7` and `items.0.sku=7`, up to ten separated by commas; `group` whose it is.
    """

    view: View = "open"
    definition: str | None = None
    workflow_id: str | None = None
    priority: list[Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]] | None = None
    group: str | None = None
    due_after: Time | None = None
    due_before: Time | None = None
    field: Annotated[list[Field], Meta(max_length=10)] | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None


class InboxQuery(Wanted):
    """A page of it. `done` is sorted by its end, the latest first, and takes no filter."""

    sort: Literal["due", "priority", "age"] = "due"
    limit: schemas.Limit = 50
    cursor: schemas.Cursor | None = None


class InboxItem(Task, frozen=True, rename="camel", kw_only=True):
    """A manual task as its person sees it: the verbs they may use now, the form of its version, what they drafted."""

    actions: list[str]
    form: TaskForm
    draft: Any = None
    owner: str | None = None
    follow_up: Time | None = None
    decisions: list[dict[str, Any]] = field(default_factory=list)


class InboxPage(schemas.Answer):
    """Some items."""

    items: list[InboxItem]
    next_cursor: str | None


class InboxCounts(schemas.Answer):
    """How many tasks each view has, but `done`."""

    open: int
    mine: int
    claimed: int
    groups: int
    unclaimed: int
    overdue: int


class Many(schemas.Strict):
    """Several tasks, by their ids or by a filter: then the oldest 200. With `dryRun` nothing is changed, only told what
    would be.
    """

    task_ids: Annotated[list[schemas.TaskId], Meta(min_length=1, max_length=_AT_ONCE)] | None = None
    filter: Wanted | None = None
    dry_run: bool = False


class ManyGiven(Many, kw_only=True):
    """To whom they go."""

    assignee_type: Literal["USER", "GROUP"]
    assignee_id: verbs.Name
    reason: verbs.Reason | None = None


class ManyDue(Many, kw_only=True):
    """Until when; null for any time."""

    due_date: Time | None
    reason: verbs.Reason | None = None


class Told(schemas.Answer):
    """What came of one task; `error` is null where it went well."""

    task_id: str
    error: dict[str, Any] | None


class ToldAll(schemas.Answer):
    """What came of each task, in their order; `more`: whether the filter fits further ones."""

    items: list[Told]
    dry_run: bool
    more: bool


INBOX_QUERY = Shape[InboxQuery](InboxQuery)
MANY = Shape[Many](Many)
MANY_GIVEN = Shape[ManyGiven](ManyGiven)
MANY_DUE = Shape[ManyDue](ManyDue)


@routes.add("GET /api/v1/inbox", query=INBOX_QUERY, answers={200: InboxPage})
async def read(call: Call) -> Response:
    """What the caller has to do."""
    query = call.query(INBOX_QUERY)
    name = f"inbox {query.view} {query.sort} {call.caller.subject}"
    after = _row(call.services.cursors.read_name(name, query.cursor))
    if query.view == "done":
        page = await read_done(call.engine, call.caller.subject, query.limit, after)
    else:
        page = await read_inbox(call.engine, await _filter(call, query, query.sort), query.limit, after)
    position = None if page.next is None else f"{page.next.key} {page.next.task_id}"
    items = [item_json(known, call.caller) for known in page.items]
    return answer_page(items, call.services.cursors.make(name, position))


@routes.add("GET /api/v1/inbox/counts", answers={200: InboxCounts})
async def count(call: Call) -> Response:
    """How much the caller has to do."""
    now = await call.engine.store.now()
    return answer(await call.engine.store.inbox_counts(call.caller.subject, groups_of(call.caller), now))


@routes.add("GET /api/v1/inbox/{taskId}", answers={200: InboxItem})
async def read_one(call: Call) -> Response:
    """One task with its form."""
    return answer(item_json(await see(call.engine, call.caller, call.task_id()), call.caller))


@routes.add("POST /api/v1/inbox/claim", body=MANY, answers={200: ToldAll})
async def claim_many(call: Call) -> Response:
    """Claim several tasks."""
    body = await call.body(MANY)
    return await _each(call, body, lambda task: verbs.claim(call.engine, call.caller, task, dry_run=body.dry_run))


@routes.add("POST /api/v1/inbox/reassign", body=MANY_GIVEN, answers={200: ToldAll})
async def reassign_many(call: Call) -> Response:
    """Hand several tasks over."""
    body = await call.body(MANY_GIVEN)
    to = verbs.Reassignment(body.assignee_type, body.assignee_id, body.reason)
    return await _each(
        call, body, lambda task: verbs.reassign(call.engine, call.caller, task, to, dry_run=body.dry_run)
    )


@routes.add("POST /api/v1/inbox/due-date", body=MANY_DUE, answers={200: ToldAll})
async def reschedule_many(call: Call) -> Response:
    """Have several tasks due at another time."""
    body = await call.body(MANY_DUE)
    at = schemas.us(body.due_date)

    def reschedule(task: Known) -> Awaitable[Task]:
        return verbs.reschedule(call.engine, call.caller, task, at, body.reason, dry_run=body.dry_run)

    return await _each(call, body, reschedule)


async def _each(call: Call, body: Many, act: Callable[[Known], Awaitable[Task]]) -> Response:
    """Use a verb on each task by itself; what may not be done to one does not hinder the others."""
    told = []
    ids = await _chosen(call, body)
    for text in ids[:_AT_ONCE]:
        error = None
        try:
            await act(await see(call.engine, call.caller, parse_task_id(text)))
        except TaskyardError as failure:
            error = {"code": failure.code, "message": failure.message, "details": failure.details}
        told.append({"taskId": text, "error": error})
    return answer({"items": told, "dryRun": body.dry_run, "more": len(ids) > _AT_ONCE})


async def _chosen(call: Call, body: Many) -> list[str]:
    """The tasks that are meant, and where there are more than may be done at once one of these. Raises
    ValidationFailed.
    """
    if (body.task_ids is None) == (body.filter is None):
        raise refusal([detail("/taskIds", "give either the ids or a filter", "oneOf")])
    if body.filter is None:
        return list(dict.fromkeys(body.task_ids or ()))
    if body.filter.view == "done":
        raise refusal([detail("/filter/view", "what is done cannot be changed any more", "enum")])
    rows = await call.engine.store.inbox(await _filter(call, body.filter, "age"), _AT_ONCE + 1, None)
    return [str(row.task_id) for row in rows]


async def _filter(call: Call, query: Wanted, sort: str) -> InboxFilter:
    ends = [schemas.us(query.due_before), await call.engine.store.now() if query.view == "overdue" else None]
    return InboxFilter(
        call.caller.subject,
        groups_of(call.caller),
        "open" if query.view == "overdue" else query.view,
        sort,
        due_before=min((end for end in ends if end is not None), default=None),
        due_after=schemas.us(query.due_after),
        kind_ids=None if query.definition is None else await kind_ids(call.engine, [query.definition]),
        workflow_id=query.workflow_id,
        text=query.q or None,
        text_kind_ids=await kind_ids(call.engine, await _titled(call.engine, query.q)) if query.q else (),
        urgencies=None if query.priority is None else tuple(int(Priority[name]) for name in query.priority),
        group=query.group,
        fields=tuple(_field(text) for text in query.field or ()),
    )


def _field(text: str) -> tuple[tuple[str, ...], str]:
    path, _, value = text.partition("=")
    return tuple(path.split(".")), value


async def _titled(engine: Engine, text: str) -> list[str]:
    """The definitions whose title has a text in it, without regard to case."""
    kinds = [kind.definition for kind in await engine.catalog.all_fresh()]
    return [each.key for each in kinds if text.lower() in (each.title or each.key).lower()]


def _row(position: str | None) -> InboxRow | None:
    if position is None:
        return None
    key, task_id = position.split()
    return InboxRow(int(key), int(task_id))
