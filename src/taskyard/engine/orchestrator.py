"""An orchestrator: what knows processes, and starts instances of them. Ours runs BPMN by itself; others are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from taskyard.domain.json import detail, refusal
from taskyard.domain.task import Task
from taskyard.engine.request import TaskRequest
from taskyard.security.caller import Caller

OURS = "taskyard"
"""The orchestrator that needs no other system."""


class WorkflowStep(msgspec.Struct, frozen=True, rename="camel"):
    """An element of a process whose work is a task of `taskDefinitionId`; None for what is computed in place."""

    step_id: str
    name: str
    type: str
    task_definition_id: str | None


class Workflow(msgspec.Struct, frozen=True, rename="camel"):
    """A deployed process. `missing`: the definitions it asks for that nobody has registered yet; `fault`: why it cannot
    be run at all.
    """

    key: str
    engine: str
    version: str
    title: str
    description: str = ""
    steps: list[WorkflowStep] = []
    missing: list[str] = []
    fault: str | None = None


class WorkflowInstance(msgspec.Struct, frozen=True, rename="camel"):
    """A process under way; its id is the `workflowId` of its tasks. `task`: what it is with us."""

    instance_id: str
    key: str
    engine: str
    task: Task | None = None


class Orchestrator(Protocol):
    """Verbs raise NotFound for a process there is not, ValidationFailed, CallFailed where another system is away."""

    async def deploy(self, source: str, about: Mapping[str, Any]) -> Workflow:
        """Make the process in a BPMN file known; equal content is the version it was before.

        `about`: what a definition may say of it besides.
        """

    async def start(self, request: TaskRequest, caller: Caller) -> WorkflowInstance:
        """Start an instance of the process that the request names as its definition."""

    async def workflows(self) -> list[Workflow]:
        """The processes that can be started, by key."""

    async def workflow(self, key: str) -> Workflow:
        """One of them."""


def named(orchestrators: Mapping[str, Orchestrator], name: str) -> Orchestrator:
    """The orchestrator of this name. Raises ValidationFailed where there is none."""
    if name not in orchestrators:
        known = ", ".join(sorted(orchestrators))
        raise refusal([detail("/engine", f"must be one of {known}; CAMUNDA_URL sets a Camunda 7 engine", "enum")])
    return orchestrators[name]
