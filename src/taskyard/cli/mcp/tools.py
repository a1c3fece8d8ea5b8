"""The tools: what an assistant can ask of Taskyard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from taskyard.cli.access import Access, Json, Message
from taskyard.cli.mcp import arguments as shapes
from taskyard.cli.scaffold import Project, scaffold
from taskyard.domain.lifecycle import FINAL
from taskyard.domain.schema import Validator, compile_schema

_SHOWN = ("taskId", "taskDefinitionId", "title", "status", "progress", "createdAt", "executionTime", "error")


class UnknownTool(Exception):
    """There is no tool of that name."""


class OnProgress(Protocol):
    """Hears how far a call is."""

    def tell(self, current: float, total: float | None, message: str | None) -> None:
        """Hear it."""


class Tool(NamedTuple):
    """A tool: its description, the schema of its arguments, whether it only reads, and what carries it out."""

    title: str
    description: str
    schema: Json
    reads: bool
    carry_out: Callable[[Mapping[str, Any], OnProgress | None], Awaitable[Json]]


class Toolbox:
    """All tools, on one access."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._tools = self._make()
        self._validators: dict[str, Validator] = {
            name: compile_schema(tool.schema) for name, tool in self._tools.items()
        }

    def describe(self) -> list[Json]:
        """The tools as the protocol lists them."""
        return [
            {
                "name": name,
                "title": tool.title,
                "description": tool.description,
                "inputSchema": tool.schema,
                "annotations": {"readOnlyHint": tool.reads, "openWorldHint": False},
            }
            for name, tool in self._tools.items()
        ]

    async def call(self, name: str, arguments: Mapping[str, Any], on_progress: OnProgress | None = None) -> Json:
        """What the tool gives. Raises UnknownTool; ValidationFailed and the errors of the engine."""
        if name not in self._tools:
            raise UnknownTool(f"there is no tool {name!r}; tools/list names those there are")
        self._validators[name].check(dict(arguments), "")
        return await self._tools[name].carry_out(arguments, on_progress)

    def _make(self) -> dict[str, Tool]:
        return {
            "list_definitions": Tool(
                "List definitions",
                "What can be run: each task definition with the JSON Schema of its input.",
                shapes.NOTHING, True, self._list_definitions,
            ),
            "list_tasks": Tool(
                "List tasks", "Tasks, newest first, with their states and errors.",
                shapes.LIST_TASKS, True, self._list_tasks,
            ),
            "run_task": Tool(
                "Run a task",
                "Run a task and wait for its result; one that takes longer goes on and can be followed.",
                shapes.RUN_TASK, False, self._run_task,
            ),
            "start_task": Tool(
                "Start a task", "Have a task run, without waiting for it.",
                shapes.START_TASK, False, self._start_task,
            ),
            "follow_task": Tool(
                "Follow a task",
                "What a run has done since a sequence number, and does within some seconds: states, logs, result.",
                shapes.FOLLOW_TASK, True, self._follow_task,
            ),
            "explain_task": Tool(
                "Explain a task", "Why a task is not running, or how it failed: the reason, the task, its attempts.",
                shapes.EXPLAIN_TASK, True, self._explain_task,
            ),
            "microservice": Tool(
                "Make a project",
                "Make a new task service in a folder: tasks, their test, settings and a README.",
                shapes.MICROSERVICE, False, _microservice,
            ),
        }  # fmt: skip

    async def _list_definitions(self, _: Mapping[str, Any], __: OnProgress | None) -> Json:
        names = ("key", "title", "description", "taskType", "danger", "expense", "inputSchema")
        return {"items": [{name: one.get(name) for name in names} for one in await self._access.definitions()]}

    async def _list_tasks(self, arguments: Mapping[str, Any], _: OnProgress | None) -> Json:
        page = await self._access.tasks({"limit": 20, **arguments})
        return {
            "items": [{name: task.get(name) for name in _SHOWN} for task in page["items"]],
            "nextCursor": page["nextCursor"],
        }

    async def _start_task(self, arguments: Mapping[str, Any], _: OnProgress | None) -> Json:
        task, reused = await self._access.start(_body(arguments))
        return {"taskId": task["taskId"], "status": task["status"], "reused": reused}

    async def _run_task(self, arguments: Mapping[str, Any], on_progress: OnProgress | None) -> Json:
        task = (await self._access.start(_body(arguments))).task
        logs: list[str] = []

        def take(message: Message) -> None:
            if message["type"] == "log":
                logs.append(message["text"])
            elif message["type"] == "progress" and on_progress is not None:
                on_progress.tell(message["current"], message["total"], message["action"])

        await self._hear(task["taskId"], 0, arguments.get("waitSeconds", shapes.DEFAULT_WAIT), take)
        task = await self._access.task(task["taskId"])
        told = {name: task[name] for name in ("taskId", "status", "output", "error", "warnings", "executionTime")}
        return {**told, "logs": logs, "ended": task["status"] in FINAL}

    async def _follow_task(self, arguments: Mapping[str, Any], on_progress: OnProgress | None) -> Json:
        del on_progress
        after = arguments.get("after", 0)
        messages: list[Message] = []
        await self._hear(arguments["taskId"], after, arguments.get("waitSeconds", shapes.DEFAULT_WAIT), messages.append)
        ended = bool(messages) and messages[-1]["type"] == "end"
        last = max((message["sequence"] for message in messages), default=after)
        return {"messages": messages, "after": last, "ended": ended}

    async def _explain_task(self, arguments: Mapping[str, Any], _: OnProgress | None) -> Json:
        task_id = arguments["taskId"]
        return {
            **await self._access.why(task_id),
            "task": await self._access.task(task_id),
            "attempts": await self._access.attempts(task_id),
        }

    async def _hear(self, task_id: str, after: int, seconds: float, take: Callable[[Message], None]) -> None:
        """Take the run's messages until it ends, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                async for message in self._access.follow(task_id, after):
                    take(message)
        except TimeoutError:
            return


def _body(arguments: Mapping[str, Any]) -> Json:
    body: Json = {**arguments.get("options", {}), "taskDefinitionId": arguments["definition"]}
    return body | ({"input": arguments["input"]} if "input" in arguments else {})


async def _microservice(arguments: Mapping[str, Any], _: OnProgress | None) -> Json:
    name = arguments["name"]
    folder = Path(arguments.get("folder") or ".") / name
    project = Project(name, arguments.get("connector", "none"), arguments.get("database", "sqlite"))
    made = await asyncio.to_thread(scaffold, folder, project)
    return {"folder": str(folder.absolute()), "files": [str(path) for path in made]}
