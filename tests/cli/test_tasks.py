"""Lists and verbs on tasks that no worker takes: `tasks`, `show`, `cancel`, `retry`, `queues`, `deadletters`."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest
from tests.cli.command import Command

from taskyard.errors import Overloaded

APP = ("--app", "jobs:yard")


def start(taskyard: Command, *arguments: str) -> str:
    return taskyard.done("start", *arguments, *APP).out.strip()


def test_tasks_are_listed_page_by_page(taskyard: Command) -> None:
    ids = [start(taskyard, "count", "-o", f"tags={tag}") for tag in ("a", "b", "a")]
    first = taskyard.done("tasks", "--limit", "2", "--json").json
    assert [one["taskId"] for one in first["items"]] == [ids[2], ids[1]]
    rest = taskyard.done("tasks", "--limit", "2", "--cursor", first["nextCursor"], "--json").json
    assert ([one["taskId"] for one in rest["items"]], rest["nextCursor"]) == ([ids[0]], None)
    tagged = taskyard.done("tasks", "--tag", "a", "--status", "pending,running", "--definition", "count", "--json").json
    assert [one["taskId"] for one in tagged["items"]] == [ids[2], ids[0]]
    nothing = taskyard.done("tasks", "--created-after", "2100-01-01", "--json").json
    assert nothing == {"items": [], "nextCursor": None}
    table = taskyard.done("tasks", "--q", ids[1])
    assert [line.split()[:3] for line in table.out.splitlines()[1:]] == [[ids[1], "count", "PENDING"]]


def test_cancel_is_told_and_not_repeated(taskyard: Command) -> None:
    task_id = start(taskyard, "count")
    assert taskyard.done("cancel", task_id, "--reason", "not needed").out == f"{task_id} count is CANCELED\n"
    assert "CANCELED: not needed" in taskyard.done("show", task_id).out
    again = taskyard("cancel", task_id)
    assert (again.code, again.out, len(again.err.splitlines())) == (2, "", 1)


def test_an_id_that_is_none_is_refused(taskyard: Command) -> None:
    for arguments in (
        ["show", "12"],
        ["show", "x"],
        ["cancel", "12"],
        ["follow", "12"],
        ["why", "12"],
        ["retry", "12"],
    ):
        ended = taskyard(*arguments)
        assert ended.code == 2
        assert "there is no task" in ended.err


def test_dead_letters_are_listed_requeued_and_discarded(taskyard: Command) -> None:
    failed = [taskyard("run", "refuse", "--json", *APP).json["taskId"] for _ in range(2)]
    assert "UNWILLING: it will not" in taskyard.done("deadletters").out
    requeued = taskyard.done("deadletters", "requeue", failed[0], "--json").json
    assert requeued == {"taskIds": [failed[0]], "complete": True}
    assert taskyard.done("show", failed[0], "--json").json["status"] == "PENDING"
    assert taskyard.done("deadletters", "discard", "--definition", "refuse").out == "1 task discarded\n"
    assert taskyard.done("deadletters", "--json").json["items"] == []
    assert taskyard.done("deadletters", "requeue", "--all").out == "0 tasks requeued\n"
    refused = taskyard("deadletters", "requeue", "123456", failed[1])
    assert (refused.code, refused.out) == (2, "0 tasks requeued\n")
    assert f"123456, {failed[1]} are no dead letters" in refused.err
    discarded = taskyard("retry", failed[1])
    assert (discarded.code, discarded.out) == (2, "")


def test_all_dead_letters_are_moved_however_many(taskyard: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.engine.requeue._MOST", 2)
    failed = [taskyard("run", "refuse", "--json", *APP).json["taskId"] for _ in range(3)]
    assert sorted(taskyard.done("deadletters", "requeue", "--all", "--json").json["taskIds"]) == sorted(failed)


@pytest.mark.parametrize(("obstacle", "code"), [(Overloaded("the store is away"), 3), (asyncio.CancelledError(), 130)])
def test_how_many_dead_letters_were_moved_is_told_where_not_all_are(
    taskyard: Command, monkeypatch: pytest.MonkeyPatch, obstacle: BaseException, code: int
) -> None:
    monkeypatch.setattr("taskyard.engine.requeue._MOST", 2)
    discard = AsyncMock(side_effect=[[1, 2], obstacle])
    monkeypatch.setattr("taskyard.engine.requeue.discard", discard)
    for _ in range(3):
        taskyard("run", "refuse", "--json", *APP)
    ended = taskyard("deadletters", "discard", "--all")
    assert (ended.code, ended.out) == (code, "")
    assert "2 tasks discarded so far; the same command goes on with the others" in ended.err


def test_a_paused_queue_says_so(taskyard: Command) -> None:
    task_id = start(taskyard, "count")
    assert taskyard.done("queues", "pause", "automated", "--json").json["paused"] is True
    assert "is paused" in taskyard.done("why", task_id).out
    listed = taskyard.done("queues", "--json").json["items"]
    assert [one["name"] for one in listed if one["paused"]] == ["task-execution-automated"]
    assert "open" in taskyard.done("queues", "resume", "task-execution-automated").out
    assert taskyard("queues", "pause", "nothing").code == 2


def test_a_store_that_is_none_is_refused(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_DATABASE_URL"] = "mysql://localhost/tasks"
    ended = taskyard("tasks")
    assert ended.code == 2
    assert "TASKYARD_DATABASE_URL" in ended.err
