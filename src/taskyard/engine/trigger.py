"""Trigger: start the tasks whose definitions declared a trigger or an action of that name."""

from __future__ import annotations

from typing import Any

from taskyard.domain.task import Task
from taskyard.engine.define import list_definitions
from taskyard.engine.engine import Engine
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import NotFound
from taskyard.security.caller import Caller


async def fire(
    engine: Engine, name: str, properties: Any, caller: Caller, cause: tuple[str, str], service: str | None = None
) -> list[Task]:
    """Start what declared the trigger `name`, in one service or in all. Raises NotFound when nothing did."""
    found = [kind.definition for kind in await list_definitions(engine)]
    keys = [d.key for d in found if d.trigger == name and service in (None, d.service)]
    if not keys:
        raise NotFound(f"no task definition declares the trigger {name!r}")
    return [await _start(engine, key, properties, caller, cause) for key in keys]


async def act(engine: Engine, name: str, properties: Any, caller: Caller, command: str) -> Task:
    """Start the task that declared the action `name`, caused by this command. Raises NotFound."""
    for kind in await list_definitions(engine):
        if kind.definition.action == name:
            return await _start(engine, kind.definition.key, properties, caller, ("command", command))
    raise NotFound(f"no task definition declares the action {name!r}")


async def _start(engine: Engine, key: str, properties: Any, caller: Caller, cause: tuple[str, str]) -> Task:
    request = TaskRequest(task_definition_id=key, input=properties, cause_type=cause[0], cause=cause[1])
    return (await submit(engine, request, caller)).task
