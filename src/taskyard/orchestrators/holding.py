"""Work of another orchestrator that is ours while we hold it: done as a task, held while that lives, and told of.

There is one task for its id, as long as that is kept, so whoever is given it again, after a crash or when we held it no
longer, finds the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, NamedTuple

import msgspec
import structlog

from taskyard.domain.json import digest
from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.schema import let_in
from taskyard.domain.task import Task
from taskyard.engine.cancel import cancel
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_tasks
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import CallFailed, TaskyardError
from taskyard.orchestrators.bridge import OUR_CODES, Bridge, pause_after
from taskyard.security.caller import SYSTEM

LOOK_EVERY = 0.2
"""Seconds between two looks at the tasks."""

_MOST_OPEN = 1000

log = structlog.get_logger("taskyard.orchestrators")


class Gone(Exception):
    """The orchestrator does not have it any more, or (`held`) somebody else holds it."""

    def __init__(self, reason: str, *, held: bool = False) -> None:
        super().__init__(reason)
        self.held = held


class Work(NamedTuple):
    """What is to be done: its id there, the definition that does it, its variables as they came; `retries` are left."""

    id: str
    key: str
    variables: Any
    retries: int | None = None
    workflow_id: str | None = None
    correlation_id: str | None = None
    metadata: dict[str, Any] | None = None


class _Open(msgspec.Struct):
    work: Work
    task_id: int
    hold_at: float
    look_at: float = 0.0
    failures: int = 0


class Holding(Bridge):
    """Has work done, tends what is open, and tells how it ended. What is its orchestrator's own is in the subclass."""

    def __init__(self, name: str, engine: Engine, hold_seconds: float) -> None:
        super().__init__(name)
        self._engine = engine
        self._hold_seconds = hold_seconds
        self.open: dict[str, _Open] = {}

    # ---- what an orchestrator's own is; all raise Gone, CallFailed
    def read(self, work: Work) -> dict[str, Any]:
        """The plain variables. Raises ValueError."""
        raise NotImplementedError

    async def hold(self, work: Work) -> None:
        """Hold it for `hold_seconds` more from now."""
        raise NotImplementedError

    async def complete(self, work: Work, output: Any) -> None:
        """Tell that it is done."""
        raise NotImplementedError

    async def throw(self, work: Work, code: str, message: str, details: Any) -> None:
        """Tell that it came to a business error."""
        raise NotImplementedError

    async def fail(self, work: Work, message: str, trace: str, left: int) -> None:
        """Tell that it failed, and may be tried again `left` times."""
        raise NotImplementedError

    # ---- taking
    async def keys(self) -> list[str]:
        """The definitions whose work may be taken; none while nothing is taken at all."""
        if await self._engine.mode.is_on():
            return []
        return [kind.definition.key for kind in await self._engine.catalog.all_fresh() if not kind.retired]

    @property
    def room(self) -> int:
        """How much more may be held."""
        return max(0, _MOST_OPEN - len(self.open))

    async def take(self, work: Work) -> None:
        """Have it done; what cannot be asked for at all is told as a failure that nobody tries again."""
        try:
            task_id = await self._submit(work)
        except (TaskyardError, ValueError) as error:
            if isinstance(error, TaskyardError) and error.retry_after is not None:
                raise
            told = getattr(error, "message", None) or str(error)
            with contextlib.suppress(Gone):
                await self.fail(work, told, told, 0)
            return
        self.open[work.id] = _Open(work, task_id, self._half_way())

    async def _submit(self, work: Work) -> int:
        schema = (await self._engine.catalog.current(work.key)).kind.definition.input_schema
        request = TaskRequest(
            task_definition_id=work.key,
            input=let_in(self.read(work), schema),
            workflow_id=work.workflow_id,
            correlation_id=work.correlation_id,
            metadata=work.metadata,
        )
        # A new allowance of retries, given by an operator over there, is a new request; new variables are not.
        once = digest(self.name.encode(), work.id.encode(), str(work.retries).encode())
        return int((await submit(self._engine, request, SYSTEM, once=once)).task.task_id)

    # ---- tending
    async def tend(self) -> None:
        """Look at what is open, once."""
        await asyncio.sleep(LOOK_EVERY)
        opened = list(self.open.values())  # more may be opened while their tasks are read
        tasks = await get_tasks(self._engine, sorted({each.task_id for each in opened})) if opened else []
        found = {int(task.task_id): task for task in tasks}
        for each in opened:
            if asyncio.get_running_loop().time() >= each.look_at:
                await self._tend_one(each, found.get(each.task_id))

    async def _tend_one(self, each: _Open, task: Task | None) -> None:
        """Tell what is to be told of one; where it is not taken, the others do not wait."""
        now = asyncio.get_running_loop().time()
        try:
            if task is None or task.status in FINAL:
                await self._end(each.work, task)
                del self.open[each.work.id]
            elif now >= each.hold_at:
                await self.hold(each.work)
                each.hold_at = self._half_way()
            each.failures = 0
        except Gone as gone:
            del self.open[each.work.id]
            await self._let_go(each, task, gone)
        except CallFailed as error:
            log.warning("it was not taken; it is told again", which=self.name, work=each.work.id, reason=error.message)
            each.look_at = now + pause_after(each.failures)
            each.failures += 1

    def _half_way(self) -> float:
        """When what is held from now should be held for longer."""
        return asyncio.get_running_loop().time() + self._hold_seconds / 2

    async def _end(self, work: Work, task: Task | None) -> None:
        if task is not None and task.status is State.COMPLETED:
            await self.complete(work, task.output)
            return
        error = (task.error if task else None) or {"code": "CANCELED", "message": "the task was canceled"}
        code, message = str(error["code"]), str(error.get("message"))
        if code not in OUR_CODES:
            await self.throw(work, code, message, error.get("details"))
            return
        left = max(0, (1 if work.retries is None else work.retries) - 1)
        await self.fail(work, message, error.get("stackTrace") or f"{code}: {message}", left)

    async def _let_go(self, each: _Open, task: Task | None, gone: Gone) -> None:
        """Where the process went another way (a boundary event, a cancel) nobody wants the result any more."""
        log.info("work was given up there", which=self.name, work=each.work.id, task=each.task_id, reason=str(gone))
        if task is not None and task.status not in FINAL and not gone.held:
            with contextlib.suppress(TaskyardError):
                await cancel(self._engine, each.task_id, SYSTEM.subject, "its process does not want it any more")
