"""Four eyes across tasks: who asked is known of what was asked for on their behalf, however it came to be asked."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from msgspec.structs import replace

from taskyard import Context, Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.mapping import Mapping
from taskyard.domain.people.document import askers_of, read_extra
from taskyard.domain.people.sheet import read_sheet
from taskyard.domain.queue import TaskType
from taskyard.domain.schedule import Schedule
from taskyard.domain.task import Task
from taskyard.engine.define import define
from taskyard.engine.events import latest_position
from taskyard.engine.firing import fire_due
from taskyard.engine.mappings import put_mapping
from taskyard.engine.people import ending, verbs
from taskyard.engine.people.repair import rerun
from taskyard.engine.query import get_task, get_tasks
from taskyard.engine.request import Client, TaskRequest
from taskyard.engine.requeue import requeue
from taskyard.engine.schedules import backfill, put_schedule, run_schedule
from taskyard.engine.submit import submit
from taskyard.engine.workflows import Workflows
from taskyard.errors import Forbidden, Overloaded
from taskyard.security.caller import LOCAL, Caller
from taskyard.testing.clock import ManualClock
from tests.support import eventually, keep_all_time

OPS = {"type": "GROUP", "id": "ops"}
ANN, BOB, CYD = (Caller(name, frozenset({"tasks:manual"}), frozenset({"ops"})) for name in ("ann", "bob", "cyd"))


async def decide(yard: Taskyard, key: str = "decide", **rule: Any) -> None:
    """Define what people are to decide, but for who has asked."""
    assignment = {"rule": "fixed", **OPS, "excludeAsker": True} | rule
    spec = {"kind": "manual", "assignment": assignment}
    await define(yard.engine, [Definition(key=key, task_type=TaskType.MANUAL, implementation=spec)])


async def opened(yard: Taskyard, definition: str = "decide") -> Task:
    """The task of the definition that has come to people."""
    kind = await yard.engine.catalog.current(definition)

    async def look() -> Task | None:
        page = await yard.engine.store.find(
            Filter(kind_ids=(kind.kind.id,), status=frozenset({State.ASSIGNED})), 5, None
        )
        return next(iter(await get_tasks(yard.engine, page.ids)), None)

    return await eventually(look)


async def excluded(yard: Taskyard, task: Task) -> tuple[str, ...]:
    (facts,) = await yard.engine.store.facts([int(task.task_id)])
    assert facts.place is not None
    return read_sheet(facts.place.sheet).excluded


async def ask(yard: Taskyard, key: str, caller: Caller, **fields: Any) -> Task:
    return (await submit(yard.engine, TaskRequest(task_definition_id=key, **fields), caller)).task


async def test_who_asked_for_the_parent_does_not_decide_its_subtask(yard: Taskyard) -> None:
    @yard.task
    async def order(ctx: Context) -> Any:
        return await ctx.run("middle")

    @yard.task
    async def middle(ctx: Context) -> Any:
        return await ctx.run("decide", {"amount": 5})

    async with yard.worker():
        await decide(yard)
        parent = await ask(yard, "order", ANN, client=Client(user="bob"), workflow_id="w-1")
        task = await opened(yard)
        assert set(await excluded(yard, task)) == {"ann", "bob", "system"}
        assert task.workflow_id == "w-1"
        for who in (ANN, BOB):
            with pytest.raises(Forbidden):
                await verbs.claim(yard.engine, who, int(task.task_id))
        await verbs.claim(yard.engine, CYD, int(task.task_id))
        await ending.complete(yard.engine, CYD, int(task.task_id), "yes")

        async def done() -> bool:
            return (await get_task(yard.engine, int(parent.task_id))).status is State.COMPLETED

        await eventually(done)


async def test_who_corrects_the_input_does_not_decide_what_comes_of_it(yard: Taskyard) -> None:
    async def order(ctx: Context, amount: int) -> Any:
        if amount < 0:
            raise ValueError("nobody owes so little")
        return await ctx.run("decide", {"amount": amount})

    repair = {"assignment": {"type": "USER", "id": "ann"}}
    yard.register("order", order, retry=0, repair=repair)
    yard.register("alone", order, retry=0)
    async with yard.worker():
        await decide(yard)
        task = await ask(yard, "order", BOB, input={"amount": -1})
        await opened(yard, "order")
        await rerun(yard.engine, ANN, int(task.task_id), {"amount": 5})
        decision = await opened(yard)
        assert {"ann", "bob"} <= set(await excluded(yard, decision))
        await verbs.claim(yard.engine, CYD, int(decision.task_id))
        await ending.complete(yard.engine, CYD, int(decision.task_id), "yes")

        task = await ask(yard, "alone", BOB, input={"amount": -2})

        async def fails() -> bool:
            return (await get_task(yard.engine, int(task.task_id))).status is State.FAILED

        await eventually(fails)
        assert await requeue(yard.engine, [int(task.task_id)], "ann", "mended", {"amount": 6}, caller=ANN)
        assert {"ann", "bob"} <= set(await excluded(yard, await opened(yard)))


async def test_who_asked_for_what_fired_a_trigger_does_not_decide_what_it_starts(yard: Taskyard) -> None:
    @yard.task
    async def order(ctx: Context) -> list[str]:
        return await ctx.trigger("to-decide")

    async with yard.worker():
        spec = {"kind": "manual", "assignment": {"rule": "fixed", **OPS, "excludeAsker": True}}
        manual = Definition(key="decide", task_type=TaskType.MANUAL, implementation=spec, trigger="to-decide")
        await define(yard.engine, [manual])
        await ask(yard, "order", ANN)
        assert "ann" in await excluded(yard, await opened(yard))


async def test_who_asked_does_not_decide_what_a_worker_asks_for_because_of_it(yard: Taskyard) -> None:
    async with yard.worker():
        await decide(yard)
        await define(yard.engine, [Definition(key="order", implementation={"kind": "external", "topic": "order"})])
        parent = await ask(yard, "order", ANN)
        service = Caller("worker", frozenset({"service", "tasks:write"}))
        await ask(yard, "decide", service, cause_type="task_Task", cause=parent.task_id, client=Client(user="bob"))
        assert {"ann", "bob"} <= set(await excluded(yard, await opened(yard)))
        for cause in ("5", "no number", "-1", "9" * 30):
            await ask(yard, "decide", service, cause_type="task_Task", cause=cause)


async def test_who_started_a_workflow_does_not_decide_what_names_only_that(yard: Taskyard) -> None:
    async with yard.worker():
        await decide(yard)
        await define(yard.engine, [Definition(key="order", implementation={"kind": "external", "topic": "order"})])
        started, other = await ask(yard, "order", ANN), await ask(yard, "order", CYD)
        service = Caller("worker", frozenset({"service", "tasks:write"}))
        for named in ({}, {"cause_type": "task_Task", "cause": other.task_id}):
            task = await ask(yard, "decide", service, workflow_id=started.task_id, **named)
            (facts,) = await yard.engine.store.facts([int(task.task_id)])
            behind = askers_of(read_extra(facts.body.extra))
            assert behind == (["worker", "cyd", "ann"] if named else ["worker", "ann"])
        assert "ann" in await excluded(yard, await opened(yard))
        for workflow_id in ("w-1", "5", "-1", "9" * 30):
            await ask(yard, "decide", service, workflow_id=workflow_id)


async def test_nobody_keeps_others_from_deciding_by_naming_a_task_of_theirs(yard: Taskyard) -> None:
    async with yard.worker():
        await decide(yard)
        await define(yard.engine, [Definition(key="order", implementation={"kind": "external", "topic": "order"})])
        task = await ask(yard, "order", ANN)
        blind, seeing = [Caller("eve", frozenset({"tasks:write", *more})) for more in ((), ("tasks:read",))]
        as_cause, as_workflow = {"cause_type": "task_Task", "cause": task.task_id}, {"workflow_id": task.task_id}
        for caller, named, behind in (
            (blind, as_cause, ["eve"]), (blind, as_workflow, ["eve"]), (seeing, as_workflow, ["eve"]),
            (seeing, as_cause, ["eve", "ann"]), (ANN, as_cause, ["ann"]),
        ):  # fmt: skip
            asked = await ask(yard, "decide", caller, **named)
            (facts,) = await yard.engine.store.facts([int(asked.task_id)])
            assert askers_of(read_extra(facts.body.extra)) == behind


async def test_who_asked_for_a_task_does_not_decide_what_is_mapped_to_it(yard: Taskyard) -> None:
    @yard.task
    async def order() -> None: ...

    async with yard.worker():
        await decide(yard)
        await put_mapping(yard.engine, Mapping(mapping_id="", kind="task", source="order", target="decide"))
        await ask(yard, "order", ANN)
        await latest_position(yard.engine)
        await Workflows(yard.engine).turn()
        assert "ann" in await excluded(yard, await opened(yard))


async def test_who_has_put_a_schedule_does_not_decide_what_it_starts(yard: Taskyard) -> None:
    async with yard.worker():
        await decide(yard)
        schedule = Schedule(schedule_id="s-1", task_definition_id="decide", interval=3600)
        await put_schedule(yard.engine, schedule, ANN)
        await put_schedule(yard.engine, replace(schedule, interval=7200), BOB)
        await run_schedule(yard.engine, "s-1", LOCAL)
        assert {"ann", "bob"} <= set(await excluded(yard, await opened(yard)))


async def fired(yard: Taskyard) -> bool:
    with contextlib.suppress(Overloaded):  # partitions of this time are being made
        return await fire_due(yard.engine) >= 1
    return False


async def test_who_has_put_a_schedule_does_not_decide_what_its_ticks_start(
    yard_by_hand: Taskyard, clock: ManualClock
) -> None:
    yard = yard_by_hand
    async with yard.worker():
        await decide(yard)
        began = clock.now()
        await put_schedule(yard.engine, Schedule(schedule_id="s-1", task_definition_id="decide", interval=3600), ANN)
        clock.move(2 * 3600)
        await eventually(lambda: fired(yard))
        ticked = await opened(yard)
        assert "ann" in await excluded(yard, ticked)
        await verbs.claim(yard.engine, CYD, int(ticked.task_id))
        await ending.complete(yard.engine, CYD, int(ticked.task_id), "yes")
        filled = await backfill(yard.engine, "s-1", began - 3600 * 1_000_000, clock.now(), BOB)
        assert filled
        assert {"ann", "bob"} <= set(await excluded(yard, await opened(yard)))


async def test_who_did_the_earlier_step_is_found_from_a_subtask(yard: Taskyard) -> None:
    @yard.task
    async def order(ctx: Context) -> Any:
        return await ctx.run("again")

    async with yard.worker():
        await decide(yard)
        await decide(yard, "again", rule="sameAs", type=None, id=None, step="first", excludeAsker=False)
        await ask(yard, "decide", LOCAL, workflow_id="w-2", step_id="first")
        first = await opened(yard)
        await verbs.claim(yard.engine, CYD, int(first.task_id))
        await ending.complete(yard.engine, CYD, int(first.task_id), "yes")
        await ask(yard, "order", LOCAL, workflow_id="w-2")
        assert (await opened(yard, "again")).assignee_id == "cyd"


async def test_a_step_that_time_has_ended_is_nobodys(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    spec = {
        "kind": "manual", "assignment": OPS, "due": {"after": 60},
        "escalation": [{"action": "complete", "outcome": "COMPLETED", "output": "late"}],
    }  # fmt: skip
    rule = {"rule": "sameAs", "step": "first", "fallback": {"type": "GROUP", "id": "leads"}}
    definitions = [
        Definition(key="decide", task_type=TaskType.MANUAL, implementation=spec),
        Definition(key="again", task_type=TaskType.MANUAL, implementation={"kind": "manual", "assignment": rule}),
    ]
    async with yard.worker():
        await define(yard.engine, definitions)
        first = await ask(yard, "decide", LOCAL, workflow_id="w-3", step_id="first")
        await opened(yard)
        clock.move(61)
        await keep_all_time(yard.engine)
        ended = await get_task(yard.engine, int(first.task_id))
        assert (ended.status, ended.output) == (State.COMPLETED, "late")
        await ask(yard, "again", LOCAL, workflow_id="w-3")
        again = await opened(yard, "again")
        assert (again.assignee_type, again.assignee_id) == ("GROUP", "leads")
