"""The processes of a Camunda 7, deployed and started from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from taskyard.domain.camunda import variables_of
from taskyard.domain.json import detail, refusal
from taskyard.engine.orchestrator import Workflow, WorkflowInstance
from taskyard.engine.request import TaskRequest
from taskyard.errors import NotFound
from taskyard.orchestrators.camunda7.client import Camunda, Refused
from taskyard.security.caller import Caller

ENGINE = "camunda"


class _Definition(msgspec.Struct, rename="camel"):
    id: str
    key: str
    name: str | None = None
    version: int = 0
    description: str | None = None


class _Deployment(msgspec.Struct, rename="camel"):
    id: str


class _Instance(msgspec.Struct):
    id: str


class CamundaProcesses:
    """See `Orchestrator`. Steps are the engine's to know, so none are told."""

    def __init__(self, camunda: Camunda) -> None:
        self._camunda = camunda

    async def deploy(self, source: str, about: Mapping[str, Any]) -> Workflow:
        """See the protocol."""
        name = str(about.get("title") or "workflow")
        fields = {"deployment-name": name, "deployment-source": "taskyard", "enable-duplicate-filtering": "true"}
        try:
            made = await self._camunda.upload("/deployment/create", fields, ("workflow.bpmn", source.encode()))
        except Refused as error:
            if error.status == 400:
                raise refusal([detail("/source", f"is not taken: {error.message}", "bpmn")]) from None
            raise
        deployment = msgspec.json.decode(made, type=_Deployment)
        found = await self._definitions({"deploymentId": deployment.id})
        if not found:
            raise refusal([detail("/source", "has no executable process", "bpmn")])
        return found[0]

    async def start(self, request: TaskRequest, caller: Caller) -> WorkflowInstance:
        """See the protocol."""
        del caller
        key = request.task_definition_id
        body = {"variables": variables_of(request.input, "input"), "businessKey": request.correlation_id}
        try:
            made = await self._camunda.post(f"/process-definition/key/{quote(key, safe='')}/start", body)
        except Refused as error:
            if error.status == 404:
                raise _unknown(key) from None
            raise
        return WorkflowInstance(msgspec.json.decode(made, type=_Instance).id, key, ENGINE)

    async def workflows(self) -> list[Workflow]:
        """See the protocol."""
        return await self._definitions({"latestVersion": "true", "sortBy": "key", "sortOrder": "asc"})

    async def workflow(self, key: str) -> Workflow:
        """See the protocol."""
        found = await self._definitions({"latestVersion": "true", "key": key})
        if not found:
            raise _unknown(key)
        return found[0]

    async def _definitions(self, query: dict[str, Any]) -> list[Workflow]:
        found = msgspec.json.decode(await self._camunda.get("/process-definition", query), type=list[_Definition])
        return [
            Workflow(each.key, ENGINE, str(each.version), each.name or "", each.description or "") for each in found
        ]


def _unknown(key: str) -> NotFound:
    return NotFound(f"the Camunda engine has no process {key!r}; deploy its BPMN file first")
