"""Camunda 7 (and Operaton, CIB seven): its external tasks are done as tasks of ours.

Every definition is a topic by its key. What is fetched is locked; while our task lives the lock is extended, whatever
it takes, and its end is told. The external task's id is the idempotency key, so whoever fetches it again, after a crash
or a lock that ran out, finds the same task.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any

import msgspec
import structlog

from taskyard.domain.camunda import value_of, variables_of
from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.task import Task
from taskyard.engine.cancel import cancel
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_tasks
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import CallFailed, Conflict, TaskyardError
from taskyard.security.caller import SYSTEM
from taskyard.security.egress.client import Egress, Limits

LOCK_SECONDS = 60.0
_MOST_OPEN = 1000
_AT_ONCE = 50
_POLL_SECONDS = 20.0
_LOOK_EVERY = 0.2
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_MESSAGE_LENGTH = 666
_OURS = frozenset(
    {
        "VALIDATION_ERROR", "OUTPUT_VALIDATION_ERROR", "EXECUTION_ERROR", "TIMEOUT", "WORKER_LOST", "SANDBOX_ERROR",
        "SANDBOX_UNAVAILABLE", "RESOURCE_LIMIT", "INTEGRATION_ERROR", "CIRCUIT_OPEN", "CANCELED",
    }
)  # fmt: skip

log = structlog.get_logger("taskyard.camunda")


class Gone(Exception):
    """The engine knows no such external task any more, or (`locked`) its lock is another's."""

    def __init__(self, reason: str, *, locked: bool) -> None:
        super().__init__(reason)
        self.locked = locked


class External(msgspec.Struct, rename="camel"):
    """An external task as the engine tells it."""

    id: str
    topic_name: str
    variables: dict[str, Any] | None = None
    retries: int | None = None
    process_instance_id: str | None = None
    business_key: str | None = None


class Camunda:
    """The verbs of its REST API; `url` ends in `/engine-rest`. Raises CallFailed, and Gone."""

    def __init__(self, url: str, egress: Egress, authorization: str = "", lock_seconds: float = LOCK_SECONDS) -> None:
        self._url = url.rstrip("/")
        self.lock_seconds = lock_seconds
        self._egress = egress
        self._headers = {"content-type": "application/json"}
        if authorization:
            self._headers["authorization"] = authorization
        self.worker_id = f"taskyard-{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"

    async def fetch_and_lock(self, topics: list[str], most: int) -> list[External]:
        """Up to so many of these topics, waited for."""
        asked = [{"topicName": topic, "lockDuration": int(self.lock_seconds * 1000)} for topic in topics]
        body = {
            "maxTasks": most,
            "usePriority": True,
            "asyncResponseTimeout": int(_POLL_SECONDS * 1000),
            "topics": asked,
        }
        return msgspec.json.decode(await self._post("/external-task/fetchAndLock", body), type=list[External])

    async def tell(self, external: External, verb: str, **fields: Any) -> None:
        """`complete`, `failure`, `bpmnError` or `extendLock`."""
        await self._post(f"/external-task/{external.id}/{verb}", fields)

    async def _post(self, path: str, fields: dict[str, Any]) -> bytes:
        content = msgspec.json.encode({"workerId": self.worker_id, **fields})
        limits = Limits(read=_POLL_SECONDS + 10, total=_POLL_SECONDS + 20, max_bytes=64 << 20)
        answer = await self._egress.send(
            "POST", self._url + path, headers=self._headers, content=content, limits=limits
        )
        if answer.status_code in (400, 404) and not path.endswith("fetchAndLock"):
            raise Gone(answer.text[:500], locked=answer.status_code == 400)
        if answer.status_code >= 300:
            raise CallFailed(f"the engine answered {answer.status_code}: {answer.text[:200]}", reason="status")
        return answer.content


class _Open(msgspec.Struct):
    external: External
    task_id: int
    extend_at: float
    look_at: float = 0.0
    failures: int = 0


class Camunda7:
    """Fetches, tends what is open, and tells how it ended; after any error it goes on."""

    def __init__(self, engine: Engine, camunda: Camunda) -> None:
        self._engine = engine
        self._camunda = camunda
        self.open: dict[str, _Open] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._again(self._fetch), name="taskyard-camunda-fetch"),
            asyncio.create_task(self._again(self._tend), name="taskyard-camunda-tend"),
        ]

    async def stop(self) -> None:
        """Stop; what is locked is fetched again by the next one, once its lock has run out."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _again(self, step: Any) -> None:
        failures = 0
        while True:
            try:
                await step()
                failures = 0
            except (TaskyardError, msgspec.MsgspecError) as error:
                log.warning("the engine cannot be used; it is asked again", reason=str(error))
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
            except Exception:
                log.exception("something went wrong with the engine; it is asked again")
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    async def _fetch(self) -> None:
        room = min(_AT_ONCE, _MOST_OPEN - len(self.open))
        topics = [kind.definition.key for kind in await self._engine.catalog.all_fresh() if not kind.retired]
        if room <= 0 or not topics or await self._engine.mode.is_on():
            await asyncio.sleep(_LOOK_EVERY * 5)
            return
        for external in await self._camunda.fetch_and_lock(topics, room):
            await self._take(external)

    async def _take(self, external: External) -> None:
        """Have it done; what cannot be asked for at all is told as a failure that nobody tries again."""
        try:
            task_id = await self._submit(external)
        except (TaskyardError, ValueError) as error:
            if isinstance(error, TaskyardError) and error.retry_after is not None:
                raise
            told = getattr(error, "message", None) or str(error)
            with contextlib.suppress(Gone):
                await self._camunda.tell(external, "failure", errorMessage=told[:_MESSAGE_LENGTH], retries=0)
            return
        self.open[external.id] = _Open(external, task_id, self._half_way())

    async def _submit(self, external: External) -> int:
        request = TaskRequest(
            task_definition_id=external.topic_name,
            input=value_of(external.variables),
            workflow_id=external.process_instance_id,
            correlation_id=external.business_key,
            # A new allowance of retries, given by an operator of the engine, is a new request.
            idempotency_key=f"camunda7/{external.id}/{external.retries}",
            metadata={"externalTaskId": external.id},
        )
        try:
            return int((await submit(self._engine, request, SYSTEM)).task.task_id)
        except Conflict as error:  # its variables have changed since it was first fetched
            if isinstance(error.details, dict) and "taskId" in error.details:
                return int(error.details["taskId"])
            raise

    async def _tend(self) -> None:
        await asyncio.sleep(_LOOK_EVERY)
        opened = list(self.open.values())  # more may be opened while their tasks are read
        tasks = await get_tasks(self._engine, sorted({each.task_id for each in opened})) if opened else []
        found = {int(task.task_id): task for task in tasks}
        for each in opened:
            if asyncio.get_running_loop().time() >= each.look_at:
                await self._tend_one(each, found.get(each.task_id))

    async def _tend_one(self, each: _Open, task: Task | None) -> None:
        """Tell the engine what is to be told of one; where it does not take it, the others do not wait."""
        now = asyncio.get_running_loop().time()
        try:
            if task is None or task.status in FINAL:
                await self._end(each.external, task)
                del self.open[each.external.id]
            elif now >= each.extend_at:
                await self._camunda.tell(
                    each.external, "extendLock", newDuration=int(self._camunda.lock_seconds * 1000)
                )
                each.extend_at = self._half_way()
            each.failures = 0
        except Gone as gone:
            del self.open[each.external.id]
            await self._let_go(each, task, gone)
        except CallFailed as error:
            log.warning("the engine did not take it; it is told again", external=each.external.id, reason=error.message)
            each.look_at = now + _PAUSES[min(each.failures, len(_PAUSES) - 1)]
            each.failures += 1

    def _half_way(self) -> float:
        """When a lock that is taken now should be extended."""
        return asyncio.get_running_loop().time() + self._camunda.lock_seconds / 2

    async def _end(self, external: External, task: Task | None) -> None:
        if task is not None and task.status is State.COMPLETED:
            await self._camunda.tell(external, "complete", variables=variables_of(task.output, "output"))
            return
        error = (task.error if task else None) or {"code": "CANCELED", "message": "the task was canceled"}
        message = str(error.get("message"))[:_MESSAGE_LENGTH]
        if error["code"] not in _OURS:
            details = variables_of(error.get("details"), "details")
            await self._camunda.tell(
                external, "bpmnError", errorCode=error["code"], errorMessage=message, variables=details
            )
            return
        left = max(0, (1 if external.retries is None else external.retries) - 1)
        trace = error.get("stackTrace") or f"{error['code']}: {error.get('message')}"
        await self._camunda.tell(
            external, "failure", errorMessage=message, errorDetails=trace, retries=left, retryTimeout=0
        )

    async def _let_go(self, each: _Open, task: Task | None, gone: Gone) -> None:
        """Where the process went another way (a boundary event, a cancel) nobody wants the result any more."""
        log.info("the engine gave an external task up", external=each.external.id, task=each.task_id, reason=str(gone))
        if task is not None and task.status not in FINAL and not gone.locked:
            with contextlib.suppress(TaskyardError):
                await cancel(self._engine, each.task_id, SYSTEM.subject, "its process does not want it any more")
