"""The executor of processes: makes an instance ready to be taken on, and lets its task wait for the end of it."""

from __future__ import annotations

from importlib.util import find_spec

from taskyard.contracts.executor import Fallback, Job, Run, constant_fallback
from taskyard.contracts.instances import Instance, InstanceWrite
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.outcome import Failed, Handed, Postponed, Report, TaskError
from taskyard.engine.engine import Engine
from taskyard.errors import ValidationFailed
from taskyard.orchestrators.bpmn.withdrawal import task_ids, withdraw

_AGAIN = 0.1


def is_installed() -> bool:
    """Whether the engine of processes is there."""
    return find_spec("SpiffWorkflow") is not None


class BpmnExecutor:
    """Runs definitions of kind `bpmn`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """See the contract."""
        return not target and definition.kind == "bpmn" and is_installed()

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        source = kind.definition.implementation["source"]

        async def run(job: Job) -> Report:
            from taskyard.orchestrators.bpmn.deploy import define_absent

            try:
                await define_absent(self._engine, source)
            except ValidationFailed as error:
                return Failed(TaskError("VALIDATION_ERROR", error.message, error.details, retryable=False))
            return await self._begin(job.claimed.task_id)

        return run

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract: a definition's constant, or nothing."""
        return constant_fallback(kind)

    async def start(self) -> None:
        """See the contract."""

    async def stop(self) -> None:
        """See the contract."""

    async def _begin(self, task_id: int) -> Report:
        """What is kept of an earlier attempt, or of an instance that FAILED, is over."""
        store = self._engine.store
        left = await store.instance(task_id)
        await withdraw(self._engine, task_ids(left.state if left else b""))
        fresh = Instance(task_id, b"", await store.now(), left.revision if left else 0)
        if not await store.write_instance(InstanceWrite(fresh)):
            return Postponed(_AGAIN, "another worker begins it as well")
        return Handed(to_person=False, correlation_id=f"instance-{task_id}")
