"""The history of tasks, on the store itself."""

from __future__ import annotations

from taskyard.app import App
from taskyard.cli.access.contract import Json
from taskyard.domain.ids import parse_id
from taskyard.domain.task import tell
from taskyard.engine import audit
from taskyard.engine.events import read_story
from taskyard.errors import NotFound
from taskyard.security.keys import derive

_DAY_US = 86_400 * 1_000_000


class LocalAudit:
    """The verbs on an open app; see the contract."""

    _app: App

    async def history(self, task_id: str, format_: str) -> str:
        """See the contract."""
        from taskyard.api.histories import write_history

        number = parse_id(task_id)
        if number is None:
            raise NotFound(f"there is no task {task_id!r}")
        story = await read_story(self._app.engine, number)
        return write_history(tell(*story.known), [event.envelope() for event in story.events], format_).decode()

    async def verify_audit(self, head: str | None) -> Json:
        """See the contract."""
        retention = int(self._app.settings["TASK_RETENTION_DAYS"] * _DAY_US)
        key = derive(self._app.master_key, "audit")
        former = [derive(each, "audit") for each in self._app.settings["TASKYARD_FORMER_SECRET_KEYS"]]
        verdict = await audit.verify(self._app.engine, key, retention, head, former=former)
        found = [
            {"number": one.number, "problem": one.problem, "taskId": one.task_id, "message": one.message}
            for one in verdict.findings
        ]
        return {**verdict._asdict(), "findings": found}
