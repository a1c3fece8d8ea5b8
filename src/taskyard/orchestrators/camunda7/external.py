"""The external tasks of a Camunda 7 are done as tasks of ours. Every definition is a topic by its key."""

from __future__ import annotations

import asyncio
from typing import Any

from taskyard.domain.camunda import MESSAGE_LENGTH, value_of, variables_of
from taskyard.engine.engine import Engine
from taskyard.orchestrators.bridge import Step
from taskyard.orchestrators.camunda7.client import Camunda, External
from taskyard.orchestrators.holding import Holding, Work

_AT_ONCE = 50
_IDLE = 1.0


class ExternalTasks(Holding):
    """What is fetched is locked; the lock is extended while the task lives."""

    def __init__(self, engine: Engine, camunda: Camunda) -> None:
        super().__init__("camunda7", engine, camunda.lock_seconds)
        self._camunda = camunda

    def steps(self) -> list[Step]:
        """See the base."""
        return [self._fetch, self.tend]

    async def _fetch(self) -> None:
        room, topics = min(_AT_ONCE, self.room), await self.keys()
        if room <= 0 or not topics:
            await asyncio.sleep(_IDLE)
            return
        for external in await self._camunda.fetch_and_lock(topics, room):
            await self.take(_work(external))

    def read(self, work: Work) -> dict[str, Any]:
        """See the base."""
        return value_of(work.variables)

    async def hold(self, work: Work) -> None:
        """See the base."""
        await self._camunda.tell(work.id, "extendLock", newDuration=int(self._camunda.lock_seconds * 1000))

    async def complete(self, work: Work, output: Any) -> None:
        """See the base."""
        await self._camunda.tell(work.id, "complete", variables=variables_of(output, "output"))

    async def throw(self, work: Work, code: str, message: str, details: Any) -> None:
        """See the base."""
        told = {"errorCode": code, "errorMessage": message[:MESSAGE_LENGTH]}
        await self._camunda.tell(work.id, "bpmnError", **told, variables=variables_of(details, "details"))

    async def fail(self, work: Work, message: str, trace: str, left: int) -> None:
        """See the base."""
        told = {"errorMessage": message[:MESSAGE_LENGTH], "errorDetails": trace}
        await self._camunda.tell(work.id, "failure", **told, retries=left, retryTimeout=0)


def _work(external: External) -> Work:
    return Work(
        id=external.id,
        key=external.topic_name,
        variables=external.variables,
        retries=external.retries,
        workflow_id=external.process_instance_id,
        correlation_id=external.business_key,
        metadata={"externalTaskId": external.id},
    )
