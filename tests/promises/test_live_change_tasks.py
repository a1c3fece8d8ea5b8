"""What live-change-tasks.md promises of the core."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from taskyard import Context, Run, TaskEvent, TaskFailed, Taskyard
from taskyard.engine.define import define
from taskyard.errors import ConfigurationError
from taskyard.testing import World, yard_for_test
from tests.promises.fixtures_b import calling, events_of, ids_of, new_yard, words_of, working
from tests.support import eventually

EVENT = ("speedDating_Event", "e1")


class Person(BaseModel):
    """A model in an input."""

    name: str
    age: int


class Greeting(BaseModel):
    """A model as a result."""

    text: str


@pytest.fixture
def yard(tmp_path: Path) -> Taskyard:
    return new_yard(tmp_path)


@pytest.fixture
async def world(yard: Taskyard) -> AsyncIterator[World]:
    """The yard with a worker, in memory, where only the test moves the time."""

    @yard.task
    async def add(a: int, b: int) -> int:
        return a + b

    @yard.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("no")

    async with yard_for_test(yard) as made:
        yield made


# ---- Tasks


async def test_work_is_retried_reports_and_is_found_by_cause(yard: Taskyard) -> None:
    """live-change-tasks.md § Tasks: work is retried, reports its progress, and is watched by its cause."""
    going_on = asyncio.Event()

    @yard.task(retry_delay=lambda count: 0)
    async def match(ctx: Context) -> str:
        ctx.progress(1, 4, "matching")
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
        await going_on.wait()
        return "matched"

    async with working(yard) as client:
        run = await match.options(cause=EVENT).start()
        await match.options(cause=("speedDating_Event", "e2")).start()

        async def progress() -> Any:
            (task,) = (await client.get("/api/v1/tasks", params=cause)).json()["items"]
            return task["attempt"] == 2 and task["progress"]

        cause = {"causeType": EVENT[0], "cause": EVENT[1]}
        assert (await eventually(progress))["percent"] == 25
        going_on.set()
        assert await run.result() == "matched"
        (task,) = (await client.get("/api/v1/tasks", params=cause)).json()["items"]
        assert (task["taskId"], task["status"], task["attempt"]) == (run.id, "COMPLETED", 2)


# ---- Dependencies

PROGRAM = """
import asyncio
from taskyard import Taskyard

yard = Taskyard()

@yard.task
async def add(a: int, b: int) -> int:
    return a + b

async def main() -> None:
    async with yard.worker():
        print(await add.run(a=1, b=2))

asyncio.run(main())
"""


def test_a_program_needs_only_one_object(tmp_path: Path) -> None:
    """live-change-tasks.md § Dependencies: one Taskyard object is all a program adds; nothing else has to run."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "3"
    assert (tmp_path / "taskyard.db").is_file()


# ---- Task definition


async def test_task_names_are_unique(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: a name that is taken is refused."""

    async def backup() -> int:
        return 1

    async def another() -> int:
        return 2

    assert yard.task(backup).key == "backup"
    with pytest.raises(ConfigurationError, match="backup"):
        yard.register("backup", another)
    async with yard.worker():
        assert await yard.run("backup") == 1


async def test_handler_receives_props_and_context(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: the body is an async function of typed arguments and a context."""

    @yard.task
    async def greet(ctx: Context, times: int, person: Person) -> Greeting:
        assert isinstance(person, Person)
        return Greeting(text=f"{person.name} {times} {ctx.task.id}")

    async with yard.worker():
        run = await yard.start("greet", {"times": 2, "person": {"name": "Ada", "age": 36}})
        assert await run.result() == Greeting(text=f"Ada 2 {run.id}")


async def test_context_task_members(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: the context's task has id, run, progress, trigger and trigger_service."""
    reached: list[str] = []

    @yard.task
    async def child(number: int) -> int:
        return number * 2

    @yard.task(trigger="ring", service="billing")
    async def bill() -> None:
        reached.append("bill")

    @yard.task(trigger="ring", service="storage")
    async def store() -> None:
        reached.append("store")

    @yard.task
    async def parent(ctx: Context) -> list[Any]:
        ctx.task.progress(1, 2, "asking")
        doubled = await ctx.task.run(child, {"number": 4})
        return [ctx.task.id, doubled, await ctx.task.trigger("ring"), await ctx.task.trigger_service("billing", "ring")]

    async with yard.worker():
        run = await parent.start()
        task_id, doubled, all_of_them, one = await run.result()
        assert (task_id, doubled, len(all_of_them), len(one)) == (run.id, 8, 2, 1)
        for started in [*all_of_them, *one]:
            await (await yard.get(started)).result()
        assert sorted(reached) == ["bill", "bill", "store"]
        assert (await run.refresh()).progress["action"] == "asking"


async def test_context_triggers_and_cause(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: the context knows its cause, and fires triggers itself."""

    @yard.task(trigger="ring", service="billing")
    async def bill(ctx: Context) -> list[str | None]:
        return [ctx.cause_type, ctx.cause]

    @yard.task(trigger="ring", service="storage")
    async def store(ctx: Context) -> list[str | None]:
        return [ctx.cause_type, ctx.cause]

    @yard.task
    async def parent(ctx: Context) -> list[Any]:
        return [ctx.cause_type, ctx.cause, await ctx.trigger("ring"), await ctx.trigger_service("storage", "ring")]

    async with yard.worker():
        run = await parent.options(cause=EVENT).start()
        cause_type, cause, all_of_them, one = await run.result()
        assert (cause_type, cause) == EVENT
        runs = [await yard.get(started) for started in [*all_of_them, *one]]
        assert [await each.result() for each in runs] == [["task_Task", run.id]] * 3
        assert sorted(each.task.task_definition_id for each in runs) == ["bill", "store", "store"]


async def test_expire_bounds_reuse_by_hash(world: World) -> None:
    """live-change-tasks.md § Task definition: with expire an equal young task is reused, unless it failed."""

    async def start(key: str = "add", expire: float | None = 60, **input_: Any) -> Run[Any]:
        options: dict[str, Any] = {} if expire is None else {"expire": expire}
        run = await world.yard.start(key, input_, cause=EVENT, **options)
        await world.settle()
        return run

    first = await start(a=1, b=2)
    await world.advance(59)
    again = await start(a=1, b=2)
    assert (again.id, again.reused) == (first.id, True)
    assert (await start(a=1, b=3)).id != first.id
    assert (await start(a=1, b=2, expire=None)).id != first.id
    await world.advance(120)
    assert (await start(a=1, b=2)).id != first.id
    failed = await start("broken")
    assert (await start("broken")).id != failed.id
    delayed = await world.yard.start("add", {"a": 5, "b": 5}, delay=30, expire=60)
    await delayed.cancel()
    assert (await world.yard.start("add", {"a": 5, "b": 5}, delay=30, expire=60)).id != delayed.id


async def test_default_is_five_retries(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: a task that says nothing is retried five times."""
    tries: list[int] = []

    @yard.task
    async def hopeless(ctx: Context) -> None:
        tries.append(ctx.attempt)
        raise RuntimeError("never")

    async with yard_for_test(yard) as world:
        run = await hopeless.start()
        with pytest.raises(TaskFailed):
            await world.result(run)
        task = await run.refresh()
    assert tries == [1, 2, 3, 4, 5, 6]
    assert (task.status, task.attempt, task.max_retries) == ("FAILED", 6, 5)


async def test_retry_delay_function_decides_the_wait(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: retry_delay gives the wait from the retry count, in seconds."""
    starts: list[float] = []

    @yard.task(retry=3, retry_delay=lambda count: 10.0 * count)
    async def hopeless() -> None:
        starts.append(moved.clock.now() / 1e6)
        raise RuntimeError("never")

    async with yard_for_test(yard) as moved, calling(yard) as client:
        run = await hopeless.start()
        with pytest.raises(TaskFailed):
            await moved.result(run)
        retries = [event["data"] for event in await events_of(client, run.id) if event["type"].endswith(".retry")]
    assert [round(starts[n + 1] - starts[n]) for n in range(3)] == [10, 20, 30]
    assert [retry["retryDelay"] for retry in retries] == [10, 20, 30]


async def test_without_retry_delay_the_wait_doubles(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: retry_delay is optional; without it the wait grows by itself."""

    @yard.task(retry={"maxRetries": 3, "jitter": 0})
    async def hopeless() -> None:
        raise RuntimeError("never")

    async with yard_for_test(yard) as world, calling(yard) as client:
        run = await hopeless.start()
        with pytest.raises(TaskFailed):
            await world.result(run)
        retries = [event["data"] for event in await events_of(client, run.id) if event["type"].endswith(".retry")]
    assert [retry["retryDelay"] for retry in retries] == [1, 2, 4]


async def test_declared_trigger_starts_the_task(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: who fires a declared trigger starts the task."""

    @yard.task(trigger="shelterNeeded")
    async def build_shelter(beds: int) -> int:
        return beds

    async with working(yard) as client:
        (run,) = await yard.trigger("shelterNeeded", {"beds": 3})
        assert (await run.result(), run.cause) == (3, ("trigger", "shelterNeeded"))
        fired = await client.post("/api/v1/triggers/shelterNeeded", json={"beds": 4})
        task = await client.until(fired.json()["taskId"], "COMPLETED")
        assert (task["output"], task["causeType"], task["cause"]) == (4, "trigger", "shelterNeeded")
        assert (await client.post("/api/v1/triggers/unheardOf", json={})).status_code == 404


async def test_declared_action_enqueues_the_task(yard: Taskyard) -> None:
    """live-change-tasks.md § Task definition: a declared action enqueues the task and answers it."""

    @yard.task(action="buildShelter")
    async def build_shelter(beds: int) -> int:
        return beds

    async with working(yard) as client:
        acted = await client.post("/api/v1/actions/buildShelter", json={"beds": 4})
        assert acted.status_code == 201
        assert (acted.json()["causeType"], acted.json()["cause"]) == ("command", "buildShelter")
        assert (await client.until(acted.json()["taskId"], "COMPLETED"))["output"] == 4
        assert (await client.post("/api/v1/actions/buildShelter", json={"beds": "x"})).status_code == 422
        assert len(await ids_of(client)) == 1


# ---- Running a task


async def test_start_takes_cause_expire_and_client(world: World) -> None:
    """live-change-tasks.md § Running a task: a start takes definition, input, cause, expire and client."""
    options: dict[str, Any] = {"cause": EVENT, "expire": 60, "client": {"user": "ada", "session": "s-1"}}
    run = await world.yard.start("add", {"a": 1, "b": 2}, **options)
    again = await world.yard.start("add", {"a": 1, "b": 2}, **options)
    async with calling(world.yard) as client:
        task = (await client.get(f"/api/v1/tasks/{run.id}")).json()
    assert (task["taskDefinitionId"], task["input"]) == ("add", {"a": 1, "b": 2})
    assert (task["causeType"], task["cause"]) == EVENT
    assert task["client"] == {"user": "ada", "session": "s-1"}
    assert (again.id, again.reused) == (run.id, True)


async def test_reuse_is_scoped_by_client(world: World) -> None:
    """live-change-tasks.md § Running a task: a task is reused for the same user or session only."""

    async def start(**client: str) -> str:
        return (await world.yard.start("add", {"a": 1, "b": 2}, expire=60, client=client)).id

    ids = [await start(user="a"), await start(user="b"), await start(session="s")]
    assert len(set(ids)) == 3
    assert [await start(user="a"), await start(user="b"), await start(session="s")] == ids


async def test_hash_ignores_key_order(world: World) -> None:
    """live-change-tasks.md § Running a task: the hash does not depend on the order of the input's keys."""
    first = await world.yard.start("add", {"a": 1, "b": 2}, expire=60)
    second = await world.yard.start("add", {"b": 2, "a": 1}, expire=60)
    other = await world.yard.start("add", {"b": 1, "a": 2}, expire=60)
    assert second.id == first.id
    assert (await first.refresh()).hash == (await second.refresh()).hash != (await other.refresh()).hash


async def test_reuse_emits_no_created_event(world: World) -> None:
    """live-change-tasks.md § Running a task: only a new task has a created event."""
    heard: list[TaskEvent] = []
    world.yard.on("taskCreated")(heard.append)
    runs = [await world.yard.start("add", {"a": 1, "b": 2}, expire=60) for _ in range(3)]
    await world.settle()
    async with calling(world.yard) as client:
        assert (await words_of(client, runs[0].id)).count("created") == 1
    assert len({run.id for run in runs}) == len(heard) == 1


async def test_start_returns_a_handle(world: World) -> None:
    """live-change-tasks.md § Running a task: a start returns id, state, cause and an awaitable result."""
    run = await world.yard.start("add", {"a": 1, "b": 2}, cause=EVENT)
    assert (run.id, run.status, run.cause) == (run.task.task_id, "PENDING", EVENT)
    assert await run.result() == 3
    assert run.status == "COMPLETED"
    failing = await world.yard.start("broken")
    with pytest.raises(TaskFailed) as raised:
        await failing.result()
    assert raised.value.code == "EXECUTION_ERROR"


async def test_subtasks_are_memoised_under_their_parent(yard: Taskyard) -> None:
    """live-change-tasks.md § Running a task: a subtask runs once under its parent and adds to its progress."""
    calls: Counter[str] = Counter()

    @yard.task
    async def child(ctx: Context) -> str:
        calls["child"] += 1
        ctx.progress(3, 3, "child")
        return ctx.id

    @yard.task(retry_delay=lambda count: 5)
    async def parent(ctx: Context) -> str:
        calls["parent"] += 1
        child_id: str = await ctx.run(child)
        ctx.progress(1, 2, "parent")
        if ctx.attempt == 1:
            raise RuntimeError("after the child")
        return child_id

    async with yard_for_test(yard) as world:
        run = await parent.start()
        child_run = await yard.get(await world.result(run))
        assert calls == {"child": 1, "parent": 2}
        assert child_run.cause == ("task_Task", run.id)
        assert child_run.task.parent_task_id == run.id


async def test_subtasks_add_their_progress(yard: Taskyard) -> None:
    """live-change-tasks.md § Running a task: the progress of a subtask is part of its parent's."""
    seen = asyncio.Event()

    @yard.task
    async def child(ctx: Context) -> None:
        ctx.progress(3, 6, "child")
        await seen.wait()

    @yard.task
    async def parent(ctx: Context) -> None:
        ctx.progress(1, 2, "parent")
        await ctx.run(child)

    async with yard.worker():
        run = await parent.start()

        async def added() -> bool:
            progress = (await run.refresh()).progress or {}
            return (progress.get("current"), progress.get("total")) == (4, 8)

        await eventually(added)
        seen.set()
        await run.result()


# ---- Task model and views


async def test_any_cause_is_stored(world: World) -> None:
    """live-change-tasks.md § Task model and views: any causeType and cause a caller names are kept."""
    async with calling(world.yard) as client:
        for cause_type, cause in [EVENT, ("Bestellung", "n° 7/ä"), ("task_Task", "no such task")]:
            run = await world.yard.start("add", {"a": 1, "b": 2}, cause=(cause_type, cause))
            await world.settle()
            task = (await client.get(f"/api/v1/tasks/{run.id}")).json()
            assert (task["causeType"], task["cause"]) == (cause_type, cause)
            where = {"causeType": cause_type, "cause": cause}
            assert await ids_of(client, **where) == [run.id]
            events = (await client.get("/api/v1/events", params=where)).json()["items"]
            assert {event["data"]["taskId"] for event in events} == {run.id}


async def test_single_task_can_be_observed(world: World) -> None:
    """live-change-tasks.md § Task model and views: one task is read and observed by its id."""
    run = await world.yard.start("add", {"a": 1, "b": 2})
    messages = [message async for message in (await world.yard.get(run.id)).follow()]
    assert [m["status"] for m in messages if m["type"] == "status"] == ["PENDING", "RUNNING", "COMPLETED"]
    assert [m["type"] for m in messages[-2:]] == ["result", "end"]
    async with calling(world.yard) as client:
        task = (await client.get(f"/api/v1/tasks/{run.id}")).json()
    assert (task["taskId"], task["status"], task["output"]) == (run.id, "COMPLETED", 3)


@pytest.fixture
async def batch(world: World) -> dict[str, list[str]]:
    """Tasks of two causes, started a minute apart; their ids by cause."""
    ids: dict[str, list[str]] = {"e1": [], "e2": []}
    for key, input_ in [("add", {"a": 1, "b": 2}), ("broken", {}), ("add", {"a": 3, "b": 4})]:
        for cause, of_cause in ids.items():
            run = await world.yard.start(key, input_, cause=("speedDating_Event", cause), expire=3600)
            of_cause.append(run.id)
        await world.settle()
        await world.advance(60)
    return ids


async def test_list_by_cause_and_hash(world: World, batch: dict[str, list[str]]) -> None:
    """live-change-tasks.md § Task model and views: the tasks of a cause are listed by hash."""
    async with calling(world.yard) as client:
        for cause, ids in batch.items():
            hash_ = (await client.get(f"/api/v1/tasks/{ids[0]}")).json()["hash"]
            assert hash_
            assert await ids_of(client, causeType="speedDating_Event", cause=cause, hash=hash_) == ids[:1]


@pytest.mark.parametrize(("status", "places"), [("COMPLETED", [2, 0]), ("FAILED", [1]), ("RUNNING", [])])
async def test_list_by_cause_and_state(
    world: World, batch: dict[str, list[str]], status: str, places: list[int]
) -> None:
    """live-change-tasks.md § Task model and views: the tasks of a cause are listed by state."""
    async with calling(world.yard) as client:
        found = await ids_of(client, causeType="speedDating_Event", cause="e1", status=status)
    assert found == [batch["e1"][place] for place in places]


async def test_list_by_cause_and_start(world: World, batch: dict[str, list[str]]) -> None:
    """live-change-tasks.md § Task model and views: the tasks of a cause are listed by start, newest first."""
    ids = batch["e2"]
    where = {"causeType": "speedDating_Event", "cause": "e2", "sort": "started"}
    async with calling(world.yard) as client:
        starts = [(await client.get(f"/api/v1/tasks/{each}")).json()["startTime"] for each in ids]
        assert await ids_of(client, **where) == ids[::-1]
        assert await ids_of(client, **where, startedAfter=starts[1]) in ([ids[2]], [ids[2], ids[1]])
        bounds = {"startedAfter": starts[0], "startedBefore": starts[2]}
        assert ids[1] in await ids_of(client, **where, **bounds)
        assert await ids_of(client, **where, startedAfter="2100-01-01T00:00:00Z") == []


async def test_progress_can_be_observed(yard: Taskyard) -> None:
    """live-change-tasks.md § Task model and views: progress is seen by readers and followers."""
    seen = asyncio.Event()

    @yard.task
    async def climb(ctx: Context) -> None:
        ctx.progress(1, 4, "climbing")
        await seen.wait()

    async with working(yard) as client:
        run = await climb.start()
        expected = {"current": 1, "total": 4, "action": "climbing", "percent": 25}
        async for message in run.follow():
            if message["type"] == "progress":
                assert {name: message[name] for name in expected} == expected
                break
        assert (await client.get(f"/api/v1/tasks/{run.id}")).json()["progress"] == expected
        seen.set()
        await run.result()


# ---- Trigger flow


async def test_state_triggers_fire_for_every_task(yard: Taskyard) -> None:
    """live-change-tasks.md § Trigger flow: code is told of each state that any task gets to."""
    heard: list[tuple[str, str]] = []

    def listen(name: str) -> None:
        yard.on(name)(lambda event: heard.append((name, event.data["taskId"])))

    for state in ("Created", "Running", "Retrying", "Done", "Failed", "Canceled", "Fallback"):
        listen(f"task{state}")

    @yard.task(retry=1)
    async def flaky(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise RuntimeError("once")

    @yard.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("no")

    @yard.task(retry=0, fallback="plan B")
    async def covered() -> str:
        raise RuntimeError("no")

    async with yard_for_test(yard) as world:
        runs = {task.key: await task.start() for task in (flaky, broken, covered)}
        canceled = await flaky.options(delay=3600).start()
        await world.settle()
        await canceled.cancel()
        await world.advance(60)
    names = {key: [name for name, task_id in heard if task_id == run.id] for key, run in runs.items()}
    assert names["flaky"] == ["taskCreated", "taskRunning", "taskRetrying", "taskRunning", "taskDone"]
    assert names["broken"] == ["taskCreated", "taskRunning", "taskFailed"]
    assert names["covered"][:2] == ["taskCreated", "taskRunning"]
    assert "taskFallback" in names["covered"]
    assert [name for name, task_id in heard if task_id == canceled.id] == ["taskCreated", "taskCanceled"]


async def test_named_triggers_fire_for_one_definition(world: World) -> None:
    """live-change-tasks.md § Trigger flow: code is told of the states of one definition's tasks only."""
    heard: list[str] = []
    world.yard.on("taskAddDone")(lambda event: heard.append(event.data["taskId"]))
    world.yard.on("taskBrokenFailed")(lambda event: heard.append(event.data["taskId"]))
    runs = [await world.yard.start("add", {"a": 1, "b": 1}), await world.yard.start("broken")]
    await world.settle()
    assert sorted(heard) == sorted(run.id for run in runs)


async def test_cause_triggers_fire_for_one_cause(world: World) -> None:
    """live-change-tasks.md § Trigger flow: code is told of the tasks of one cause only, from their creation on."""
    heard: list[tuple[str, str]] = []

    def hear(state: str, event: TaskEvent) -> None:
        heard.append((state, event.data["taskId"]))

    for state in ("Created", "Running", "Done"):
        world.yard.on(f"speedDating_Event_e1OwnedTaskAdd{state}")(partial(hear, state))
    run = await world.yard.start("add", {"a": 1, "b": 1}, cause=EVENT)
    await world.yard.start("add", {"a": 1, "b": 1}, cause=("speedDating_Event", "e2"))
    await world.yard.start("broken", cause=EVENT)
    await world.settle()
    assert heard == [("Created", run.id), ("Running", run.id), ("Done", run.id)]


async def test_reactions_run_follow_up_work(world: World) -> None:
    """live-change-tasks.md § Trigger flow: a reaction starts further work; one that raises harms nobody."""
    followed: list[Run[Any]] = []

    @world.yard.on("taskAddDone")
    async def fail(event: TaskEvent) -> None:
        raise RuntimeError("a bad listener")

    @world.yard.on("taskAddDone")
    async def follow_up(event: TaskEvent) -> None:
        if not followed:
            followed.append(await world.yard.start("add", {"a": 10, "b": 20}))

    run = await world.yard.start("add", {"a": 1, "b": 2})
    await world.settle()
    assert (await run.refresh()).status == "COMPLETED"
    assert await followed[0].result() == 30


async def test_service_defaults_to_the_yards(tmp_path: Path) -> None:
    """live-change-tasks.md § Task definition: a task is of its own service, else of its yard's."""
    yard = Taskyard("sqlite:///:memory:", service="shop", settings=new_yard(tmp_path).settings)

    @yard.task
    async def sell() -> None: ...

    @yard.task(service="billing")
    async def bill() -> None: ...

    async with yard:
        services = [(await (await handle.start()).refresh()).service for handle in (sell, bill)]
    assert services == ["shop", "billing"]


async def test_emitted_events_are_kept_in_the_trail(world: World) -> None:
    """live-change-tasks.md § Task definition: what a handler emits stands in its trail, in order, and in the feed."""

    @world.yard.task(retry_delay=lambda count: 5)
    async def cook(ctx: Context) -> None:
        await ctx.emit("chopped", {"onions": 3})
        ctx.log.info("frying")
        await ctx.emit("fried")
        if ctx.attempt == 1:
            raise RuntimeError("burnt")

    await define(world.yard.engine, [handler.definition for handler in world.yard.registry])
    run = await world.yard.start("cook")
    await world.result(run)
    async with calling(world.yard) as client:
        once = ["started", "emitted", "emitted"]
        assert await words_of(client, run.id) == ["created", *once, "retry", *once, "completed"]
        trail = await events_of(client, run.id)
        emitted = [event for event in trail if event["type"] == "task.instance.emitted"]
        assert [(event["data"]["name"], event["data"]["data"]) for event in emitted] == [
            ("chopped", {"onions": 3}), ("fried", None),
        ] * 2  # fmt: skip
        numbers = [event["sequence"] for event in trail]
        assert numbers == sorted(set(numbers))
        feed = (await client.get("/api/v1/events?limit=200")).json()["items"]
        assert [event for event in feed if event["data"]["taskId"] == run.id] == trail
