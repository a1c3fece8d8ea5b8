"""Manual tasks: handed to whom the request or the definition names."""

from __future__ import annotations

from taskyard.contracts.directory import Directory
from taskyard.contracts.executor import Fallback, Job, Run
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.outcome import Report
from taskyard.domain.people.document import Asked, read_extra
from taskyard.domain.people.spec import work_of
from taskyard.engine.engine import Engine
from taskyard.engine.people.handing import hand_over


class ManualExecutor:
    """Drains the manual queue into ASSIGNED."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self._engine = engine
        self._directory = directory

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """See the contract."""
        return not target and definition.task_type == "MANUAL"

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        manual = work_of(kind.definition)

        async def run(job: Job) -> Report:
            c = job.claimed
            asked = Asked(c.task_id, c.priority, c.input, read_extra(c.extra), c.workflow_id, c.correlation_id)
            return await hand_over(self._engine, self._directory, kind, manual, asked, c.attempt)

        return run

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract: people have no fallback."""
        del kind
        return None

    async def start(self) -> None:
        """See the contract."""

    async def stop(self) -> None:
        """See the contract."""
