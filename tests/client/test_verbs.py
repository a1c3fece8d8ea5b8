"""Every verb, over HTTP, against a server with a worker."""

import asyncio
import inspect
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taskyard import errors
from taskyard.client import AsyncTaskyardClient, TaskyardClient
from taskyard.domain.task import Task, UserTask, WorkflowTask
from taskyard.executors.function.errors import TaskFailed
from tests.client.conftest import Served
from tests.orchestrators.bpmn.files import line, mapped, service

AUTOMATED = "task-execution-automated"
APPROVAL = {
    "key": "approve",
    "implementation": {"kind": "manual", "assignment": {"type": "USER", "id": "ada"}},
    "outputSchema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
}


async def test_starts_a_task_and_waits_for_its_result(client: AsyncTaskyardClient) -> None:
    run = await client.start("add", {"a": 1, "b": 2}, priority="HIGH", cause=("event", "e-1"), workflow_id="w-1")
    assert await run.result() == 3
    assert (run.status, run.cause) == ("COMPLETED", ("event", "e-1"))
    assert isinstance(run.task, WorkflowTask)
    assert run.task.priority == "HIGH"
    assert await client.run("add", {"a": 2, "b": 2}) == 4


async def test_starts_many_in_one_transaction(client: AsyncTaskyardClient) -> None:
    assert await client.run_many("add", [{"a": n, "b": 1} for n in range(5)]) == [1, 2, 3, 4, 5]
    with pytest.raises(errors.ValidationFailed):
        await client.start_many("add", [{"a": 1, "b": 1}, {"a": "one", "b": 1}])
    assert len([task async for task in client.list(definition="add")]) == 5


async def test_a_key_makes_starting_twice_starting_once(client: AsyncTaskyardClient) -> None:
    first = await client.start("add", {"a": 1, "b": 1}, idempotency_key="k")
    second = await client.start("add", {"a": 1, "b": 1}, idempotency_key="k")
    assert (first.id, first.reused, second.reused) == (second.id, False, True)
    with pytest.raises(errors.Conflict):
        await client.start("add", {"a": 1, "b": 2}, idempotency_key="k")


async def test_lists_lazily_over_all_pages(client: AsyncTaskyardClient) -> None:
    runs = await client.start_many("add", [{"a": n, "b": 0} for n in range(25)], tags=["t"], delay=3600)
    found = [task.task_id async for task in client.list(tag="t", status=["PENDING", "RUNNING"], limit=10)]
    assert found == [run.id for run in reversed(runs)]
    assert [task async for task in client.list(tag="t", created_after=runs[0].task.created_at, status="FAILED")] == []


async def test_errors_are_those_of_the_server(client: AsyncTaskyardClient, served: Served) -> None:
    with pytest.raises(errors.ValidationFailed) as refused:
        await client.start("add", {"a": "x", "b": 1})
    assert refused.value.details[0]["path"] == "/input/a"
    with pytest.raises(errors.ValidationFailed):
        await client.start("add", {"a": 1, "b": 1}, unheard_of=True)
    with pytest.raises(errors.NotFound):
        await client.start("unknown")
    with pytest.raises(errors.NotFound):
        await client.get("1")
    async with AsyncTaskyardClient(served.url, "wrong") as stranger:
        with pytest.raises(errors.Unauthorized):
            await stranger.get("1")
        with pytest.raises(errors.Unauthorized):
            [message async for message in stranger.follow("1")]


async def test_a_failure_is_raised_and_can_be_tried_again(client: AsyncTaskyardClient) -> None:
    run = await client.start("fail")
    with pytest.raises(TaskFailed, match="it cannot be done") as failed:
        await run.result()
    assert failed.value.code == "EXECUTION_ERROR"
    assert [attempt["outcome"] async for attempt in client.attempts(run.id)] == ["FAILED"]
    assert "it cannot be done" in (await client.why(run.id))["reason"]
    assert (await client.retry(run.id, "again")).status == "PENDING"
    with pytest.raises(TaskFailed):
        await client.result(run.id)
    assert run.id in [task.task_id async for task in client.dead_letters("fail")]
    assert await client.requeue([run.id], reason="once more") == [run.id]
    with pytest.raises(TaskFailed):
        await client.result(run.id)
    assert await client.discard(filter={"definition": "fail"}) == [run.id]
    assert [task async for task in client.dead_letters()] == []


async def test_all_dead_letters_that_fit_a_filter_are_moved(
    client: AsyncTaskyardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.engine.requeue._MOST", 2)
    ids = [(await client.start("fail")).id for _ in range(5)]
    for id_ in ids:
        with pytest.raises(TaskFailed):
            await client.result(id_)
    assert sorted(await client.requeue(filter={"definition": "fail"}, rate_per_second=0.01)) == sorted(ids)
    due = sorted([task.available_at for id_ in ids if (task := (await client.get(id_)).task).available_at])
    assert [round((later - due[0]).total_seconds(), -2) for later in due[1:]] == [100, 200, 300]


async def test_cancels_what_runs(client: AsyncTaskyardClient) -> None:
    run = await client.start("hold")
    async for message in run.follow():
        if message["type"] == "progress":
            await run.cancel("enough")
    assert (await run.refresh()).status == "CANCELED"
    assert run.progress == {"current": 1, "total": 4, "action": "holding", "percent": 25.0}
    with pytest.raises(errors.IllegalTransition):
        await run.cancel()
    with pytest.raises(TaskFailed, match="enough"):
        await run.result()


async def test_tells_what_happened(client: AsyncTaskyardClient) -> None:
    run = await client.start("add", {"a": 1, "b": 2})
    await run.result()
    events = [event["type"].rpartition(".")[2] async for event in client.events(run.id)]
    assert events == ["created", "started", "completed"]
    lines = [line async for line in client.logs(run.id)]
    assert [line["text"] for line in lines] == ["adding 1 and 2"]
    assert [line async for line in client.logs(run.id, lines[0]["sequence"])] == []
    assert json.loads(await client.output(run.id)) == 3
    assert await client.output(run.id, "csv") == "value\r\n3\r\n"


async def test_uploads_a_file_for_a_task(client: AsyncTaskyardClient, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    for given, name in ((tmp_path / "note.txt", "note.txt"), (str(tmp_path / "note.txt"), "note.txt")):
        file = await client.upload(given)
        assert (file.name, file.size) == (name, 5)
    file = await client.upload(b"bytes", "some.bin")
    assert await client.run("read", {"file": file.upload_id}) == "some.bin: bytes"


async def test_starts_by_trigger_and_by_action(client: AsyncTaskyardClient) -> None:
    runs = await client.trigger("sum", {"a": 1, "b": 1})
    assert sorted(run.task.task_definition_id for run in runs) == ["add", "add_too"]
    assert [await run.result() for run in runs] == [2, 2]
    run = await client.action("sum", {"a": 2, "b": 1})
    assert run.cause[0] == "command"
    assert await run.result() == 3
    with pytest.raises(errors.NotFound):
        await client.trigger("nobody listens")


async def test_definitions_are_pushed_read_and_retired(client: AsyncTaskyardClient) -> None:
    first = await client.push_definition(APPROVAL)
    second = await client.push_definition({**APPROVAL, "title": "Approve it"})
    assert await client.definition("approve") == second
    assert [one["version"] async for one in client.definition_versions("approve")] == [
        second["version"],
        first["version"],
    ]
    assert "approve" in [one["key"] async for one in client.definitions()]
    await client.retire_definition("approve")
    assert "approve" not in [one["key"] async for one in client.definitions()]
    with pytest.raises(errors.ValidationFailed):
        await client.push_definition({"key": "bad", "implementation": {"kind": "none"}})


async def test_a_person_ends_a_task(client: AsyncTaskyardClient) -> None:
    await client.push_definition(APPROVAL)
    run = await client.start("approve")
    async for message in run.follow():
        if message.get("status") == "ASSIGNED":
            break
    assert isinstance(await run.refresh(), UserTask)
    assert (await client.reassign(run.id, "USER", "grace", "holiday")).assignee_id == "grace"
    with pytest.raises(errors.Forbidden):  # an administrator is no member of the group
        await client.claim(run.id)
    with pytest.raises(errors.Conflict):
        await client.release(run.id)
    await client.draft(run.id, {"ok": "perhaps"})
    await client.comment(run.id, "nearly")
    assert (await client.delegate(run.id, "bob")).assignee_id == "bob"
    assert (await client.resolve(run.id)).assignee_id == "grace"
    assert [item async for item in client.inbox()] == []
    with pytest.raises(errors.ValidationFailed):
        await client.complete(run.id, {"ok": "yes"})
    assert isinstance(await client.complete(run.id, {"ok": True}), Task)
    assert await run.result() == {"ok": True}
    refused = await client.start("approve")
    async for message in refused.follow():
        if message.get("status") == "ASSIGNED":
            break
    assert (await client.reject(refused.id, "no")).status == "FAILED"


async def test_workflows_are_deployed_and_started(client: AsyncTaskyardClient) -> None:
    source = line(service("add", inner=mapped({"a": "${a}", "b": "${b}"})))
    deployed = await client.deploy_workflow(source, title="Sums")
    assert (deployed["key"], deployed["title"], await client.workflow("order")) == ("order", "Sums", deployed)
    assert [one["key"] async for one in client.workflows()] == ["order"]
    started = await client.start_workflow("order", {"a": 1, "b": 2}, correlation_id="o1", idempotency_key="k")
    again = await client.start_workflow("order", {"a": 1, "b": 2}, correlation_id="o1", idempotency_key="k")
    assert again["instanceId"] == started["instanceId"]
    assert await client.result(started["instanceId"]) == {"a": 1, "b": 2, "output": 3}
    with pytest.raises(errors.NotFound):
        await client.start_workflow("nothing")


async def test_schedules_are_put_paused_run_and_removed(client: AsyncTaskyardClient) -> None:
    wanted = {"scheduleId": "daily", "taskDefinitionId": "add", "input": {"a": 1, "b": 2}, "cron": "@daily"}
    made = await client.put_schedule(wanted)
    assert await client.schedule("daily") == made
    assert [one["scheduleId"] async for one in client.schedules()] == ["daily"]
    assert (await client.pause_schedule("daily"))["nextRuns"] == []
    task = await client.run_schedule("daily")
    assert (task.cause_type, task.cause, await client.result(task.task_id)) == ("schedule", "daily", 3)
    assert (await client.resume_schedule("daily"))["lastRun"]["taskId"] == task.task_id
    days = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    assert len(await client.backfill_schedule("daily", *days)) == 3
    assert await client.backfill_schedule("daily", *days) == []
    await client.remove_schedule("daily")
    with pytest.raises(errors.NotFound):
        await client.schedule("daily")
    with pytest.raises(errors.ValidationFailed):
        await client.put_schedule({**wanted, "cron": "sometimes"})


async def test_operators_see_and_pause(client: AsyncTaskyardClient) -> None:
    assert (await client.pause(AUTOMATED))["paused"] is True
    run = await client.start("add", {"a": 1, "b": 1})
    assert (await client.why(run.id))["reason"] == f"the queue {AUTOMATED} is paused"
    assert [queue["name"] async for queue in client.queues() if queue["paused"]] == [AUTOMATED]
    assert (await client.resume(AUTOMATED))["paused"] is False
    assert await run.result() == 2
    assert [worker["slots"] async for worker in client.workers()] == [4]
    assert (await client.metrics())["definitions"]["add"]["counts"] == {"COMPLETED": 1}
    with pytest.raises(errors.NotFound):
        await client.pause("no-such-queue")


async def test_the_sync_client_does_the_same_from_a_thread(served: Served) -> None:
    def work() -> None:
        with TaskyardClient(served.url, served.token) as client:
            run = client.start("add", {"a": 1, "b": 2}, tags=["sync"])
            assert run.result() == 3
            assert run.refresh().status == "COMPLETED"
            assert [message["type"] for message in run.follow()][-2:] == ["result", "end"]
            assert client.run_many("add", [{"a": 1, "b": 1}, {"a": 2, "b": 2}]) == [2, 4]
            assert [task.task_id for task in client.list(tag="sync")] == [run.id]
            assert client.get(run.id).task == run.task
            assert client.start("hold").cancel().status == "CANCELED"
            assert [one.result() for one in client.trigger("sum", {"a": 1, "b": 1})] == [2, 2]
            assert client.action("sum", {"a": 1, "b": 1}).result() == 2
            assert client.upload(b"x").size == 1
            with pytest.raises(TaskFailed):
                client.run("fail")
            with pytest.raises(errors.NotFound):
                client.get("1")

    await asyncio.to_thread(work)


def test_both_clients_have_the_same_verbs() -> None:
    for one, other in ((TaskyardClient, AsyncTaskyardClient),):
        assert _verbs(one) == _verbs(other)


def test_verbs_introduce_themselves() -> None:
    signature = inspect.signature(TaskyardClient.dequeue)
    assert list(signature.parameters)[:3] == ["self", "queue", "worker_id"]
    assert all(getattr(TaskyardClient, name).__doc__ for name in _verbs(TaskyardClient))


def _verbs(client: type) -> dict[str, list[str]]:
    verbs = {name: member for name, member in inspect.getmembers(client, callable) if not name.startswith("_")}
    return {name: list(inspect.signature(member).parameters) for name, member in verbs.items()}
