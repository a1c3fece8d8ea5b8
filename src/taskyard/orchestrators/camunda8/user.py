"""The user tasks of a Camunda 8 are manual tasks of ours: those of the kind that Zeebe keeps itself.

It knows no error that a person comes to: one that is rejected is completed with the variable `error`.
"""

from __future__ import annotations

from typing import Any

from taskyard.domain.people.spec import parse_time
from taskyard.engine.engine import Engine
from taskyard.orchestrators.camunda8.client import UserTask, Zeebe, fields
from taskyard.orchestrators.mirror import Asking, Mirror, choose_assignee

_USUAL_PRIORITY = 50


class UserTasks(Mirror[UserTask]):
    """See the base."""

    def __init__(self, engine: Engine, zeebe: Zeebe) -> None:
        super().__init__("camunda8 user", "zeebe-user-task", engine)
        self._zeebe = zeebe

    async def listed(self, first: int, most: int) -> list[UserTask]:
        """See the base."""
        return await self._zeebe.user_tasks(first, most)

    async def read(self, one: UserTask) -> Asking:
        """See the base."""
        key = f"{one.process_definition_id or 'camunda'}.{one.element_id or 'task'}"
        return Asking(
            key=key,
            title=one.name or key,
            description="",
            variables=await self._zeebe.variables(one.id),
            step_id=one.element_id,
            workflow_id=None if one.process_instance_key is None else str(one.process_instance_key),
            correlation_id=None,
            assignee=choose_assignee(one.assignee, one.candidate_groups or (), one.candidate_users or ()),
            due=parse_time(one.due_date) if one.due_date else None,
            priority=_USUAL_PRIORITY if one.priority is None else one.priority,
        )

    async def check_open(self, id_: str) -> None:
        """See the base."""
        await self._zeebe.check_open(id_)

    async def complete(self, id_: str, output: Any) -> None:
        """See the base."""
        await self._zeebe.complete_user_task(id_, fields(output, "output"))

    async def throw(self, id_: str, code: str, message: str, details: Any) -> None:
        """See the base."""
        await self._zeebe.complete_user_task(id_, {"error": {"code": code, "message": message, "details": details}})

    async def assign(self, id_: str, person: str | None) -> None:
        """See the base."""
        await self._zeebe.assign(id_, person)
