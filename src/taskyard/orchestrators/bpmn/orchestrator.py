"""Our own orchestrator: a process is a definition, and an instance of it a task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from taskyard.domain.definition import Kind
from taskyard.domain.json import detail, refusal
from taskyard.engine.define import get_definition, list_definitions
from taskyard.engine.engine import Engine
from taskyard.engine.orchestrator import OURS, Workflow, WorkflowInstance, WorkflowStep
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import NotFound, ValidationFailed
from taskyard.orchestrators.bpmn.executor import is_installed
from taskyard.security.caller import Caller


class Bpmn:
    """See `Orchestrator`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def deploy(self, source: str, about: Mapping[str, Any]) -> Workflow:
        """See the protocol."""
        _check_installed()
        from taskyard.orchestrators.bpmn.deploy import deploy

        return await self._tell(await deploy(self._engine, source, about))

    async def start(self, request: TaskRequest, caller: Caller) -> WorkflowInstance:
        """See the protocol."""
        await self._find(request.task_definition_id)
        task = (await submit(self._engine, request, caller)).task
        return WorkflowInstance(task.task_id, task.task_definition_id, OURS, task)

    async def workflows(self) -> list[Workflow]:
        """See the protocol."""
        kinds = await list_definitions(self._engine)
        return [await self._tell(kind) for kind in kinds if kind.definition.kind == "bpmn"]

    async def workflow(self, key: str) -> Workflow:
        """See the protocol."""
        return await self._tell(await self._find(key))

    async def _find(self, key: str) -> Kind:
        kind = await get_definition(self._engine, key)
        if kind.definition.kind != "bpmn":
            raise NotFound(f"{key!r} is no workflow; `taskyard workflows` lists those there are")
        return kind

    async def _tell(self, kind: Kind) -> Workflow:
        _check_installed()
        from taskyard.orchestrators.bpmn.deploy import missing
        from taskyard.orchestrators.bpmn.machine import known

        told = kind.definition
        plain = Workflow(told.key, OURS, kind.version, told.title, told.description)
        try:
            model = await asyncio.to_thread(known, told.implementation["source"])
        except ValidationFailed as error:  # it was stored as any definition is, and nobody has looked at it
            return replace(plain, fault=error.message)
        steps = [
            WorkflowStep(step.id, step.name, step.tag, None if step.is_computed else step.definition)
            for step in model.steps.values()
        ]
        return replace(plain, steps=steps, missing=await missing(self._engine, model))


def _check_installed() -> None:
    if not is_installed():
        raise refusal([detail("/engine", "needs SpiffWorkflow for BPMN: pip install 'taskyard[bpmn]'", "engine")])
