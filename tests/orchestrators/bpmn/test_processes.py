"""Processes in a yard: their steps are tasks like any others, and an instance outlives whatever happens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import Run, TaskFailed, Taskyard
from taskyard.contracts.instances import InstanceWrite
from taskyard.contracts.records import Filter
from taskyard.domain.definition import Definition
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.sheet import read_sheet
from taskyard.domain.queue import Queue, TaskType
from taskyard.domain.task import Task
from taskyard.engine.answers import answer_waiting
from taskyard.engine.assign import complete_open, fail_open
from taskyard.engine.cancel import cancel
from taskyard.engine.define import define, parse_definition, retire
from taskyard.engine.events import latest_position
from taskyard.engine.query import list_tasks
from taskyard.engine.request import Client, TaskRequest
from taskyard.engine.requeue import discard, requeue
from taskyard.engine.submit import submit
from taskyard.engine.upload import save_upload
from taskyard.engine.why import why
from taskyard.errors import Overloaded, ValidationFailed
from taskyard.orchestrators.bpmn import service as service_module
from taskyard.orchestrators.bpmn.deploy import deploy
from taskyard.orchestrators.bpmn.service import Processes
from taskyard.security.caller import LOCAL, Caller
from taskyard.testing import World, yard_for_test
from tests.orchestrators.bpmn.files import (
    END,
    ERROR,
    START,
    boundary,
    error,
    file,
    flow,
    line,
    mapped,
    script,
    service,
    timer,
    user,
    wait,
)
from tests.promises.fixtures_b import new_yard

GATE = (
    '<parallelGateway id="s"/>', '<parallelGateway id="j"/>',
    flow("start", "s"), flow("s", "a", "j"), flow("s", "b", "j"), flow("j", "end"),
)  # fmt: skip


class Shop:
    """A yard whose time the test moves, and short words for its instances."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.engine = world.yard.engine

    async def start(self, source: str, variables: Any = None, **options: Any) -> Run[Any]:
        await deploy(self.engine, source, {})
        run = await self.world.yard.start("order", variables, **options)
        await self.world.settle()
        return run

    async def steps(self, run: Run[Any]) -> list[Task]:
        """The tasks of an instance's steps, oldest first."""
        return (await list_tasks(self.engine, Filter(workflow_id=run.id), 100, None)).items[::-1]

    async def open(self, run: Run[Any]) -> dict[str, Task]:
        """Those that have not ended, by their steps."""
        found = [task for task in await self.steps(run) if str(task.status) not in ("COMPLETED", "FAILED", "CANCELED")]
        return {str(task.step_id): task for task in found}

    async def complete(self, run: Run[Any], step: str, output: Any = None) -> None:
        await complete_open(self.engine, LOCAL, int((await self.open(run))[step].task_id), output)
        await self.world.settle()

    async def left(self) -> int:
        """How many instances are kept."""
        return len(await self.engine.store.due_instances(None, 100, (-1, 0)))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    yard = new_yard(tmp_path)
    yard.register("charge", charge)
    yard.register("refuse", refuse)
    yard.register("unsteady", unsteady, retry={"maxRetries": 0})
    async with yard_for_test(yard) as world:
        fixed.clear()
        yield Shop(world)


async def charge(amount: int) -> dict[str, int]:
    return {"charged": amount + 1}


async def refuse() -> None:
    raise TaskFailed("none left", code="no-stock", details={"left": 0}, retryable=False)


fixed: list[bool] = []


async def unsteady() -> str:
    if not fixed:
        raise RuntimeError("not yet")
    return "done"


async def test_who_asked_for_a_process_does_not_decide_its_steps(shop: Shop) -> None:
    rule = {"rule": "fixed", "type": "GROUP", "id": "ops", "excludeAsker": True}
    spec = {"kind": "manual", "assignment": rule}
    await define(shop.engine, [Definition(key="order.check", task_type=TaskType.MANUAL, implementation=spec)])
    await deploy(shop.engine, line(user("check")), {})
    request = TaskRequest(task_definition_id="order", client=Client(user="bob"))
    task = (await submit(shop.engine, request, Caller("ann"))).task
    await shop.world.settle()
    page = await list_tasks(shop.engine, Filter(workflow_id=task.task_id), 5, None)
    (facts,) = await shop.engine.store.facts([int(page.items[0].task_id)])
    assert facts.place is not None
    assert {"ann", "bob"} <= set(read_sheet(facts.place.sheet).excluded)


@pytest.mark.parametrize("whose", ["ann", "cyd", "eve"])
async def test_a_variable_gives_nobody_a_file_of_others(shop: Shop, whose: str) -> None:
    """Ann's own, and one that cyd has sent with a step, may go to the next step; eve's may not, whoever ann says to
    ask for.
    """
    letter = {"type": "object", "properties": {"letter": {"type": "string", "format": "upload"}}}
    manual = {"kind": "manual", "assignment": {"type": "USER", "id": "cyd"}}
    both: dict[str, Any] = {"task_type": TaskType.MANUAL, "implementation": manual}
    await define(
        shop.engine,
        [
            Definition(key="order.write", output_schema=letter, **both),
            Definition(key="order.read", input_schema=letter, **both),
        ],
    )
    await deploy(shop.engine, line(user("write"), user("read")), {})
    file = await save_upload(shop.engine, "letter.txt", b"dear", Caller(whose))
    given = {} if whose == "cyd" else {"letter": file.id}
    request = TaskRequest(task_definition_id="order", input=given, client=Client(user="eve"))
    run = await shop.world.yard.get((await submit(shop.engine, request, Caller("ann"))).task.task_id)
    await shop.world.settle()
    written = {"letter": file.id} if whose == "cyd" else {}
    step = (await shop.open(run))["write"]
    await complete_open(shop.engine, Caller("cyd", frozenset({"tasks:manual"})), int(step.task_id), written)
    await shop.world.settle()
    if whose == "eve":
        with pytest.raises(TaskFailed, match="letter"):
            await run.result()
    else:
        assert (await shop.open(run))["read"].input == {"letter": file.id}


@pytest.mark.parametrize("whose", ["ann", "eve"])
async def test_a_step_is_given_what_its_components_ask_for_and_no_file_of_others(shop: Shop, whose: str) -> None:
    components = [{"componentId": "c", "fields": [{"fieldKey": "letter", "type": "file"}]}]
    spec = {"kind": "external", "topic": "read"}
    await define(shop.engine, [Definition(key="read", implementation=spec, ui_components=components)])
    await deploy(shop.engine, line(service("a", "read")), {})
    file = await save_upload(shop.engine, "letter.txt", b"dear", Caller(whose))
    request = TaskRequest(task_definition_id="order", input={"letter": file.id, "other": 1})
    run = await shop.world.yard.get((await submit(shop.engine, request, Caller("ann"))).task.task_id)
    await shop.world.settle()
    if whose == "eve":
        with pytest.raises(TaskFailed, match="letter"):
            await run.result()
    else:
        assert (await shop.open(run))["a"].input == {"letter": file.id}


async def test_service_script_and_user_tasks_follow_each_other_to_the_end(shop: Shop) -> None:
    source = line(
        service("charge"),
        script("add", "def main(input, ctx): return {'total': input['charged'] + 1}", "python-lite"),
        script("told", "join(' ', ['order', name])", more='camunda:resultVariable="told"'),
        user("check", 'camunda:assignee="${clerk}" camunda:dueDate="2030-02-01T00:00:00Z"'),
    )
    run = await shop.start(source, {"amount": 4, "name": "o1", "clerk": "ada"}, correlation_id="o1", priority="HIGH")
    charged, added, checked = await shop.steps(run)
    assert (charged.input, charged.output) == ({"amount": 4}, {"charged": 5})
    assert re.fullmatch(r"order\.add\.[0-9a-f]{12}", added.task_definition_id)
    assert added.output == {"total": 6}
    assert (str(checked.status), checked.assignee_type, checked.assignee_id) == ("ASSIGNED", "USER", "ada")
    assert checked.due_date is not None
    assert {
        (t.workflow_id, t.correlation_id, t.priority, t.cause_type, t.cause) for t in (charged, added, checked)
    } == {(run.id, "o1", "HIGH", "workflow_Instance", run.id)}
    assert str((await run.refresh()).status) == "WAITING"
    await shop.complete(run, "check", {"checked": True})
    assert await run.result() == {
        "amount": 4, "name": "o1", "clerk": "ada", "charged": 5, "total": 6, "told": "order o1", "checked": True,
    }  # fmt: skip
    assert await shop.left() == 0


async def test_an_instance_runs_the_scripts_that_it_was_deployed_with(shop: Shop) -> None:
    def deployed(number: int) -> str:
        text = f"def main(input, ctx): return {{'by': {number}}}"
        return line(user("check"), script("add", text, "python-lite"))

    run = await shop.start(deployed(1))
    later = await shop.start(deployed(2))
    for each in (run, later):
        await shop.complete(each, "check", {})
    assert [await each.result() for each in (run, later)] == [{"by": 1}, {"by": 2}]


async def test_a_step_is_given_what_the_file_or_its_schema_says(shop: Shop) -> None:
    source = line(
        service("a", "charge"), service("b", "charge", mapped({"amount": "${charged}"}, {"twice": "${charged}"}))
    )
    run = await shop.start(source, {"amount": 1, "more": "x"})
    assert [task.input for task in await shop.steps(run)] == [{"amount": 1}, {"amount": 2}]
    assert await run.result() == {"amount": 1, "more": "x", "charged": 2, "twice": 3}


async def test_the_result_is_what_the_process_promises(shop: Shop) -> None:
    schema = {"type": "object", "properties": {"charged": {"type": "integer"}}, "additionalProperties": False}
    await deploy(shop.engine, line(service("charge")), {"outputSchema": schema})
    assert await shop.world.run("order", {"amount": 1}) == {"charged": 2}


async def test_time_takes_an_instance_on(shop: Shop) -> None:
    run = await shop.start(line(wait("t", "timeDuration", "P1D"), service("charge")), {"amount": 1})
    await shop.world.advance(86_399)
    assert await shop.steps(run) == []
    assert "waits for a timer" in (await why(shop.engine, int(run.id)))["reason"]
    await shop.world.advance(1)
    assert await run.result() == {"amount": 1, "charged": 2}
    again = await shop.start(line(wait("t", "timeDuration", "P2D")))
    assert await shop.world.result(again) == {}


async def test_a_timer_beyond_all_calendars_fails_the_instance(shop: Shop) -> None:
    source = file(START, user("a"), boundary("b", "a", timer("timeDuration", "${wait}")), END,
                  flow("start", "a"), flow("a", "end"), flow("b", "end"))  # fmt: skip
    run = await shop.start(source, {"wait": 1_700_000_000_000_000_000})
    with pytest.raises(TaskFailed, match="within the years 1 to 9999"):
        await run.result()


async def test_what_is_late_is_withdrawn(shop: Shop) -> None:
    source = file(START, user("a"), boundary("b", "a", timer("timeDuration", "PT1H")), service("charge"), END,
                  flow("start", "a", "end"), flow("b", "charge", "end"))  # fmt: skip
    run = await shop.start(source, {"amount": 1})
    await shop.world.advance(3600)
    asked, _ = await shop.steps(run)
    assert (str(asked.status), (asked.error or {})["message"]) == ("CANCELED", "its process does not want it any more")
    assert await run.result() == {"amount": 1, "charged": 2}


async def test_a_business_error_goes_the_way_the_process_has_for_it(shop: Shop) -> None:
    source = file(START, service("a", "refuse"), boundary("b", "a", ERROR), service("charge"), END,
                  flow("start", "a", "end"), flow("b", "charge", "end"), beside=error("no-stock"))  # fmt: skip
    run = await shop.start(source, {"amount": 1})
    assert await run.result() == {"amount": 1, "left": 0, "charged": 2}


async def test_a_business_error_that_nothing_catches_fails_the_instance(shop: Shop) -> None:
    run = await shop.start(file(START, *GATE, service("a", "refuse"), user("b"), END))
    with pytest.raises(TaskFailed) as caught:
        await run.result()
    assert (caught.value.code, "the step 'a' failed: none left" in str(caught.value)) == ("no-stock", True)
    assert [str(task.status) for task in await shop.steps(run)] == ["FAILED", "CANCELED"]
    assert await shop.left() == 0


async def test_a_failure_is_mended_and_the_instance_goes_on(shop: Shop) -> None:
    run = await shop.start(line(service("a", "unsteady")))
    (step,) = await shop.steps(run)
    assert (str(step.status), str((await run.refresh()).status)) == ("FAILED", "WAITING")
    assert (await why(shop.engine, int(run.id)))["reason"] == "its process waits for a (FAILED)"
    fixed.append(True)
    await requeue(shop.engine, [int(step.task_id)], "ada", "mended")
    await shop.world.settle()
    assert await run.result() == {"output": "done"}


async def test_a_failure_that_is_given_up_fails_the_instance(shop: Shop) -> None:
    run = await shop.start(line(service("a", "unsteady")))
    (step,) = await shop.steps(run)
    await discard(shop.engine, [int(step.task_id)], "ada", "hopeless")
    await shop.world.settle()
    with pytest.raises(TaskFailed, match="the step 'a' failed: RuntimeError: not yet"):
        await run.result()


async def test_what_is_rejected_fails_the_instance_unless_it_is_caught(shop: Shop) -> None:
    run = await shop.start(line(user("a")))
    rejected = TaskError("REJECTED", "too dear", retryable=False)
    await fail_open(shop.engine, LOCAL, int((await shop.open(run))["a"].task_id), rejected)
    await shop.world.settle()
    with pytest.raises(TaskFailed, match="too dear"):
        await run.result()


async def test_who_cancels_the_instance_cancels_its_steps(shop: Shop) -> None:
    run = await shop.start(file(START, *GATE, user("a"), user("b"), END))
    assert sorted(await shop.open(run)) == ["a", "b"]
    await run.cancel("not wanted")
    await shop.world.settle()
    assert [str(task.status) for task in await shop.steps(run)] == ["CANCELED", "CANCELED"]
    assert await shop.left() == 0


async def test_who_cancels_a_step_fails_the_instance(shop: Shop) -> None:
    run = await shop.start(line(user("a")))
    await cancel(shop.engine, int((await shop.open(run))["a"].task_id), "ada", "no")
    await shop.world.settle()
    with pytest.raises(TaskFailed, match="the step 'a' failed: its task was canceled"):
        await run.result()


@pytest.mark.parametrize(
    ("topic", "told"), [("unheard", "there is no task definition 'unheard'"), ("charge", "/input/amount")]
)
async def test_a_step_that_cannot_be_asked_for_has_failed(shop: Shop, topic: str, told: str) -> None:
    run = await shop.start(line(service("a", topic)), {"amount": "much"})
    with pytest.raises(TaskFailed) as caught:
        await run.result()
    assert caught.value.code == "VALIDATION_ERROR"
    assert told in str(caught.value)


async def test_a_failed_instance_begins_anew_when_it_is_requeued(shop: Shop) -> None:
    run = await shop.start(line(service("a", "charge"), service("b", "unheard")), {"amount": 1})
    with pytest.raises(TaskFailed):
        await run.result()
    await deploy(shop.engine, line(service("a", "charge"), service("b", "charge")), {})
    shop.world.yard.register("unheard", charge)
    await requeue(shop.engine, [int(run.id)], "ada", "mended", {"amount": 5})
    await shop.world.settle()
    assert [task.input for task in await shop.steps(run)] == [{"amount": 1}, {"amount": 5}]


async def test_requeued_before_anybody_looked_it_leaves_no_step_of_the_attempt_before(shop: Shop) -> None:
    run = await shop.start(line(user("a")))
    assert await answer_waiting(shop.engine, int(run.id), None, TaskError("TIMEOUT", "too late", retryable=False))
    await requeue(shop.engine, [int(run.id)], "ada", "again", None)
    await shop.world.settle()
    assert [str(task.status) for task in await shop.steps(run)] == ["CANCELED", "ASSIGNED"]


async def test_who_was_too_late_to_end_an_attempt_leaves_the_next_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await shop.start(line(user("a")))
    await complete_open(shop.engine, LOCAL, int((await shop.open(run))["a"].task_id), None)
    answered = answer_waiting

    async def begin_again(*given: Any) -> Any:
        told = await answered(*given)
        row = await shop.engine.store.instance(int(run.id))
        assert row is not None
        assert await shop.engine.store.write_instance(InstanceWrite(row._replace(state=b"")))
        monkeypatch.undo()
        return told

    monkeypatch.setattr(service_module, "answer_waiting", begin_again)
    (row,) = await shop.engine.store.due_instances(None, 2, (-1, 0))
    await shop.world.yard.app.processes._look(row)
    assert await shop.left() == 1


async def test_a_process_may_be_a_step_of_another(shop: Shop) -> None:
    inner = line(user("ask"), service("charge")).replace('id="order"', 'id="inner"')
    await deploy(shop.engine, inner, {})
    run = await shop.start(line('<callActivity id="call" calledElement="inner"/>'), {"amount": 1})
    (called,) = await shop.steps(run)
    (asked,) = (await list_tasks(shop.engine, Filter(workflow_id=called.task_id), 9, None)).items
    await complete_open(shop.engine, LOCAL, int(asked.task_id), {"amount": 7})
    await shop.world.settle()
    assert await run.result() == {"amount": 7, "charged": 8}


async def test_an_instance_goes_on_by_the_version_it_began_with(shop: Shop) -> None:
    run = await shop.start(line(user("a"), service("charge")), {"amount": 1})
    await deploy(shop.engine, line(user("a"), service("b", "refuse")), {})
    await shop.complete(run, "a")
    assert await run.result() == {"amount": 1, "charged": 2}


async def test_however_many_take_it_on_each_step_has_one_task(shop: Shop) -> None:
    runs = [await shop.start(file(START, *GATE, user("a"), user("b"), END)) for _ in range(5)]
    for run in runs:
        for task in (await shop.open(run)).values():
            await complete_open(shop.engine, LOCAL, int(task.task_id), None)
    crowd = [Processes(shop.engine) for _ in range(4)]
    await asyncio.gather(*(each.turn() for each in crowd))
    await shop.world.settle()
    for run in runs:
        assert len(await shop.steps(run)) == 2
        assert await run.result() == {}


async def test_whoever_comes_after_a_crash_finds_what_has_ended(shop: Shop) -> None:
    run = await shop.start(line(user("a"), service("charge")), {"amount": 1})
    await complete_open(shop.engine, LOCAL, int((await shop.open(run))["a"].task_id), None)
    await Processes(shop.engine).turn()
    await shop.world.settle()
    assert await run.result() == {"amount": 1, "charged": 2}


async def test_a_crash_between_what_is_told_and_what_is_kept_repeats_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = file(START, user("a"), boundary("b", "a", timer("timeDuration", "PT1H")), service("charge"), END,
                  flow("start", "a", "end"), flow("b", "charge", "end"))  # fmt: skip
    run = await shop.start(source, {"amount": 1})
    store, crashed = shop.engine.store, []

    async def crash(*_: Any) -> bool:
        crashed.append(True)
        return False

    monkeypatch.setattr(store, "write_instance", crash)
    shop.world.clock.move(3600)
    await shop.world.yard.app.processes.turn()
    monkeypatch.undo()
    assert crashed
    assert [str(task.status) for task in await shop.steps(run)] == ["CANCELED"]
    await shop.world.settle()
    assert await run.result() == {"amount": 1, "charged": 2}


async def test_what_somebody_made_of_a_user_tasks_definition_stays(shop: Shop) -> None:
    schema = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    await deploy(shop.engine, line(user("a")), {})
    own = {"key": "order.a", "title": "Decide", "implementation": {"kind": "manual"}, "outputSchema": schema}
    await define(shop.engine, [parse_definition(own)])
    run = await shop.start(line(user("a")))
    assert (await shop.open(run))["a"].title == "Decide"
    with pytest.raises(ValidationFailed):
        await shop.complete(run, "a", {"yes": "perhaps"})
    await retire(shop.engine, "order.a")
    again = await shop.start(line(user("a")))
    assert (await shop.open(again))["a"].title == "Task a"


async def test_an_instance_that_grows_too_large_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_MOST_BYTES", 100_000)
    run = await shop.start(line(user("a"), user("b")))
    await shop.complete(run, "a", {"large": "x" * 100_000})
    with pytest.raises(TaskFailed) as caught:
        await run.result()
    assert caught.value.code == "RESOURCE_LIMIT"
    assert await shop.left() == 0


async def test_a_state_that_cannot_be_read_holds_nobody_up(shop: Shop) -> None:
    run = await shop.start(line(user("a")))
    row = await shop.engine.store.instance(int(run.id))
    assert row is not None
    assert await shop.engine.store.write_instance(InstanceWrite(row._replace(state=b"odd", due_at=0)))
    other = await shop.start(line(service("charge")), {"amount": 1})
    assert await other.result() == {"amount": 1, "charged": 2}


async def test_one_that_is_put_off_is_looked_at_once_a_turn(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await shop.start(line(user("a")))
    row = await shop.engine.store.instance(int(run.id))
    assert row is not None
    assert await shop.engine.store.write_instance(InstanceWrite(row._replace(state=b"odd", due_at=0)))
    now = shop.engine.store.now

    async def pass_time() -> int:
        shop.world.clock.move(0.001)
        return await now()

    monkeypatch.setattr(shop.engine.store, "now", pass_time)
    async with asyncio.timeout(60):
        await Processes(shop.engine).turn()
    monkeypatch.undo()
    put_off = await shop.engine.store.instance(int(run.id))
    assert put_off is not None
    assert put_off.revision == row.revision + 2


async def test_one_full_queue_puts_off_those_that_need_it_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = await shop.start(line(user("a"), user("b")))
    other = await shop.start(line(user("a"), service("charge")), {"amount": 1})
    admit = shop.engine.depth.admit

    async def refuse_people(queue: Queue, count: int) -> None:
        if queue is Queue.MANUAL:
            raise Overloaded("it is full", details={"queue": queue.title}, retry_after=1)
        await admit(queue, count)

    monkeypatch.setattr(shop.engine.depth, "admit", refuse_people)
    await shop.complete(blocked, "a")
    await shop.complete(other, "a")
    assert await other.result() == {"amount": 1, "charged": 2}
    monkeypatch.undo()
    await shop.world.advance(30)
    assert sorted(await shop.open(blocked)) == ["b"]


async def test_after_a_store_that_refuses_nothing_is_forgotten(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await shop.start(line(user("a"), service("charge")), {"amount": 1})
    await complete_open(shop.engine, LOCAL, int((await shop.open(run))["a"].task_id), None)
    await latest_position(shop.engine)

    async def refuse_it(*_: Any) -> bool:
        raise Overloaded("it is away", retry_after=1)

    monkeypatch.setattr(shop.engine.store, "write_instance", refuse_it)
    with pytest.raises(Overloaded):
        await shop.world.yard.app.processes.turn()
    monkeypatch.undo()
    await shop.world.settle()
    assert await run.result() == {"amount": 1, "charged": 2}


async def test_an_assignee_that_is_no_name_fails_the_step(shop: Shop) -> None:
    run = await shop.start(line(user("a", 'camunda:assignee="${boss}"')), {"boss": 5})
    with pytest.raises(TaskFailed, match="the step 'a' failed"):
        await run.result()


async def test_what_no_engine_can_run_fails_for_good(shop: Shop) -> None:
    await define(shop.engine, [Definition(key="bad", implementation={"kind": "bpmn", "source": "<x/>"})])
    with pytest.raises(TaskFailed, match="is no BPMN"):
        await shop.world.run("bad")


async def test_a_yard_declares_its_processes(tmp_path: Path) -> None:
    yard: Taskyard = new_yard(tmp_path)
    yard.register("charge", charge)
    (tmp_path / "order.bpmn").write_text(line(service("charge")))
    yard.workflow(tmp_path / "order.bpmn")
    async with yard_for_test(yard) as world:
        assert await world.run("order", {"amount": 1}) == {"amount": 1, "charged": 2}
