"""The feed of all tasks' events: as pages, and as a stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.sse import EVENT_STREAM, EventStream, sse_event, sse_place
from taskyard.api.standing import Standing
from taskyard.contracts.records import Topic
from taskyard.domain.json import detail, refusal
from taskyard.engine.engine import Engine
from taskyard.engine.events import FeedEvent, read_page
from taskyard.engine.query import know
from taskyard.errors import Overloaded

routes = Routes("Triggers and events")

_AT_ONCE = 200
_LOOK_EVERY = 0.5
_SILENCE = 15.0


class FeedQuery(schemas.Strict, rename="camel"):
    """Events after a position of the feed, or the `last` so many; of the tasks with a cause if one is named."""

    after: schemas.Sequence | None = None
    last: schemas.Limit | None = None
    cause_type: str | None = None
    cause: str | None = None
    limit: schemas.Limit = 50
    cursor: schemas.Cursor | None = None


FEED_QUERY = Shape[FeedQuery](FeedQuery)


@routes.add(
    "GET /api/v1/events",
    query=FEED_QUERY,
    answers={
        200: {
            "application/json": schemas.FeedPage,
            EVENT_STREAM: {"schema": {"type": "string"}},
        }
    },
)
async def read_events(call: Call) -> Response:
    """The events of all tasks, oldest first; with `Accept: text/event-stream` those to come as well."""
    query = call.query(FEED_QUERY)
    if EVENT_STREAM in call.headers.get("accept", ""):
        return EventStream(_stream(call, query, await _beginning(call, query)))
    cursors = call.services.cursors
    at = cursors.read_number("events", query.cursor)
    after = await _first(call, query) if at is None else at
    page = await read_page(call.engine, after, query.limit)
    more = after < page.end < await call.engine.store.feed_end()
    items = [each.event.envelope() for each in await _caused(call.engine, page.events, query)]
    return answer_page(items, cursors.make("events", page.end if more else None), position=str(page.end))


async def _first(call: Call, query: FeedQuery) -> int:
    """Where the first page begins. Raises ValidationFailed."""
    if query.last is None:
        return query.after or 0
    if query.after is not None:
        raise refusal([detail("/last", "is named beside after; there is one beginning", "oneOf")])
    return max(0, await call.engine.store.feed_end() - query.last)


async def _beginning(call: Call, query: FeedQuery) -> int:
    """Where a stream begins: where the client was before, or now. Raises ValidationFailed."""
    last = call.headers.get("last-event-id")
    if last is not None:
        if not (last.isascii() and last.isdecimal() and len(last) < 19):
            raise refusal([detail("/Last-Event-ID", "is not the id of an event of this stream", "pattern")])
        return int(last)
    is_open = query.after is None and query.last is None
    return await call.engine.store.feed_end() if is_open else await _first(call, query)


async def _stream(call: Call, query: FeedQuery, after: int) -> AsyncIterator[bytes]:
    """Events as they come, until the client's right to see them or the server ends."""
    woken = asyncio.Event()
    stop_listening = call.engine.store.listen(Topic.FEED, woken.set)
    standing = Standing(call)
    loop = asyncio.get_running_loop()
    spoken = loop.time()
    yield sse_place(str(after))
    try:
        while await standing.holds():
            woken.clear()
            page = await read_page(call.engine, after, _AT_ONCE)
            for each in await _caused(call.engine, page.events, query):
                yield sse_event(str(each.pos), each.event.key, msgspec.json.encode(each.event.envelope()))
                spoken = loop.time()
            if page.end > after:
                after = page.end
                continue
            if loop.time() - spoken >= _SILENCE:
                yield sse_place(str(after))
                spoken = loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await woken.wait()
    except Overloaded:
        return  # the store is away: the client comes again with the last id it has
    finally:
        stop_listening()


async def _caused(engine: Engine, events: list[FeedEvent], query: FeedQuery) -> list[FeedEvent]:
    """Those of the events whose task has the cause that is asked for."""
    if query.cause_type is None and query.cause is None:
        return events
    bodies = [known.facts.body for known in await know(engine, sorted({int(e.event.data["taskId"]) for e in events}))]
    wanted = {
        str(body.id)
        for body in bodies
        if query.cause_type in (None, body.cause_type) and query.cause in (None, body.cause)
    }
    return [each for each in events if each.event.data["taskId"] in wanted]
