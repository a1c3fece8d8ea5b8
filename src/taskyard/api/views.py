"""Saved views of the lists of tasks: one's own, and those that somebody shares with everybody."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.contracts.views import View
from taskyard.domain.ids import parse_id
from taskyard.errors import Conflict, NotFound

routes = Routes("Tasks")

_MOST = 100


class ViewBody(schemas.Strict):
    """A filter as the browser interface reads it, under a name; `shared`: for everybody to see."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    filter: Annotated[str, Meta(max_length=2000)]
    shared: bool = False


class ViewAnswer(schemas.Answer):
    """A saved view; `own`: it is the caller's."""

    view_id: str
    name: str
    filter: str
    shared: bool
    owner: str
    own: bool


class ViewPage(schemas.Answer):
    """Some views that the caller sees, oldest first."""

    items: list[ViewAnswer]
    next_cursor: str | None


VIEW = Shape[ViewBody](ViewBody)


@routes.add("GET /api/v1/views", query=schemas.PAGE_QUERY, answers={200: ViewPage})
async def list_views(call: Call) -> Response:
    """The caller's saved views, and those that others share."""
    query = call.query(schemas.PAGE_QUERY)
    after = call.services.cursors.read_number("views", query.cursor)
    found = await call.engine.store.views(call.caller.subject, query.limit + 1, after or 0)
    end = found[query.limit - 1].id if len(found) > query.limit else None
    return answer_page([_told(call, view) for view in found[: query.limit]], call.services.cursors.make("views", end))


@routes.add("POST /api/v1/views", body=VIEW, answers={201: ViewAnswer})
async def save_view(call: Call) -> Response:
    """Save a view, in place of the caller's of the same name."""
    body = await call.body(VIEW)
    saved = await call.engine.store.save_view(call.caller.subject, body.name, body.filter, body.shared, _MOST)
    if saved is None:
        raise Conflict(f"you have {_MOST} saved views, and nobody may have more; remove one first")
    return answer(_told(call, saved), 201)


@routes.add("DELETE /api/v1/views/{viewId}", answers={204: None})
async def remove_view(call: Call) -> Response:
    """Remove a view of the caller's; for an admin, anybody's."""
    number = parse_id(call.param("viewId"))
    owner = None if call.caller.is_admin else call.caller.subject
    if number is None or not await call.engine.store.remove_view(number, owner):
        raise NotFound("you have no such view")
    return Response(status_code=204)


def _told(call: Call, view: View) -> dict[str, Any]:
    return {
        "viewId": str(view.id), "name": view.name, "filter": view.filter, "shared": view.shared, "owner": view.owner,
        "own": view.owner == call.caller.subject,
    }  # fmt: skip
