"""The yard that the promises are tried on, and short words for what many of them look at."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Literal

from httpx import Response
from pydantic import BaseModel, Field

from taskyard import Context, TaskFailed, Taskyard
from taskyard.api.server import create_api
from taskyard.contracts.clock import Clock
from taskyard.domain.definition import Definition
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from taskyard.settings import load
from tests.api.yard import SUM_SCHEMA, Client, make_services

INTERNAL = "/api/internal/tasks"
QUEUES = "/api/internal/queues"
MESSAGES = f"{QUEUES}/messages"
AUTOMATED, INTEGRATION, MANUAL, RETRY, DEADLETTER = (
    f"task-execution-{name}" for name in ("automated", "integration", "manual", "retry", "deadletter")
)
SUM = {"a": 1, "b": 2}
STEADY = {"maxRetries": 2, "initialDelay": 10, "multiplier": 2, "jitter": 0}


class Item(BaseModel):
    """A line of an order."""

    name: Literal["nut", "bolt"]
    count: Annotated[int, Field(ge=1, le=9)]


def make_yard(folder: Path, clock: Clock | None = None, **changes: Any) -> Taskyard:
    """A yard in memory with tasks of every temper; `changes` are settings."""
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(folder), TASKYARD_GRACE=0.1, **changes)
    yard = Taskyard("sqlite:///:memory:", settings=settings, clock=clock)

    @yard.task
    async def add(a: int, b: int) -> int:
        return a + b

    @yard.task
    async def echo(value: Any = None) -> Any:
        return value

    @yard.task
    async def order(items: list[Item]) -> int:
        return sum(item.count for item in items)

    @yard.task(retry=STEADY)
    async def flaky(ctx: Context, failures: int) -> int:
        if ctx.attempt <= failures:
            raise ValueError(f"failure {ctx.attempt}")
        return ctx.attempt

    @yard.task(retry=STEADY)
    async def refused(code: str) -> None:
        raise TaskFailed("it will not", code=code, details={"why": "because"}, retryable=False)

    @yard.task
    async def variables(ctx: Context) -> Any:
        return ctx.workflow

    @yard.task
    async def patient(ctx: Context) -> None:
        ctx.progress(1, 4, "waiting")
        await asyncio.Event().wait()

    return yard


async def define_more(yard: Taskyard) -> None:
    """Definitions that workers of other languages and people carry out."""
    external = {"kind": "external", "topic": "work"}
    assignment = {"type": "USER", "id": "ada"}
    await define(
        yard.engine,
        [
            Definition(
                key="sums",
                implementation=external,
                input_schema=SUM_SCHEMA,
                output_schema={"type": "integer"},
                retry_policy=STEADY,
            ),
            Definition(key="fetch", task_type=TaskType.INTEGRATION, implementation=external, retry_policy=STEADY),
            Definition(
                key="approve",
                title="Approve the order",
                description="Look at it and say yes.",
                task_type=TaskType.MANUAL,
                implementation={"kind": "manual", "assignment": assignment},
            ),
        ],
    )


def client_of(yard: Taskyard) -> Client:
    """An administrator's client, in process; use it with `async with`."""
    services = make_services(yard)
    return Client(create_api(services), services)


def refusal(answer: Response) -> tuple[int, str]:
    """The status and the code of an error."""
    return answer.status_code, answer.json()["error"]["code"]


async def task_of(http: Client, task_id: str) -> dict[str, Any]:
    """A task as it is now."""
    answer = await http.get(f"{INTERNAL}/{task_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def events_of(http: Client, task_id: str) -> list[dict[str, Any]]:
    """A task's audit trail, oldest first."""
    return list((await http.get(f"/api/v1/tasks/{task_id}/events?limit=200")).json()["items"])


async def event_of(http: Client, task_id: str, type_: str) -> dict[str, Any]:
    """The one event of this type in a task's trail."""
    (event,) = [each for each in await events_of(http, task_id) if each["type"] == type_]
    return event


async def types_of(http: Client, task_id: str) -> list[str]:
    """The types in a task's trail, without the word `task` and the middle one."""
    return [event["type"].rpartition(".")[2] for event in await events_of(http, task_id)]


async def dequeue(http: Client, queue: str, **more: Any) -> list[dict[str, Any]]:
    """What a worker is given by one dequeue."""
    answer = await http.post(f"{QUEUES}/{queue}/dequeue", json={"workerId": "w1", "maxMessages": 100, **more})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["messages"])


async def settle(http: Client, message: dict[str, Any], verb: str, **body: Any) -> Response:
    """Use a verb of a leased message."""
    return await http.post(f"{MESSAGES}/{message['taskId']}/{verb}", json={"leaseToken": message["leaseToken"], **body})


async def depths(http: Client) -> dict[str, int]:
    """How many tasks wait in each queue that is not empty."""
    queues = (await http.get("/api/v1/queues")).json()["items"]
    return {queue["name"]: queue["depth"] for queue in queues if queue["depth"]}


async def count(http: Client) -> int:
    """How many tasks are stored, of 200 at most."""
    return len((await http.get("/api/v1/tasks?limit=200")).json()["items"])
