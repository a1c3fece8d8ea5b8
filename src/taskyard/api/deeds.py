"""Who did what: to tasks, and beside them."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.task import Time, iso
from taskyard.engine.deeds import find_deeds

routes = Routes("Triggers and events")


class DeedQuery(schemas.PageQuery):
    """What was done by somebody, `by` one alone if they are named; of the events with a routing key, if it is."""

    by: str | None = None
    event: str | None = None


class Deed(schemas.Answer):
    """Who brought an event about; `event` is its routing key, `envelope` all of it, before and after included."""

    by: str
    event: str
    envelope: schemas.Envelope


class DeedPage(schemas.Answer):
    """Deeds, the latest first."""

    items: list[Deed]
    next_cursor: str | None


class JournalQuery(schemas.PageQuery):
    """What was done beside tasks, `by` one alone if they are named."""

    by: str | None = None


class JournalItem(schemas.Answer):
    """Who did what, and the facts of it."""

    at: Time
    by: str
    action: str
    facts: dict[str, Any]


class JournalPage(schemas.Answer):
    """Entries, the latest first."""

    items: list[JournalItem]
    next_cursor: str | None


JOURNAL_QUERY = Shape[JournalQuery](JournalQuery)
DEED_QUERY = Shape[DeedQuery](DeedQuery)


@routes.add("GET /api/v1/audit", query=DEED_QUERY, answers={200: DeedPage})
async def read_deeds(call: Call) -> Response:
    """Who did what to tasks, the latest first, as far back as tasks are kept."""
    query, cursors = call.query(DEED_QUERY), call.services.cursors
    before = cursors.read_number("audit", query.cursor)
    found = await find_deeds(call.engine, query.limit, before, query.by, query.event)
    items = [{"by": one.by, "event": one.event.key, "envelope": one.event.envelope()} for one in found.items]
    return answer_page(items, cursors.make("audit", found.next))


@routes.add("GET /api/v1/audit/journal", query=JOURNAL_QUERY, answers={200: JournalPage})
async def read_journal(call: Call) -> Response:
    """What was done beside tasks (queues, schedules, webhooks, people), the latest first."""
    query, cursors = call.query(JOURNAL_QUERY), call.services.cursors
    before = cursors.read_number("journal", query.cursor)
    found = await call.engine.store.journal(query.limit, before, query.by)
    items = [
        {"at": iso(one.at), "by": one.who, "action": one.action, "facts": msgspec.json.decode(one.facts)}
        for one in found
    ]
    more = found[-1].id if len(found) == query.limit else None
    return answer_page(items, cursors.make("journal", more))
