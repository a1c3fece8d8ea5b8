"""Asking for work: now, later, first, in bulk, and with its facts."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskyard import Run, Taskyard, WorkflowTask
from taskyard.errors import Maintenance, TaskyardError
from taskyard.settings import Settings
from tests.stories.tools import count_tasks, events_of, keys_of
from tests.support import eventually


async def test_run_waits_and_start_returns_at_once(yard: Taskyard) -> None:
    release = asyncio.Event()

    @yard.task
    async def wait_for_release() -> str:
        await release.wait()
        return "released"

    async with yard.worker(concurrency=2):
        run = await wait_for_release.start()
        assert run.status == "PENDING"
        await eventually(lambda: _is(run, "RUNNING"))
        release.set()
        assert await run.result() == "released"
        assert run.status == "COMPLETED"
        assert await wait_for_release.run() == "released"
        assert await yard.run("wait_for_release") == "released"
        assert await (await yard.get(run.id)).result() == "released"


async def _is(run: Run[Any], status: str) -> bool:
    return (await run.refresh()).status == status


async def test_the_facts_of_a_request_are_the_tasks(yard: Taskyard) -> None:
    @yard.task(service="shop")
    async def order(article: str) -> None: ...

    async with yard:
        run = await order.options(
            priority="HIGH", workflow_id="w-1", correlation_id="c-1", client={"user": "ada", "session": "s"},
            step_id="pack", severity="MAJOR", tags=["a", "b"], metadata={"k": [1]}, cause=("event", "e-1"),
        ).start(article="pen")  # fmt: skip
        for task in (run.task, await run.refresh()):
            assert isinstance(task, WorkflowTask)
            assert (task.priority, task.service, task.workflow_id, task.step_id) == ("HIGH", "shop", "w-1", "pack")
            assert (task.correlation_id, task.client) == ("c-1", {"user": "ada", "session": "s"})
            assert (task.severity, task.tags, task.metadata) == ("MAJOR", ["a", "b"], {"k": [1]})
            assert (task.cause_type, task.cause) == run.cause == ("event", "e-1")
            assert task.input == {"article": "pen"}
            assert (task.status, task.attempt, task.retry_count, task.max_retries) == ("PENDING", 1, 0, 5)
        assert await count_tasks(yard, tag="a", workflow_id="w-1", cause="e-1", correlation_id="c-1") == 1


async def test_a_workflow_is_the_cause_of_its_tasks(yard: Taskyard) -> None:
    @yard.task
    async def step() -> None: ...

    async with yard:
        run = await step.options(workflow_id="w-1").start()
    assert run.cause == ("workflow_Instance", "w-1")


async def test_a_delayed_task_waits_for_its_time(yard: Taskyard) -> None:
    @yard.task
    async def job() -> None: ...

    async with yard.worker():
        delayed = await job.options(delay=0.5).start()
        at_once = await job.options(delay=0).start()
        await at_once.result()
        assert await _is_pending_before(delayed, delayed.task.available_at)
        await delayed.result()
    task = delayed.task
    assert task.available_at is not None
    assert task.start_time is not None
    assert timedelta(seconds=0.49) < task.available_at - task.created_at < timedelta(seconds=0.6)
    assert task.available_at <= task.start_time


async def test_a_task_for_a_moment_waits_for_it_and_one_for_the_past_does_not(yard: Taskyard) -> None:
    @yard.task
    async def job() -> None: ...

    async with yard.worker():
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        later = await job.options(available_at=soon).start()
        past = await job.options(available_at=soon - timedelta(hours=1)).start()
        await past.result()
        assert await _is_pending_before(later, soon)
        await later.result()
    assert later.task.start_time is not None
    assert later.task.start_time >= soon.replace(microsecond=soon.microsecond // 1000 * 1000)


async def _is_pending_before(run: Run[Any], due: datetime | None) -> bool:
    """Whether a run waits, unless the machine was so slow that its time has come."""
    status = (await run.refresh()).status
    return status == "PENDING" or (due is not None and datetime.now(UTC) >= due)


async def test_priority_first_and_first_in_first_out_within_it(yard: Taskyard) -> None:
    ran: list[str] = []

    @yard.task
    async def note(name: str) -> None:
        ran.append(name)

    @yard.task(priority="HIGH")
    async def note_high(name: str) -> None:
        ran.append(name)

    async with yard:
        runs = []
        for name in ("low1 LOW", "medium1 MEDIUM", "critical1 CRITICAL", "low2 LOW", "medium2", "critical2 CRITICAL"):
            label, *priority = name.split()
            options: Any = {"priority": priority[0]} if priority else {}
            runs.append(await note.options(**options).start(name=label))
        runs.append(await note_high.start(name="high"))
        important = note.options(workflow_context={"importance": "HIGH"})
        runs.append(await important.start(name="important"))
    async with yard.worker(concurrency=1):
        for run in runs:
            await (await yard.get(run.id)).result()
    assert ran == ["critical1", "critical2", "high", "important", "medium1", "medium2", "low1", "low2"]


async def test_a_thousand_tasks_are_stored_in_one_transaction(yard: Taskyard) -> None:
    @yard.task
    async def square(number: int) -> int:
        return number * number

    async with yard.worker(concurrency=20):
        runs = await square.start_many([{"number": n} for n in range(1000)])
        assert len({run.id for run in runs}) == 1000
        assert [await run.result() for run in runs] == [n * n for n in range(1000)]
        for run in (runs[0], runs[-1]):
            assert keys_of(await events_of(yard, run)) == ["created", "started", "completed"]


async def test_an_empty_bulk_is_no_task(yard: Taskyard) -> None:
    @yard.task
    async def job() -> None: ...

    async with yard:
        assert await job.start_many([]) == []
        assert await job.run_many([]) == []


async def test_many_callers_at_the_same_time_lose_nothing(yard: Taskyard) -> None:
    @yard.task
    async def double(number: int) -> int:
        return number * 2

    async with yard.worker(concurrency=10):
        assert await asyncio.gather(*(double.run(number=n) for n in range(200))) == [n * 2 for n in range(200)]


async def test_during_maintenance_nothing_new_is_taken(yard: Taskyard) -> None:
    @yard.task
    async def job() -> None: ...

    async with yard:
        await yard.engine.mode.set(enabled=True, by="test")
        with pytest.raises(Maintenance) as refused:
            await job.start()
        assert refused.value.retry_after
        assert await count_tasks(yard) == 0


async def test_a_closed_yard_refuses_instead_of_waiting(yard: Taskyard) -> None:
    @yard.task
    async def job() -> None: ...

    async with yard:
        pass
    with pytest.raises(TaskyardError):
        await job.start()


async def test_submitting_and_working_may_be_different_processes(settings: Settings, yard: Taskyard) -> None:
    """Another yard on the same database, as another process would have it, does the work."""
    worker = Taskyard(settings=settings)

    async def job(number: int) -> int:
        return number + 1

    yard.register("job", job)
    worker.register("job", job)
    async with yard, worker.worker():
        assert await yard.run("job", {"number": 1}) == 2
