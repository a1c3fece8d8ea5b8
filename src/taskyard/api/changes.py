"""Which tasks change, as they do: what lists need to know to show what is so now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from taskyard.api.auth import bearer_protocol
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.standing import Standing
from taskyard.contracts.records import Topic
from taskyard.engine.engine import Engine
from taskyard.errors import Forbidden, Overloaded

routes = Routes("People")

MOST_IDS = 200
_AT_MOST_EVERY = 0.5
_LOOK_EVERY = 5.0
_BATCHES = 50
_RESTARTING, _NO_LONGER_ALLOWED = 1012, 1008


class Changed(NamedTuple):
    """Tasks that have changed; `more`: others may have, too."""

    task_ids: list[int]
    more: bool


@routes.add("SOCKET /ws/changes")
async def tell_changes(socket: WebSocket, call: Call) -> None:
    """`{"type": "changes", "taskIds": […], "more": …}`, at most twice a second; `more`: others may have changed too.

    The first comes at once, with `more`: what is read after it misses nothing.
    """
    if not call.services.websocket_enabled:
        raise Forbidden("WebSockets are switched off on this server (TASK_WEBSOCKET_ENABLED); ask again now and then.")
    await socket.accept(subprotocol=bearer_protocol(call.scope))
    telling = asyncio.create_task(_tell(socket, call.engine))
    left = asyncio.create_task(_until_left(socket))
    lost = asyncio.create_task(Standing(call).until_lost())
    stopping = asyncio.create_task(call.services.closing.wait())
    tasks = (telling, left, lost, stopping)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not left.done() and not telling.done():
            with contextlib.suppress(WebSocketDisconnect):  # who has left meanwhile need not be told
                await socket.close(_RESTARTING if stopping.done() else _NO_LONGER_ALLOWED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(socket: WebSocket, engine: Engine) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        async for changed in changes(engine):
            ids = [str(id_) for id_ in changed.task_ids[:MOST_IDS]]
            told = {"type": "changes", "taskIds": ids, "more": changed.more or len(changed.task_ids) > MOST_IDS}
            await socket.send_text(msgspec.json.encode(told).decode())


async def changes(engine: Engine) -> AsyncIterator[Changed]:
    """First that anything may have changed, then what has since the last time, again and again.

    It waits for a store that is away. Where more happens than can be told it says so, and stays at the end.
    """
    woken = asyncio.Event()
    stop_listening = engine.store.listen(Topic.FEED, woken.set)
    try:
        position: int | None = None
        while True:
            woken.clear()
            with contextlib.suppress(Overloaded):
                if position is None:
                    position = await engine.store.feed_end()
                    yield Changed([], more=True)
                rows = await engine.store.feed(position, _BATCHES)
                if rows:
                    is_behind = len(rows) == _BATCHES
                    position = await engine.store.feed_end() if is_behind else rows[-1].pos
                    yield Changed(list(dict.fromkeys(id_ for row in rows for id_ in row.task_ids)), more=is_behind)
            await asyncio.sleep(_AT_MOST_EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await woken.wait()
    finally:
        stop_listening()


async def _until_left(socket: WebSocket) -> None:
    """What a client sends is not listened to, only that it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
