"""Live progress: what happened, then what happens, each message once and in order. Over a WebSocket, or by asking
again and again where there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
from itertools import groupby
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.auth import bearer_protocol
from taskyard.api.buffer import PATIENCE, Buffer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.standing import Standing
from taskyard.api.visibility import see
from taskyard.errors import Forbidden
from taskyard.runtime.follow import Message, follow, follow_in_batches, so_far

routes = Routes("People")

_DONE, _RESTARTING, _NO_LONGER_ALLOWED = 1000, 1012, 1008


class FollowQuery(schemas.Strict):
    """From where on: only what comes after this sequence number."""

    after: schemas.Sequence = 0


class SocketQuery(FollowQuery):
    """The same, and whether each frame is an array of messages rather than one of them."""

    batch: bool = False


class MessagesQuery(FollowQuery):
    """From where on, and for how many seconds to wait for the first message."""

    wait: Annotated[float, Meta(ge=0, le=30)] = 0


class MessagePage(schemas.Answer):
    """Messages as the WebSocket sends them, in order; after one of the type `end` there are no more."""

    items: list[dict[str, Any]]


SOCKET_QUERY = Shape[SocketQuery](SocketQuery)
MESSAGES_QUERY = Shape[MessagesQuery](MessagesQuery)

_AT_ONCE = 1000
_A_FRAME = 1000
_PAUSE = 0.05


@routes.add("GET /api/v1/tasks/{taskId}/messages", query=MESSAGES_QUERY, answers={200: MessagePage})
async def poll_run(call: Call) -> Response:
    """The run's messages after `after`, up to 1000; where there are none yet, those that come within `wait` seconds."""
    task_id = call.task_id()
    await see(call.engine, call.caller, task_id)
    query = call.query(MESSAGES_QUERY)
    items = (await so_far(call.engine, task_id, query.after))[:_AT_ONCE]
    if query.wait and not items:
        await call.while_here(_collect(call, task_id, query, items))
    return answer({"items": items})


async def _collect(call: Call, task_id: int, query: MessagesQuery, items: list[dict[str, Any]]) -> None:
    """Take messages until there are enough, or none comes any more."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(query.wait) as limit:
            async for message in follow(call.engine, call.services.watcher, task_id, query.after):
                items.append(message)
                if len(items) == _AT_ONCE:
                    return
                limit.reschedule(asyncio.get_running_loop().time() + _PAUSE)


@routes.add("SOCKET /ws/task/{runId}", query=SOCKET_QUERY)
async def follow_run(socket: WebSocket, call: Call) -> None:
    """The run's messages after `after`, then live until its end."""
    if not call.services.websocket_enabled:
        raise Forbidden("WebSockets are switched off on this server (TASK_WEBSOCKET_ENABLED); poll the task instead.")
    task_id = call.task_id("runId")
    await see(call.engine, call.caller, task_id)
    query = call.query(SOCKET_QUERY)
    await socket.accept(subprotocol=bearer_protocol(call.scope))
    code = await _serve(socket, call, task_id, query)
    if code is not None:
        with contextlib.suppress(WebSocketDisconnect):  # who has left meanwhile need not be told
            await socket.close(code)


async def _serve(socket: WebSocket, call: Call, task_id: int, query: SocketQuery) -> int | None:
    """Send until the run ends, the client leaves, or its right does; the code to close with, None if it has left."""
    buffer = Buffer(call.services.buffer_size, PATIENCE)
    pumping = asyncio.create_task(_pump(call, task_id, query.after, buffer))
    sending = asyncio.create_task(_send(socket, buffer, batch=query.batch))
    left = asyncio.create_task(_until_left(socket))
    lost = asyncio.create_task(Standing(call, task_id).until_lost())
    stopping = asyncio.create_task(call.services.closing.wait())
    tasks: list[asyncio.Task[Any]] = [pumping, sending, left, lost, stopping]
    try:
        await asyncio.wait({sending, left, lost, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            return None
        if sending.done():
            sending.result()
            pumping.result()
            return _DONE
        return _RESTARTING if stopping.done() else _NO_LONGER_ALLOWED
    except WebSocketDisconnect:
        return None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(call: Call, task_id: int, after: int, buffer: Buffer) -> None:
    try:
        async for messages in follow_in_batches(call.engine, call.services.watcher, task_id, after):
            await buffer.put(*messages)
            messages.clear()  # or they would be kept until the next come
    finally:
        buffer.end()


async def _send(socket: WebSocket, buffer: Buffer, *, batch: bool) -> None:
    while messages := await buffer.take(_A_FRAME if batch else 1):
        told = gathered(messages) if batch else messages[0]
        await socket.send_text(msgspec.json.encode(told).decode())


def gathered(messages: list[Message]) -> list[Message]:
    """The messages, with lines of one level that were said within a millisecond as one, each a line of its text: who
    has much to tell says many, and most of a message is what they have in common.
    """
    told: list[Message] = []
    for common, group in groupby(messages, _in_common):
        first, *more = group
        if common is None or not more:
            told += [first, *more]
        else:
            texts = [first["text"], *(line["text"] for line in more)]
            told.append({**more[-1], "text": "\n".join(texts)})
    return told


def _in_common(message: Message) -> tuple[str, str] | None:
    return (message["at"], message["level"]) if message["type"] == "log" else None


async def _until_left(socket: WebSocket) -> None:
    """What a client sends is not listened to, only that it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
