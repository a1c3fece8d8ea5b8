"""Live progress over a WebSocket: what happened, then what happens, each message once and in order."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from taskyard.api import schemas
from taskyard.api.auth import bearer_protocol
from taskyard.api.buffer import PATIENCE, Buffer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.standing import Standing
from taskyard.api.visibility import see
from taskyard.errors import Forbidden
from taskyard.runtime.follow import follow

routes = Routes("People")

_DONE, _RESTARTING, _NO_LONGER_ALLOWED = 1000, 1012, 1008


class FollowQuery(schemas.Strict):
    """From where on: only what comes after this sequence number."""

    after: schemas.Sequence = 0


FOLLOW_QUERY = Shape[FollowQuery](FollowQuery)


@routes.add("SOCKET /ws/task/{runId}", query=FOLLOW_QUERY)
async def follow_run(socket: WebSocket, call: Call) -> None:
    """The run's messages after `after`, then live until its end."""
    if not call.services.websocket_enabled:
        raise Forbidden("WebSockets are switched off on this server (TASK_WEBSOCKET_ENABLED); poll the task instead.")
    task_id = call.task_id("runId")
    await see(call.engine, call.caller, task_id)
    after = call.query(FOLLOW_QUERY).after
    await socket.accept(subprotocol=bearer_protocol(call.scope))
    code = await _serve(socket, call, task_id, after)
    if code is not None:
        await socket.close(code)


async def _serve(socket: WebSocket, call: Call, task_id: int, after: int) -> int | None:
    """Send until the run ends, the client leaves, or its right does; the code to close with, None if it has left."""
    buffer = Buffer(call.services.buffer_size, PATIENCE)
    pumping = asyncio.create_task(_pump(call, task_id, after, buffer))
    sending = asyncio.create_task(_send(socket, buffer))
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
        async for message in follow(call.engine, call.services.watcher, task_id, after):
            await buffer.put(message)
    finally:
        buffer.end()


async def _send(socket: WebSocket, buffer: Buffer) -> None:
    while (message := await buffer.take()) is not None:
        await socket.send_text(msgspec.json.encode(message).decode())


async def _until_left(socket: WebSocket) -> None:
    """What a client sends is not listened to, only that it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
