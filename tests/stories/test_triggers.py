"""`@yard.on`: code in the process that hears what happens to tasks, by three forms of name, in order."""

import asyncio
from typing import Any

import pytest

from taskyard import Context, TaskEvent, TaskFailed, Taskyard
from tests.support import eventually


class Heard(list[str]):
    """What was heard, as `name:task id`, for the names it listens to."""

    def __init__(self, yard: Taskyard, *names: str) -> None:
        super().__init__()
        for name in names:
            yard.on(name)(self._listener(name))

    def _listener(self, name: str) -> Any:
        return lambda event: self.append(f"{name}:{event.data['taskId']}")


async def job(fail: bool = False) -> str:
    if fail:
        raise ValueError("no")
    return "done"


async def test_the_three_forms_of_a_name_are_called_in_order(yard: Taskyard) -> None:
    handle = yard.register("send-invoice", job)
    heard = Heard(
        yard,
        *("taskCreated", "taskSendInvoiceCreated", "event_e1OwnedTaskSendInvoiceCreated"),
        *("taskRunning", "taskSendInvoiceRunning", "event_e1OwnedTaskSendInvoiceRunning"),
        *("taskDone", "taskSendInvoiceDone", "event_e1OwnedTaskSendInvoiceDone"),
        *("taskFailed", "taskSendInvoiceFailed", "event_e2OwnedTaskSendInvoiceDone"),
    )
    async with yard.worker():
        run = await handle.options(cause=("event", "e1")).start()
        await run.result()
        await eventually(lambda: len(heard) >= 9)
    assert heard == [
        f"{form}{state}:{run.id}"
        for state in ("Created", "Running", "Done")
        for form in ("task", "taskSendInvoice", "event_e1OwnedTaskSendInvoice")
    ]


async def test_progress_is_heard_by_who_names_it_before_the_end(yard: Taskyard) -> None:
    heard: list[TaskEvent] = []
    patterns = Heard(yard, "*")
    told = asyncio.Event()

    @yard.on("task.progress")
    def hear(event: TaskEvent) -> None:
        heard.append(event)
        told.set()

    @yard.task
    async def slow(ctx: Context) -> None:
        ctx.progress(1, 2, "half")
        await told.wait()

    yard.on("taskDone")(heard.append)
    async with yard.worker():
        run = await yard.start("slow")
        await run.result()
        await eventually(lambda: len(heard) == 2)
    assert [event.key for event in heard] == ["task.progress", "task.completed"]
    assert heard[0].data == {
        "taskId": run.id, "progress": {"current": 1, "total": 2, "action": "half", "percent": 50.0},
    }  # fmt: skip
    assert len(patterns) == 3  # created, started, completed


async def test_every_state_has_its_name(yard: Taskyard) -> None:
    states = ("Created", "Running", "Retrying", "Done", "Failed", "Canceled", "Fallback")
    heard = Heard(yard, *(f"task{state}" for state in states))
    retry = {"maxRetries": 1, "initialDelay": 0}
    failing = yard.register("failing", job, retry=retry)
    falling = yard.register("falling", job, retry=0, fallback="instead")
    async with yard.worker(concurrency=1):
        failed = await failing.start(fail=True)
        with pytest.raises(TaskFailed):
            await failed.result()
        fell = await falling.start(fail=True)
        await fell.result()
        canceled = await failing.options(delay=60).start()
        await canceled.cancel()
        await eventually(lambda: f"taskCanceled:{canceled.id}" in heard)

    def of(run: Any) -> list[str]:
        return [entry.partition(":")[0].removeprefix("task") for entry in heard if entry.endswith(run.id)]

    assert of(failed) == ["Created", "Running", "Retrying", "Running", "Failed"]
    assert of(fell) == ["Created", "Running", "Done", "Fallback"]
    assert of(canceled) == ["Created", "Canceled"]


async def test_a_routing_key_a_type_and_a_star_are_names_too(yard: Taskyard) -> None:
    handle = yard.register("job", job)
    heard = Heard(yard, "task.completed", "task.instance.completed", "*")
    async with yard.worker():
        run = await handle.start()
        await run.result()
        await eventually(lambda: len(heard) == 5)
    assert heard == [f"*:{run.id}"] * 2 + [
        f"{name}:{run.id}" for name in ("task.completed", "task.instance.completed", "*")
    ]


async def test_a_listener_gets_the_event(yard: Taskyard) -> None:
    handle = yard.register("job", job)
    events: list[TaskEvent] = []

    @yard.on("taskDone")
    async def listen(event: TaskEvent) -> None:
        events.append(event)

    async with yard.worker():
        run = await handle.options(correlation_id="c").start()
        await run.result()
        await eventually(lambda: events)
    (event,) = events
    assert (event.key, event.type) == ("task.completed", "task.instance.completed")
    assert (event.data["taskId"], event.data["outputSummary"]) == (run.id, {"value": "done"})
    assert (event.metadata.correlation_id, event.metadata.source) == ("c", "task-execution-layer")


async def test_a_listener_that_fails_harms_nobody(yard: Taskyard) -> None:
    handle = yard.register("job", job)

    @yard.on("taskDone")
    def broken(event: TaskEvent) -> None:
        raise RuntimeError("no")

    heard = Heard(yard, "taskDone")
    async with yard.worker():
        runs = await handle.start_many([{}] * 3)
        await eventually(lambda: len(heard) == 3)
    assert sorted(heard) == sorted(f"taskDone:{run.id}" for run in runs)


async def test_a_listener_may_start_tasks(yard: Taskyard) -> None:
    first = yard.register("first", job)
    ended: list[str] = []

    @yard.task
    async def second(after: str) -> None:
        ended.append(after)

    @yard.on("taskFirstDone")
    async def go_on(event: TaskEvent) -> None:
        await second.options(cause=("event", event.id)).start(after=event.data["taskId"])

    async with yard.worker():
        run = await first.start()
        await eventually(lambda: ended == [run.id])


async def test_what_has_happened_is_told_before_the_yard_closes(yard: Taskyard) -> None:
    handle = yard.register("job", job)
    heard = Heard(yard, "taskDone")
    async with yard.worker():
        runs = await handle.start_many([{}] * 50)
        for run in runs:
            await run.result()
    assert sorted(heard) == sorted(f"taskDone:{run.id}" for run in runs)


async def test_of_many_each_is_told_once_and_its_states_in_order(yard: Taskyard) -> None:
    @yard.task
    async def step(ctx: Context, number: int) -> int:
        return number

    heard = Heard(yard, "taskCreated", "taskRunning", "taskDone")
    async with yard.worker(concurrency=10):
        runs = await step.start_many([{"number": n} for n in range(300)])
        await eventually(lambda: len(heard) >= 900)
    assert len(heard) == 900
    for run in runs:
        told = [entry.partition(":")[0] for entry in heard if entry.endswith(run.id)]
        assert told == ["taskCreated", "taskRunning", "taskDone"]
