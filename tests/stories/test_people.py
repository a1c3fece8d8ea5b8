"""Manual tasks and time: reminders, overdue marks, escalation, timeouts; each once, by a clock that is moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskyard import Taskyard
from taskyard.app import App
from taskyard.domain.definition import Definition
from taskyard.domain.facts import AttemptFact
from taskyard.domain.lifecycle import State
from taskyard.domain.people.assignment import Person
from taskyard.domain.people.calendar import Calendar, add_hours
from taskyard.domain.queue import TaskType
from taskyard.domain.task import Task, detail_of, iso
from taskyard.engine.define import define
from taskyard.engine.events import task_events
from taskyard.engine.people import ending, verbs
from taskyard.engine.people.timekeeping import keep_time
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.security.caller import LOCAL, Caller
from taskyard.settings import Settings
from taskyard.testing.clock import ManualClock
from tests.support import eventually, keep_all_time

HOUR = 3600.0
OPS = {"type": "GROUP", "id": "ops"}
FULL: dict[str, Any] = {
    "assignment": OPS,
    "due": {"after": 4 * HOUR},
    "reminders": [0.5, 0.75],
    "escalation": [
        {"action": "notify", "after": HOUR, "to": {"type": "USER", "id": "boss"}},
        {"action": "raisePriority", "after": HOUR, "priority": "CRITICAL"},
        {"action": "reassign", "after": 2 * HOUR, "to": {"type": "GROUP", "id": "leads"}},
    ],
    "onTimeout": {"outcome": "COMPLETED", "output": {"ok": False}, "after": 3 * HOUR},
}
ANN = Caller("ann", frozenset({"tasks:manual"}), frozenset({"ops"}))


async def handed(yard: Taskyard, spec: dict[str, Any] = FULL, **request: Any) -> int:
    """A task that its worker has handed over."""
    await define(
        yard.engine,
        [Definition(key="decide", task_type=TaskType.MANUAL, implementation={"kind": "manual", **spec})],
    )
    submitted = await submit(yard.engine, TaskRequest(task_definition_id="decide", **request), LOCAL)

    async def is_open() -> bool:
        return (await get_task(yard.engine, submitted.id)).status is State.ASSIGNED

    await eventually(is_open)
    return submitted.id


async def told(yard: Taskyard, task_id: int) -> list[tuple[str, Any]]:
    """What time did: the events after the task was handed over, with who and why."""
    events = await task_events(yard.engine, task_id)
    return [
        (event.type.rpartition(".")[2], event.data.get("reason"))
        for event in events
        if event.data.get("by") == "system"
    ]


async def pass_time(yard: Taskyard, clock: ManualClock, hours: float) -> None:
    """Let so much time pass, and all that is due happen."""
    clock.move(hours * HOUR)
    await keep_all_time(yard.engine)


async def last_attempt(yard: Taskyard, task_id: int) -> AttemptFact:
    return (await yard.engine.store.attempts(task_id))[-1]


async def test_every_moment_comes_in_its_time(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with yard.worker():
        task_id = await handed(yard)
        seen: list[Any] = []
        for expected in (
            ("reminder", "reminder 0.5"), ("reminder", "reminder 0.75"), ("overdue", "overdue"),
        ):  # fmt: skip
            await pass_time(yard, clock, 2 if not seen else 1)
            seen.append(expected)
            assert await told(yard, task_id) == seen
        await pass_time(yard, clock, 1)
        seen += [("escalated", "escalation 0"), ("escalated", "escalation 1")]
        assert await told(yard, task_id) == seen
        assert (await get_task(yard.engine, task_id)).priority == "CRITICAL"
        await pass_time(yard, clock, 1)
        task = await get_task(yard.engine, task_id)
        assert (task.assignee_type, task.assignee_id) == ("GROUP", "leads")
        await pass_time(yard, clock, 1)
        task = await get_task(yard.engine, task_id)
        assert (task.status, task.output) == (State.COMPLETED, {"ok": False})
        detail = detail_of(await last_attempt(yard, task_id))
        assert (detail.by, detail.decision) == ("system", "timeout")
        ended = (await task_events(yard.engine, task_id))[-1]
        assert [ended.data[key] for key in ("by", "outcome", "assigneeId")] == ["system", "timeout", "leads"]
        assert "ended by the system" in (detail.reason or "")


async def test_a_timeout_that_fails_is_told_as_one(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with yard.worker():
        task_id = await handed(yard, {"due": {"after": HOUR}, "onTimeout": {"outcome": "FAILED"}})
        await pass_time(yard, clock, 1.1)
        task = await get_task(yard.engine, task_id)
        assert task.status is State.FAILED
        assert task.error is not None
        assert task.error["code"] == "TIMEOUT"


async def test_what_does_not_fit_this_task_is_no_result_when_time_ends_it(
    yard_by_hand: Taskyard, clock: ManualClock
) -> None:
    yard = yard_by_hand
    rule = {"type": "expression", "value": "value <= input.most"}
    fields = [{"fieldKey": "sum", "type": "number", "validationRules": [rule]}]
    spec = {"kind": "manual", "due": {"after": HOUR}, "onTimeout": {"outcome": "COMPLETED", "output": {"sum": 5}}}
    definition = Definition(
        key="pay",
        task_type=TaskType.MANUAL,
        implementation=spec,
        ui_components=[{"componentId": "c", "fields": fields}],
    )
    async with yard.worker():
        await define(yard.engine, [definition])
        asked = [TaskRequest(task_definition_id="pay", input={"most": most}) for most in (5, 3)]
        tasks = [(await submit(yard.engine, each, LOCAL)).id for each in asked]

        async def are_open() -> bool:
            return all([(await get_task(yard.engine, task_id)).status is State.ASSIGNED for task_id in tasks])

        await eventually(are_open)
        await pass_time(yard, clock, 1.1)
        fits, unfit = [await get_task(yard.engine, task_id) for task_id in tasks]
        assert (fits.status, fits.output) == (State.COMPLETED, {"sum": 5})
        assert (unfit.status, unfit.output) == (State.FAILED, None)
        assert unfit.error is not None
        assert (unfit.error["code"], unfit.error["details"][0]["path"]) == ("OUTPUT_VALIDATION_ERROR", "/output/sum")
        assert detail_of(await last_attempt(yard, tasks[1])).by == "system"


async def test_what_was_decided_before_a_timeout_is_told_with_it(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    spec = {"assignment": OPS, "due": {"after": HOUR}, "approvals": {"required": 2}, "onTimeout": {"outcome": "FAILED"}}
    async with yard.worker():
        task_id = await handed(yard, spec)
        await ending.complete(yard.engine, ANN, task_id, True, outcome="yes")
        await pass_time(yard, clock, 1.1)
        detail = detail_of(await last_attempt(yard, task_id))
        assert [(each.by, each.outcome) for each in detail.decisions] == [("ann", "yes")]
        assert detail.by == "system"


async def test_without_a_declared_outcome_time_ends_nothing(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with yard.worker():
        task_id = await handed(yard, {"due": {"after": HOUR}})
        await pass_time(yard, clock, 1000)
        assert (await get_task(yard.engine, task_id)).status is State.ASSIGNED
        assert await told(yard, task_id) == [("overdue", "overdue")]


async def test_all_moments_move_with_the_due_date(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with yard.worker():
        task_id = await handed(yard)
        await pass_time(yard, clock, 4)
        assert ("overdue", "overdue") in await told(yard, task_id)
        later = clock.now() + int(100 * HOUR * 1_000_000)
        await verbs.reschedule(yard.engine, LOCAL, task_id, later)
        assert (await get_task(yard.engine, task_id)).due_date is not None
        count = len(await told(yard, task_id))
        await pass_time(yard, clock, 47)
        assert len(await told(yard, task_id)) == count
        await pass_time(yard, clock, 2)
        assert (await told(yard, task_id))[-1] == ("reminder", "reminder 0.5")
        await pass_time(yard, clock, 52)
        events = await task_events(yard.engine, task_id)
        overdue = [event.data["dueDate"] for event in events if event.type == "task.manual.overdue"]
        assert overdue[-1] == iso(later)


async def test_a_follow_up_comes_once(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with yard.worker():
        task_id = await handed(yard, {"assignment": OPS})
        await verbs.claim(yard.engine, ANN, task_id)
        await verbs.follow_up(yard.engine, ANN, task_id, clock.now() + int(HOUR * 1_000_000))
        await pass_time(yard, clock, 2)
        await pass_time(yard, clock, 2)
        assert await told(yard, task_id) == [("reminder", "follow-up")]


async def test_after_a_pause_what_was_missed_comes_once_and_in_order(
    yard_by_hand: Taskyard, clock: ManualClock
) -> None:
    yard = yard_by_hand
    async with yard.worker():
        task_id = await handed(yard)
        await pass_time(yard, clock, 5.5)
        assert [reason for _, reason in await told(yard, task_id)] == ["overdue", "escalation 0", "escalation 1"]


async def test_many_machines_keep_time_together(yard_by_hand: Taskyard, settings: Settings, clock: ManualClock) -> None:
    """Each reminder goes out once, although all of them look at the same moment."""
    yard = yard_by_hand
    async with yard.worker():
        tasks = [await handed(yard, {"due": {"after": HOUR}, "reminders": [0.5]}) for _ in range(30)]
        clock.move(HOUR / 2)
        async with others(settings, clock, 3) as apps:
            await asyncio.gather(*(keep_time(app.engine) for app in apps), keep_time(yard.engine))
        for task_id in tasks:
            assert await told(yard, task_id) == [("reminder", "reminder 0.5")]


async def test_business_hours_and_fairness_at_hand_over(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with yard.worker():
        for name in ("ann", "bob", "cyd"):
            await yard.engine.store.save_person(Person(name, groups=("ops",), away=name == "cyd"))
        spec = {
            "assignment": {"rule": "roundRobin", "group": "ops"},
            "due": {"businessHours": 1, "calendar": {"timezone": "Europe/Berlin"}},
        }
        got: list[Task] = [await get_task(yard.engine, await handed(yard, spec)) for _ in range(6)]
        assert [task.assignee_id for task in got] == ["ann", "bob", "ann", "ann", "bob", "ann"]  # cyd's turns too
        due = add_hours(Calendar(timezone="Europe/Berlin"), clock.now(), 1)
        assert {iso_of(task) for task in got} == {iso(due)}


def iso_of(task: Task) -> str | None:
    assert task.due_date is not None
    return iso(int(task.due_date.timestamp() * 1_000_000))


@asynccontextmanager
async def others(settings: Settings, clock: ManualClock, count: int) -> AsyncIterator[list[App]]:
    """Further processes on the same database."""
    apps = [Taskyard(settings=settings, clock=clock).app for _ in range(count)]
    for app in apps:
        await app.open()
    try:
        yield apps
    finally:
        for app in apps:
            await app.close()
