"""The jobs of a Camunda 8 are done as tasks of ours.

Every definition is a job type by its key. What is activated is ours until its timeout, which is put off while the task
lives.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from taskyard.engine.engine import Engine
from taskyard.orchestrators.bridge import Step
from taskyard.orchestrators.camunda8.client import Job, Zeebe, fields
from taskyard.orchestrators.holding import Holding, Work

_IDLE = 1.0
_AT_ONCE = 50
_MESSAGE_LENGTH = 10_000


class Jobs(Holding):
    """One poll waits for each job type."""

    def __init__(self, engine: Engine, zeebe: Zeebe) -> None:
        super().__init__("camunda8", engine, zeebe.hold_seconds)
        self._zeebe = zeebe
        self._polls: dict[str, asyncio.Task[None]] = {}

    def steps(self) -> list[Step]:
        """See the base."""
        return [self._keep_polling, self.tend]

    async def stop(self) -> None:
        """See the base."""
        await super().stop()
        for poll in self._polls.values():
            poll.cancel()
        await asyncio.gather(*self._polls.values(), return_exceptions=True)

    async def _keep_polling(self) -> None:
        """Have a poll for each definition there is now."""
        keys = set(await self.keys())
        for key in self._polls.keys() - keys:
            self._polls.pop(key).cancel()
        for key in keys - self._polls.keys():
            self._polls[key] = asyncio.create_task(self.again(partial(self._poll, key)))
        await asyncio.sleep(_IDLE)

    async def _poll(self, type_: str) -> None:
        room = min(_AT_ONCE, self.room)
        if room <= 0:
            await asyncio.sleep(_IDLE)
            return
        for job in await self._zeebe.activate(type_, room):
            await self.take(_work(job))

    def read(self, work: Work) -> dict[str, Any]:
        """See the base."""
        return dict(work.variables)

    async def hold(self, work: Work) -> None:
        """See the base."""
        await self._zeebe.hold(work.id)

    async def complete(self, work: Work, output: Any) -> None:
        """See the base."""
        await self._zeebe.tell(work.id, "completion", {"variables": fields(output, "output")})

    async def throw(self, work: Work, code: str, message: str, details: Any) -> None:
        """See the base."""
        told = {"errorCode": code, "errorMessage": message[:_MESSAGE_LENGTH]}
        await self._zeebe.tell(work.id, "error", {**told, "variables": fields(details, "details")})

    async def fail(self, work: Work, message: str, trace: str, left: int) -> None:
        """See the base."""
        told = {"errorMessage": f"{message}\n{trace}"[:_MESSAGE_LENGTH]}
        await self._zeebe.tell(work.id, "failure", {**told, "retries": left, "retryBackOff": 0})


def _work(job: Job) -> Work:
    return Work(
        id=str(job.job_key),
        key=job.type,
        variables=job.variables,
        retries=job.retries,
        workflow_id=None if job.process_instance_key is None else str(job.process_instance_key),
        metadata={"jobKey": str(job.job_key), "elementId": job.element_id},
    )
