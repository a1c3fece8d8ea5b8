"""Short words for tests of connections and the tasks that go over them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from taskyard import Taskyard
from taskyard.domain.connection import Connection
from taskyard.domain.lifecycle import State
from taskyard.engine.connections import put_connection
from taskyard.engine.define import define, parse_definition
from taskyard.engine.query import get_task
from tests.security.egress.receiver import Asked

CANARY = "canary-4b1f77aa-token"
JSON = {"content_type": "application/json"}

Reply = Callable[[Asked], bytes]


async def connect(yard: Taskyard, port: int, name: str = "billing", **fields: Any) -> None:
    """Keep the connection `billing`, or of that `name`, to an API on this machine that wants to see the canary."""
    settings = {"baseUrl": f"http://127.0.0.1:{port}", "auth": {"type": "bearer"}, **fields.pop("settings", {})}
    connection = Connection(connection_id=name, type="rest", settings=settings, **fields)
    await put_connection(yard.engine, yard.app.box, connection, {"token": CANARY})


async def offer(
    yard: Taskyard, operation: dict[str, Any], key: str = "there", over: str = "billing", **more: Any
) -> None:
    """Define a task that goes over it; `more` of the implementation, and of the definition."""
    implementation = {"kind": "integration", "connectionId": over, "operation": operation}
    implementation |= {name: more.pop(name) for name in ("request", "response", "errorExpression") if name in more}
    await define(yard.engine, [parse_definition({"key": key, "implementation": implementation, **more})])


def replying(reply: Reply) -> Callable[[Asked, Any], Awaitable[None]]:
    """What a receiver answers, made of what it is asked."""

    async def serve(asked: Asked, writer: Any) -> None:
        writer.write(reply(asked))
        await writer.drain()

    return serve


async def lines(yard: Taskyard, task_id: str) -> list[str]:
    """What a task has logged."""
    return [line.text for line in await yard.engine.store.lines(int(task_id), 0, 100)]


async def is_in(yard: Taskyard, task_id: str, state: State) -> bool:
    """Whether a task is in this state."""
    return (await get_task(yard.engine, int(task_id))).status is state
