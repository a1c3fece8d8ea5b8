"""What the caller has been told of their tasks, and how they want to be told."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.people.notice import NoticeKind
from taskyard.domain.people.preferences import Preferences
from taskyard.domain.task import Time
from taskyard.engine.people import notices

routes = Routes("Notifications")


class NoticeQuery(schemas.PageQuery):
    """A page of notices, or of those only that are unread."""

    unread: bool = False


class Notice(schemas.Answer):
    """What somebody was told of a task, or of a webhook endpoint, as it was then."""

    notice_id: str
    kind: NoticeKind
    task_id: str | None
    subscription_id: str | None
    at: Time
    read_at: Time | None
    text: str
    title: str
    task_definition_id: str | None
    workflow_id: str | None
    priority: str | None
    due_date: Time | None
    by: str | None
    reason: str | None
    action: str | None
    assignee_type: str | None
    assignee_id: str | None


class NoticePage(schemas.Answer):
    """Some notices, the latest first."""

    items: list[Notice]
    next_cursor: str | None


class Unread(schemas.Answer):
    """How much there is to read."""

    unread: int


class Mark(schemas.Strict):
    """Which notices (without `noticeIds` all), and whether they count as read."""

    notice_ids: Annotated[list[schemas.TaskId], Meta(min_length=1, max_length=200)] | None = None
    read: bool = field(default=True)


class Marked(schemas.Answer):
    """How many that changed."""

    count: int


NOTICE_QUERY = Shape[NoticeQuery](NoticeQuery)
MARK = Shape[Mark](Mark)
PREFERENCES = Shape[Preferences](Preferences)


@routes.add("GET /api/v1/notifications", query=NOTICE_QUERY, answers={200: NoticePage})
async def read(call: Call) -> Response:
    """What the caller has been told; reading the list marks nothing."""
    query = call.query(NOTICE_QUERY)
    name = f"notifications {query.unread} {call.caller.subject}"
    after = call.services.cursors.read_number(name, query.cursor)
    page = await notices.list_notices(call.engine, call.caller, query.limit, after, unread=query.unread)
    return answer_page([notices.notice_json(row) for row in page.items], call.services.cursors.make(name, page.next))


@routes.add("GET /api/v1/notifications/count", answers={200: Unread})
async def count(call: Call) -> Response:
    """How much the caller has not read."""
    return answer({"unread": await call.engine.store.unread(call.caller.subject)})


@routes.add("POST /api/v1/notifications/read", body=MARK, body_optional=True, answers={200: Marked})
async def mark(call: Call) -> Response:
    """Have notices of the caller's read, or unread again."""
    body = await call.body(MARK, optional=True)
    ids = None if body.notice_ids is None else [number for each in body.notice_ids if (number := int(each)) < 1 << 63]
    return answer({"count": await notices.mark(call.engine, call.caller, ids, read=body.read)})


@routes.add("GET /api/v1/notifications/preferences", answers={200: Preferences})
async def read_preferences(call: Call) -> Response:
    """How the caller wants to be told."""
    return answer(await notices.preferences_of(call.engine, call.caller))


@routes.add("PUT /api/v1/notifications/preferences", body=PREFERENCES, answers={200: Preferences})
async def put_preferences(call: Call) -> Response:
    """Say how the caller wants to be told."""
    wanted = await call.body(PREFERENCES)
    return answer(await notices.prefer(call.engine, call.caller, wanted, call.services.outside.check_url))
