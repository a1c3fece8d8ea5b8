"""Following a run: what happened after a sequence number, then what happens, each message once and in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from taskyard.domain import sequence
from taskyard.domain.event import TaskEvent
from taskyard.domain.lifecycle import FINAL
from taskyard.domain.task import Task, iso, progress_json, tell, written
from taskyard.engine.engine import Engine
from taskyard.engine.events import read_story
from taskyard.engine.query import get_task, know_one
from taskyard.errors import Overloaded
from taskyard.runtime.watcher import Watcher

Message = dict[str, Any]

_LINES_AT_ONCE = 1000
_LOOK_AGAIN = 1.0

_STATUS_OF = {
    "task.created": "PENDING",
    "task.started": "RUNNING",
    "task.retry": "RETRYING",
    "task.completed": "COMPLETED",
    "task.failed": "FAILED",
    "task.canceled": "CANCELED",
    "task.assigned": "ASSIGNED",
    "task.waiting": "WAITING",
    "task.requeued": "PENDING",
}


class _Look(NamedTuple):
    """What one look found: messages in order, whether there are more already, and when the story ended, if it has."""

    messages: list[Message]
    more: bool
    ended_at: str | None


async def follow(engine: Engine, watcher: Watcher, task_id: int, after: int = 0) -> AsyncIterator[Message]:
    """The run's messages with a sequence above `after`, until it ends. Raises NotFound.

    Stop and come again with the last sequence seen: nothing is missed and nothing repeated. Once it has begun, it
    waits for a store that is away.
    """
    async for messages in follow_in_batches(engine, watcher, task_id, after):
        for message in messages:
            yield message


async def follow_in_batches(
    engine: Engine, watcher: Watcher, task_id: int, after: int = 0
) -> AsyncIterator[list[Message]]:
    """The same, those together that are found together: up to 1000 lines and what happened among them."""
    await know_one(engine, task_id)
    async with watcher.following(task_id) as changed:
        while True:
            changed.clear()
            try:
                look = await _look(engine, task_id, after)
            except Overloaded:
                await _wait_a_while(changed)
                continue
            if look.messages:
                after = max(after, look.messages[-1]["sequence"])
                yield look.messages
            if look.ended_at is not None:
                yield [_end(look.ended_at, after)]
                return
            if not look.more:
                await _wait_a_while(changed)


async def so_far(engine: Engine, task_id: int, after: int) -> list[Message]:
    """What `follow` gives at once, as far as one look finds it. Raises NotFound, Overloaded."""
    look = await _look(engine, task_id, after)
    if look.ended_at is None:
        return look.messages
    return [*look.messages, _end(look.ended_at, max([after, *(each["sequence"] for each in look.messages)]))]


async def wait_final(engine: Engine, watcher: Watcher, task_id: int) -> Task:
    """The task once it is final; waits for a store that is away. Raises NotFound."""
    async with watcher.following(task_id) as changed:
        while True:
            changed.clear()
            with contextlib.suppress(Overloaded):
                task = await get_task(engine, task_id)
                if task.status in FINAL:
                    return task
            await _wait_a_while(changed)


def _end(at: str, after: int) -> Message:
    return {"type": "end", "sequence": after, "at": at}


async def _wait_a_while(changed: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LOOK_AGAIN):
            await changed.wait()


async def _look(engine: Engine, task_id: int, after: int) -> _Look:
    """Everything after a sequence, from one snapshot, so that nothing can slip in below it afterwards."""
    known, events, lines = await read_story(engine, task_id, after, _LINES_AT_ONCE)
    task = tell(*known)
    messages = [message for event in events if event.sequence > after for message in _of_event(event)]
    messages += [
        {"type": "log", "sequence": line.sequence, "at": iso(line.at), "level": line.level, "text": line.text}
        for line in lines
    ]
    progress = known.facts.progress
    if progress is not None and progress.sequence > after:
        told = progress_json(progress) or {}
        messages.append({"type": "progress", "sequence": progress.sequence, "at": iso(progress.at), **told})
    messages.sort(key=lambda m: (m["sequence"], m["type"]))
    more = len(lines) == _LINES_AT_ONCE
    if more:
        messages = [m for m in messages if m["sequence"] <= lines[-1].sequence]
    if more or task.status not in FINAL:
        return _Look(messages, more, None)
    return _Look(_with_result(messages, task, after), more, _ended_at(task))


def _of_event(event: TaskEvent) -> list[Message]:
    status = _STATUS_OF.get(event.key)
    if status is None:
        return []
    at = event.envelope()["timestamp"]
    return [{"type": "status", "sequence": event.sequence, "at": at, "status": status}]


def _with_result(messages: list[Message], task: Task, after: int) -> list[Message]:
    """The result follows the status that ends the story, one sequence number later."""
    number = sequence.dead_lettered(task.attempt)
    if number <= after:
        return messages
    result: Message = {"type": "result", "sequence": number, "at": _ended_at(task)}
    result["status"] = task.status.value
    if task.status == "COMPLETED":
        result["output"] = task.output
    else:
        result["error"] = task.error
    return [*messages, result]


def _ended_at(task: Task) -> str:
    return written(task.end_time or task.dead_lettered_at or task.created_at)
