"""The user tasks of another orchestrator are manual tasks of ours.

Each open one is mirrored once, under a key made of its id, so whoever looks next finds the same task. How ours ends is
told there; where it ended there, ours is canceled. Its definition is `<process>.<user task>`, made where there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
import structlog

from taskyard.contracts.records import Filter
from taskyard.domain.definition import Definition
from taskyard.domain.facts import EMPTY_EXTRA, Extra
from taskyard.domain.forms.start import input_schema
from taskyard.domain.json import digest
from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.queue import TaskType
from taskyard.domain.schema import let_in
from taskyard.domain.task import Task, time_of
from taskyard.engine.cancel import cancel
from taskyard.engine.define import define
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_tasks, know
from taskyard.engine.request import Assignee, PriorityName, TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import (
    CallFailed,
    Conflict,
    IllegalTransition,
    NotFound,
    PayloadTooLarge,
    TaskyardError,
    ValidationFailed,
)
from taskyard.orchestrators.bridge import Bridge, Step, pause_after
from taskyard.orchestrators.holding import Gone, Unfit
from taskyard.security.caller import SYSTEM

_LOOK_EVERY = 1.0
_RECALL_EVERY = 60.0
_AT_ONCE = 200
_TENDED_AT_ONCE = 500
_AWAY = frozenset({"connect", "timeout"})
_OPEN = frozenset(State) - FINAL
_NOT_MIRRORED = (
    CallFailed, Conflict, ValidationFailed, NotFound, PayloadTooLarge, ValueError, msgspec.MsgspecError,
)  # fmt: skip
"""What a definition that is changed, or a moment, may mend."""

log = structlog.get_logger("taskyard.orchestrators")


class Listed(Protocol):
    """A user task as its orchestrator lists it."""

    @property
    def id(self) -> str:
        """Its id there."""


class Asking(NamedTuple):
    """What a user task asks for. `key` is that of its definition, `due` in microseconds, `priority` from 0 to 100."""

    key: str
    title: str
    description: str
    variables: dict[str, Any]
    step_id: str | None
    workflow_id: str | None
    correlation_id: str | None
    assignee: Assignee | None
    due: int | None
    priority: int


T = TypeVar("T", bound=Listed)


class Mirror(Bridge, Generic[T]):
    """Mirrors what is open there, and tells how it ended here. What is its orchestrator's own is in the subclass."""

    def __init__(self, name: str, tag: str, engine: Engine) -> None:
        super().__init__(name)
        self._engine = engine
        self._tag = tag
        self.open: dict[str, int] = {}
        self._over: set[str] = set()
        self._recall_at = 0.0
        self._claims: dict[str, str | None] = {}
        self._not_before: dict[str, tuple[float, int]] = {}
        self._refusals: dict[str, int] = {}

    # ---- what an orchestrator's own is; all raise CallFailed
    async def listed(self, first: int, most: int) -> Sequence[T]:
        """Some of those that are open there, always in the same order."""
        raise NotImplementedError

    async def read(self, one: T) -> Asking:
        """What one asks for. Raises ValueError or msgspec.MsgspecError for what cannot be read."""
        raise NotImplementedError

    async def check_open(self, id_: str) -> None:
        """Raises Gone where it has ended there."""
        raise NotImplementedError

    async def complete(self, id_: str, output: Any) -> None:
        """Tell that it is done. Raises Gone, Unfit."""
        raise NotImplementedError

    async def throw(self, id_: str, code: str, message: str, details: Any) -> None:
        """Tell that it was rejected, or came to an error. Raises Gone, Unfit."""
        raise NotImplementedError

    async def assign(self, id_: str, person: str | None) -> None:
        """Tell who has claimed it here; None: nobody any more. Raises Gone, Unfit."""

    # ---- turns
    def steps(self) -> list[Step]:
        """See the base."""
        return [self._turn]

    async def _turn(self) -> None:
        if not await self._engine.mode.is_on():
            try:
                there = await self._mirror()
            except (TaskyardError, msgspec.MsgspecError):
                await self._tend_all(None)
                raise
            await self._tend_all(there)
        await asyncio.sleep(_LOOK_EVERY)

    async def _mirror(self) -> set[str]:
        """Have a task of ours for each that is open there; which those are."""
        there: set[str] = set()
        while page := await self.listed(len(there), _AT_ONCE):
            there.update(each.id for each in page)
            for each in page:
                if each.id not in self.open and each.id not in self._over and self._may_try(each.id):
                    await self._take(each)
            if len(page) < _AT_ONCE:
                break
        self._over &= there
        self._not_before = {id_: told for id_, told in self._not_before.items() if id_ in there or id_ in self.open}
        return there

    async def _take(self, one: T) -> None:
        """Mirror one; where that cannot be done the others do not wait, unless nothing can be reached at all."""
        try:
            self.open[one.id] = await self._submit(one.id, await self.read(one))
            self._not_before.pop(one.id, None)
        except _NOT_MIRRORED as error:
            log.warning("a user task is not mirrored yet", which=self.name, user_task=one.id, reason=str(error))
            self._put_off(one.id)
            if isinstance(error, CallFailed) and error.reason in _AWAY:
                raise

    async def _submit(self, id_: str, asking: Asking) -> int:
        definition = await self._definition(asking)
        request = TaskRequest(
            task_definition_id=definition.key,
            input=let_in(asking.variables, input_schema(definition)),
            workflow_id=asking.workflow_id,
            step_id=asking.step_id,
            correlation_id=asking.correlation_id,
            priority=_priority(asking.priority),
            assignee=asking.assignee,
            due_date=None if asking.due is None else time_of(asking.due),
            tags=[self._tag],
            metadata={"userTaskId": id_},
        )
        once = digest(f"{self.name} task".encode(), id_.encode())
        return int((await submit(self._engine, request, SYSTEM, once=once)).task.task_id)

    async def _definition(self, asking: Asking) -> Definition:
        try:
            return (await self._engine.catalog.current(asking.key)).kind.definition
        except NotFound:
            made = Definition(
                key=asking.key, title=asking.title, description=asking.description,
                task_type=TaskType.MANUAL, implementation={"kind": "manual"},
            )  # fmt: skip
            return (await define(self._engine, [made]))[0].definition

    async def _recall(self) -> None:
        """Those that another process has mirrored, for they may have ended there while nobody looked.

        Anybody may write the tag; nobody else may ask in the engine's own name.
        """
        after: int | None = None
        while True:
            page = await self._engine.store.find(Filter(status=_OPEN, tag=self._tag), _AT_ONCE, after)
            for known in await know(self._engine, page.ids):
                stored = known.facts.body.extra
                extra = msgspec.json.decode(stored, type=Extra) if stored else EMPTY_EXTRA
                id_ = (extra.metadata or {}).get("userTaskId")
                if extra.caller == SYSTEM.subject and isinstance(id_, str):
                    self.open.setdefault(id_, known.facts.body.id)
            after = page.next
            if after is None:
                return

    async def _tend_all(self, there: set[str] | None) -> None:
        """Look at all that are mirrored; None: nobody knows which are open there."""
        now = asyncio.get_running_loop().time()
        if now >= self._recall_at:
            await self._recall()
            self._recall_at = now + _RECALL_EVERY
        mirrored = list(self.open.items())
        for start in range(0, len(mirrored), _TENDED_AT_ONCE):
            some = mirrored[start : start + _TENDED_AT_ONCE]
            found = await get_tasks(self._engine, sorted({task_id for _, task_id in some}))
            tasks = {int(task.task_id): task for task in found}
            for id_, task_id in some:
                await self._tend(id_, tasks.get(task_id), is_listed=there is None or id_ in there)

    async def _tend(self, id_: str, task: Task | None, *, is_listed: bool) -> None:
        """Tell what is to be told of one; where it is not taken, the others do not wait."""
        if not self._may_try(id_):
            return
        try:
            if task is None or task.status in FINAL:
                await self._end(id_, task)
                self._forget(id_)
            elif not is_listed:
                await self.check_open(id_)
            elif task.claimed_by != self._claims.get(id_):
                await self._tell_claim(id_, task.claimed_by)
        except Gone as gone:
            self._forget(id_)
            await self._let_go(task, gone)
        except Unfit as unfit:
            self._give_up_or_put_off(id_, unfit)
        except CallFailed as error:
            log.warning("it was not taken; it is told again", which=self.name, user_task=id_, reason=error.message)
            self._put_off(id_)

    async def _tell_claim(self, id_: str, person: str | None) -> None:
        try:
            await self.assign(id_, person)
        except Unfit as unfit:
            log.warning("a claim is refused there", which=self.name, user_task=id_, person=person, reason=str(unfit))
        self._claims[id_] = person

    def _give_up_or_put_off(self, id_: str, unfit: Unfit) -> None:
        self._refusals[id_] = self._refusals.get(id_, 0) + 1
        if self._refusals[id_] < unfit.tries:
            self._put_off(id_)
            return
        told = "a user task's end is refused for good; it stays open there"
        log.error(told, which=self.name, user_task=id_, reason=str(unfit))
        self._forget(id_)

    def _may_try(self, id_: str) -> bool:
        not_before, _ = self._not_before.get(id_, (0.0, 0))
        return asyncio.get_running_loop().time() >= not_before

    def _put_off(self, id_: str) -> None:
        _, failures = self._not_before.get(id_, (0.0, 0))
        self._not_before[id_] = (asyncio.get_running_loop().time() + pause_after(failures), failures + 1)

    def _forget(self, id_: str) -> None:
        del self.open[id_]
        self._not_before.pop(id_, None)
        self._claims.pop(id_, None)
        self._refusals.pop(id_, None)
        self._over.add(id_)

    async def _end(self, id_: str, task: Task | None) -> None:
        if task is None or task.status is State.CANCELED:
            log.info("a user task was given up here; it stays open there", which=self.name, user_task=id_)
        elif task.status is State.COMPLETED:
            await self.complete(id_, task.output)
        else:
            error = task.error or {"code": "REJECTED", "message": "rejected"}
            await self.throw(id_, str(error["code"]), str(error.get("message")), error.get("details"))

    async def _let_go(self, task: Task | None, gone: Gone) -> None:
        if task is not None and task.status not in FINAL:
            try:
                await cancel(self._engine, int(task.task_id), SYSTEM.subject, str(gone))
            except IllegalTransition:
                return


def choose_assignee(assignee: str | None, groups: Sequence[str], people: Sequence[str]) -> Assignee | None:
    """The person, else the first group that may claim it, else the first person who may."""
    if assignee:
        return Assignee("USER", assignee)
    candidates = [Assignee("GROUP", each) for each in groups] + [Assignee("USER", each) for each in people]
    return next(iter(candidates), None)


def _priority(number: int) -> PriorityName:
    """Theirs are 0 to 100, and 50 where nobody says."""
    return "LOW" if number < 50 else "MEDIUM" if number < 75 else "HIGH" if number < 100 else "CRITICAL"
