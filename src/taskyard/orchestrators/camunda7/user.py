"""The user tasks of a Camunda 7 are manual tasks of ours."""

from __future__ import annotations

from typing import Any

from taskyard.domain.camunda import MESSAGE_LENGTH, moment_of, value_of, variables_of
from taskyard.engine.engine import Engine
from taskyard.orchestrators.camunda7.client import Camunda, UserTask
from taskyard.orchestrators.mirror import Asking, Mirror, choose_assignee

TAG = "camunda-user-task"


class UserTasks(Mirror[UserTask]):
    """See the base."""

    def __init__(self, engine: Engine, camunda: Camunda) -> None:
        super().__init__("camunda7 user", TAG, engine)
        self._camunda = camunda

    async def listed(self, first: int, most: int) -> list[UserTask]:
        """See the base."""
        return await self._camunda.user_tasks(first, most)

    async def read(self, one: UserTask) -> Asking:
        """See the base."""
        links = await self._camunda.identity_links(one.id)
        variables = value_of(await self._camunda.variables(one.id))
        candidates = [link for link in links if link.type == "candidate"]
        process = (one.process_definition_id or "").partition(":")[0] or "camunda"
        key, instance = f"{process}.{one.task_definition_key or 'task'}", one.process_instance_id
        return Asking(
            key=key,
            title=one.name or key,
            description=one.description or "",
            variables=variables,
            step_id=one.task_definition_key,
            workflow_id=instance,
            correlation_id=await self._camunda.business_key(instance) if instance else None,
            assignee=choose_assignee(
                one.assignee,
                [link.group_id for link in candidates if link.group_id],
                [link.user_id for link in candidates if link.user_id],
            ),
            due=moment_of(one.due) if one.due else None,
            priority=one.priority,
        )

    async def check_open(self, id_: str) -> None:
        """See the base."""
        await self._camunda.check_open(id_)

    async def complete(self, id_: str, output: Any) -> None:
        """See the base."""
        await self._camunda.end_user_task(id_, "complete", {"variables": variables_of(output, "output")})

    async def throw(self, id_: str, code: str, message: str, details: Any) -> None:
        """See the base."""
        told = {"errorCode": code, "errorMessage": message[:MESSAGE_LENGTH]}
        variables = variables_of(details, "details")
        await self._camunda.end_user_task(id_, "bpmnError", {**told, "variables": variables})
