"""The user tasks of a Camunda 7 are manual tasks of ours.

Each open one is mirrored once, under a key made of its id, so whoever looks next finds the same task. How ours ends is
told there; where it ended there, ours is canceled. Its definition is `<process>.<user task>`, made where there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
import structlog

from taskyard.contracts.records import Filter
from taskyard.domain.camunda import MESSAGE_LENGTH, moment_of, value_of, variables_of
from taskyard.domain.definition import Definition
from taskyard.domain.facts import EMPTY_EXTRA, Extra
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
from taskyard.orchestrators.camunda7.client import Camunda, IdentityLink, UserTask
from taskyard.orchestrators.holding import Gone
from taskyard.security.caller import SYSTEM

TAG = "camunda-user-task"

_LOOK_EVERY = 1.0
_AT_ONCE = 200
_AWAY = frozenset({"connect", "timeout"})
_OPEN = frozenset(State) - FINAL

log = structlog.get_logger("taskyard.camunda")


class UserTasks(Bridge):
    """Mirrors what is open there, and tells how it ended here."""

    def __init__(self, engine: Engine, camunda: Camunda) -> None:
        super().__init__("camunda-user")
        self._engine = engine
        self._camunda = camunda
        self.open: dict[str, int] = {}
        self._over: set[str] = set()
        self._not_before: dict[str, tuple[float, int]] = {}

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
        while page := await self._camunda.user_tasks(len(there), _AT_ONCE):
            there.update(each.id for each in page)
            for each in page:
                if each.id not in self.open and each.id not in self._over and self._may_try(each.id):
                    await self._take(each)
            if len(page) < _AT_ONCE:
                break
        self._over &= there
        self._not_before = {id_: told for id_, told in self._not_before.items() if id_ in there or id_ in self.open}
        return there

    async def _take(self, user_task: UserTask) -> None:
        """Mirror one; where that cannot be done the others do not wait, unless nothing can be reached at all."""
        try:
            self.open[user_task.id] = await self._submit(user_task)
            self._not_before.pop(user_task.id, None)
        except (CallFailed, Conflict, msgspec.MsgspecError) as error:
            log.warning("a user task is not mirrored yet", user_task=user_task.id, reason=str(error))
            self._put_off(user_task.id)
            if isinstance(error, CallFailed) and error.reason in _AWAY:
                raise
        except (ValidationFailed, NotFound, PayloadTooLarge, ValueError) as error:
            log.warning("a user task cannot be mirrored", user_task=user_task.id, reason=str(error))
            self._over.add(user_task.id)

    async def _submit(self, user_task: UserTask) -> int:
        links = await self._camunda.identity_links(user_task.id)
        definition = await self._definition(user_task)
        variables = value_of(await self._camunda.variables(user_task.id))
        instance = user_task.process_instance_id
        due = moment_of(user_task.due) if user_task.due else None
        request = TaskRequest(
            task_definition_id=definition.key,
            input=let_in(variables, definition.input_schema),
            workflow_id=instance,
            step_id=user_task.task_definition_key,
            correlation_id=await self._camunda.business_key(instance) if instance else None,
            priority=_priority(user_task.priority),
            assignee=_assignee(user_task, links),
            due_date=None if due is None else time_of(due),
            tags=[TAG],
            metadata={"userTaskId": user_task.id},
        )
        once = digest(b"camunda7 user task", user_task.id.encode())
        return int((await submit(self._engine, request, SYSTEM, once=once)).task.task_id)

    async def _definition(self, user_task: UserTask) -> Definition:
        process = (user_task.process_definition_id or "").partition(":")[0] or "camunda"
        key = f"{process}.{user_task.task_definition_key or 'task'}"
        try:
            return (await self._engine.catalog.current(key)).kind.definition
        except NotFound:
            made = Definition(
                key=key, title=user_task.name or key, description=user_task.description or "",
                task_type=TaskType.MANUAL, implementation={"kind": "manual"},
            )  # fmt: skip
            return (await define(self._engine, [made]))[0].definition

    async def _recall(self) -> None:
        """Those that an earlier process has mirrored, for the engine may have ended them while nobody looked.

        Anybody may write the tag; nobody else may ask in the engine's own name.
        """
        after: int | None = None
        while True:
            page = await self._engine.store.find(Filter(status=_OPEN, tag=TAG), _AT_ONCE, after)
            for known in await know(self._engine, page.ids):
                stored = known.facts.body.extra
                extra = msgspec.json.decode(stored, type=Extra) if stored else EMPTY_EXTRA
                id_ = (extra.metadata or {}).get("userTaskId")
                if extra.caller == SYSTEM.subject and isinstance(id_, str):
                    self.open.setdefault(id_, known.facts.body.id)
            after = page.next
            if after is None:
                return

    async def _tasks(self) -> list[Task]:
        return await get_tasks(self._engine, sorted(set(self.open.values())))

    async def _tend_all(self, there: set[str] | None) -> None:
        """Look at all that are mirrored; None: nobody knows which are open there."""
        await self._recall()
        tasks = {int(task.task_id): task for task in await self._tasks()}
        for id_, task_id in list(self.open.items()):
            await self._tend(id_, tasks.get(task_id), is_listed=there is None or id_ in there)

    async def _tend(self, id_: str, task: Task | None, *, is_listed: bool) -> None:
        """Tell what is to be told of one; where the engine does not take it, the others do not wait."""
        if not self._may_try(id_):
            return
        try:
            if task is None or task.status in FINAL:
                await self._end(id_, task)
                self._forget(id_)
            elif not is_listed:
                await self._camunda.check_open(id_)
        except Gone as gone:
            self._forget(id_)
            await self._let_go(task, gone)
        except CallFailed as error:
            log.warning("the engine did not take it; it is told again", user_task=id_, reason=error.message)
            self._put_off(id_)

    def _may_try(self, id_: str) -> bool:
        not_before, _ = self._not_before.get(id_, (0.0, 0))
        return asyncio.get_running_loop().time() >= not_before

    def _put_off(self, id_: str) -> None:
        _, failures = self._not_before.get(id_, (0.0, 0))
        self._not_before[id_] = (asyncio.get_running_loop().time() + pause_after(failures), failures + 1)

    def _forget(self, id_: str) -> None:
        del self.open[id_]
        self._not_before.pop(id_, None)
        self._over.add(id_)

    async def _end(self, id_: str, task: Task | None) -> None:
        if task is None or task.status is State.CANCELED:
            log.info("a user task was given up here; it stays open there", user_task=id_)
        elif task.status is State.COMPLETED:
            variables = variables_of(task.output, "output")
            await self._camunda.end_user_task(id_, "complete", {"variables": variables})
        else:
            error = task.error or {"code": "REJECTED", "message": "rejected"}
            body = {
                "errorCode": error["code"], "errorMessage": str(error.get("message"))[:MESSAGE_LENGTH],
                "variables": variables_of(error.get("details"), "details"),
            }  # fmt: skip
            await self._camunda.end_user_task(id_, "bpmnError", body)

    async def _let_go(self, task: Task | None, gone: Gone) -> None:
        if task is not None and task.status not in FINAL:
            try:
                await cancel(self._engine, int(task.task_id), SYSTEM.subject, str(gone))
            except IllegalTransition:
                return


def _assignee(user_task: UserTask, links: Iterable[IdentityLink]) -> Assignee | None:
    """The person, else the first group that may claim it, else the first person who may."""
    if user_task.assignee:
        return Assignee("USER", user_task.assignee)
    candidates = [link for link in links if link.type == "candidate"]
    groups = [Assignee("GROUP", link.group_id) for link in candidates if link.group_id]
    people = [Assignee("USER", link.user_id) for link in candidates if link.user_id]
    return next(iter(groups + people), None)


def _priority(number: int) -> PriorityName:
    """Camunda's are 0 to 100, and 50 where nobody says."""
    return "LOW" if number < 50 else "MEDIUM" if number < 75 else "HIGH" if number < 100 else "CRITICAL"
