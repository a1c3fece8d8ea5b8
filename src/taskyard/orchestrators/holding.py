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

from taskyard.domain.forms.start import input_schema
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
"""Seconds between two looks at tasks that are new; older ones are looked at after a twentieth of their age."""

_AGING, _RAREST = 0.05, 2.0
_MOST_OPEN = 10_000
_AT_ONCE = 500
_CALLS = 32
TRIES = 3
"""How often a result is told that is refused, before that is told as a failure."""

log = structlog.get_logger("taskyard.orchestrators")


class Gone(Exception):
    """The orchestrator does not have it any more, or (`held`) somebody else holds it."""

    def __init__(self, reason: str, *, held: bool = False) -> None:
        super().__init__(reason)
        self.held = held


class Unfit(Exception):
    """The orchestrator refuses what it is told, and will again; its text says why, `tries` after how many times that is
    certain.
    """

    def __init__(self, reason: str, *, tries: int = TRIES) -> None:
        super().__init__(reason)
        self.tries = tries


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
    """Work under way. `since`: when it was taken; `once`: what there is one task for; `is_refused`: whether its result
    is, for good.
    """

    work: Work
    task_id: int
    once: bytes
    since: float
    hold_at: float
    look_at: float = 0.0
    failures: int = 0
    is_refused: bool = False


class Holding(Bridge):
    """Has work done, tends what is open, and tells how it ended. What is its orchestrator's own is in the subclass."""

    def __init__(self, name: str, engine: Engine, hold_seconds: float) -> None:
        super().__init__(name)
        self._engine = engine
        self._hold_seconds = hold_seconds
        self.open: dict[str, _Open] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._calls = asyncio.Semaphore(_CALLS)
        self._refusals: dict[bytes, int] = {}

    # ---- what an orchestrator's own is; all raise Gone, Unfit, CallFailed
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
        once = await self._once(work)
        try:
            task_id = await self._submit(work, once)
        except (TaskyardError, ValueError) as error:
            if isinstance(error, TaskyardError) and error.retry_after is not None:
                raise
            told = getattr(error, "message", None) or str(error)
            with contextlib.suppress(Gone, Unfit):
                await self.fail(work, told, told, 0)
            return
        self.open[work.id] = _Open(work, task_id, once, _now(), self._half_way())

    async def _once(self, work: Work) -> bytes:
        """What there is one task for: work with so many retries left, until its failure or its error was told.

        What comes again with as many was given them anew, by an operator over there; new variables make nothing new.
        """
        given = b""
        while True:
            once = digest(self.name.encode(), work.id.encode(), str(work.retries).encode(), given)
            if not await self._engine.store.has_seen(_told(once)):
                return once
            given = once

    async def _submit(self, work: Work, once: bytes) -> int:
        definition = (await self._engine.catalog.current(work.key)).kind.definition
        request = TaskRequest(
            task_definition_id=work.key,
            input=let_in(self.read(work), input_schema(definition)),
            workflow_id=work.workflow_id,
            correlation_id=work.correlation_id,
            metadata=work.metadata,
        )
        return int((await submit(self._engine, request, SYSTEM, once=once)).task.task_id)

    # ---- tending
    async def stop(self) -> None:
        """See the base."""
        await super().stop()
        telling = list(self._telling.values())
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)

    async def tend(self) -> None:
        """Look at what is open and due for a look, once; what has to be told is told beside that."""
        await asyncio.sleep(LOOK_EVERY)
        now = _now()
        due = [each for each in self.open.values() if each.look_at <= now and each.work.id not in self._telling]
        for start in range(0, len(due), _AT_ONCE):
            some = due[start : start + _AT_ONCE]
            tasks = await get_tasks(self._engine, sorted({each.task_id for each in some}))
            found = {int(task.task_id): task for task in tasks}
            for each in some:
                task = found.get(each.task_id)
                if task is None or task.status in FINAL or now >= each.hold_at:
                    self._telling[each.work.id] = asyncio.create_task(
                        self._tell(each, task), name=f"taskyard-{self.name}"
                    )
                else:
                    each.look_at = min(now + min(_AGING * (now - each.since), _RAREST), each.hold_at)

    async def _tell(self, each: _Open, task: Task | None) -> None:
        try:
            async with self._calls:
                await self._tell_one(each, task)
        except Exception:
            log.exception("what has become of it cannot be told; it is told again", which=self.name, work=each.work.id)
            self._put_off(each)
        finally:
            del self._telling[each.work.id]

    async def _tell_one(self, each: _Open, task: Task | None) -> None:
        """Tell what is to be told of one; where it is not taken, the others do not wait."""
        is_over = task is None or task.status in FINAL
        try:
            if is_over:
                await self._end(each, task)
                self._refusals.pop(each.once, None)
                self._forget(each)
            else:
                await self.hold(each.work)
                each.hold_at = self._half_way()
            each.failures = 0
        except Gone as gone:
            self._forget(each)
            await self._let_go(each, task, gone)
        except (Unfit, CallFailed) as error:
            log.warning("it was not taken; it is told again", which=self.name, work=each.work.id, reason=str(error))
            if is_over and isinstance(error, Unfit):
                self._count(each, error)
            self._put_off(each)

    def _count(self, each: _Open, unfit: Unfit) -> None:
        """One more refusal of its result; they are remembered while it comes and goes."""
        refusals = self._refusals.pop(each.once, 0) + 1
        each.is_refused = refusals >= unfit.tries
        self._refusals[each.once] = refusals
        if len(self._refusals) > _MOST_OPEN:
            del self._refusals[next(iter(self._refusals))]

    def _put_off(self, each: _Open) -> None:
        each.look_at = _now() + pause_after(each.failures)
        each.failures += 1

    def _forget(self, each: _Open) -> None:
        if self.open.get(each.work.id) is each:
            del self.open[each.work.id]

    def _half_way(self) -> float:
        """When what is held from now should be held for longer."""
        return _now() + self._hold_seconds / 2

    async def _end(self, each: _Open, task: Task | None) -> None:
        work = each.work
        if each.is_refused:
            await self._give_up(each)
            return
        if task is not None and task.status is State.COMPLETED:
            await self.complete(work, task.output)
            return
        error = (task.error if task else None) or {"code": "CANCELED", "message": "the task was canceled"}
        code, message = str(error["code"]), str(error.get("message"))
        if code not in OUR_CODES:
            await self.throw(work, code, message, error.get("details"))
        else:
            left = max(0, (1 if work.retries is None else work.retries) - 1)
            await self.fail(work, message, error.get("stackTrace") or f"{code}: {message}", left)
        await self._engine.store.see(_told(each.once))

    async def _give_up(self, each: _Open) -> None:
        """What the orchestrator refuses to be told becomes a failure there that nobody tries again: an incident."""
        refusals = self._refusals.get(each.once, 0)
        told = f"the result of task {each.task_id} was refused {refusals} times; correct it there, or here"
        log.error(
            "a result was refused for good; see the incident", which=self.name, work=each.work.id, task=each.task_id
        )
        with contextlib.suppress(Unfit):  # it comes again when it is held no longer
            await self.fail(each.work, told, told, 0)
            await self._engine.store.see(_told(each.once))

    async def _let_go(self, each: _Open, task: Task | None, gone: Gone) -> None:
        """Where the process went another way (a boundary event, a cancel) nobody wants the result any more."""
        log.info("work was given up there", which=self.name, work=each.work.id, task=each.task_id, reason=str(gone))
        if task is not None and task.status not in FINAL and not gone.held:
            with contextlib.suppress(TaskyardError):
                await cancel(self._engine, each.task_id, SYSTEM.subject, "its process does not want it any more")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _told(once: bytes) -> bytes:
    """Under which it is noted that a failure, or an error that nobody may catch there, was told."""
    return digest(b"told", once)
