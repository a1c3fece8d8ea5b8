"""`taskyard notifications` and `taskyard audit`."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from tests.cli.command import Command
from tests.support import eventually

from taskyard import Taskyard
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.queue import TaskType
from taskyard.engine.audit import Chain
from taskyard.engine.define import define
from taskyard.engine.query import get_task
from taskyard.notifying import make_planner
from taskyard.security.keys import derive
from taskyard.settings import load


async def hand_over(folder: Path) -> str:
    """A task of ann's, of which she has been told, and whose history is sealed."""
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(folder / ".taskyard"))
    yard = Taskyard(f"sqlite:///{folder / 'taskyard.db'}", settings=settings)
    spec = {"kind": "manual", "assignment": {"type": "USER", "id": "ann"}}
    async with yard.worker():
        planner = make_planner(yard.app.notifying)
        await planner.turn()
        await define(yard.engine, [Definition(key="pay", title="Pay", task_type=TaskType.MANUAL, implementation=spec)])
        run = await yard.start("pay")

        async def is_open() -> bool:
            return (await get_task(yard.engine, int(run.id))).status is State.ASSIGNED

        await eventually(is_open)
        await planner.turn()
        await Chain(yard.engine, derive(yard.app.master_key, "audit")).turn()
    return run.id


def test_notices_are_listed_and_read(taskyard: Command, folder: Path) -> None:
    task_id = asyncio.run(hand_over(folder))
    (item,) = taskyard.done("notifications", "list", "--user", "ann", "--json").json["items"]
    assert (item["text"], item["taskId"], item["readAt"]) == ("For you: Pay", task_id, None)
    assert "For you: Pay" in taskyard.done("notifications", "list", "--unread", "--user", "ann").out
    assert taskyard.done("notifications", "list", "--user", "bob", "--json").json["items"] == []
    before = ("notifications", "list", "--user", "ann", "--cursor")
    assert taskyard.done(*before, item["noticeId"], "--json").json == {"items": [], "nextCursor": None}
    assert "no cursor of this list" in taskyard(*before, "x").err
    assert taskyard.done("notifications", "read", item["noticeId"], "--user", "ann").out == "1 changed\n"
    assert "Pay" not in taskyard.done("notifications", "list", "--unread", "--user", "ann").out
    wanted = '{"channels": ["email"], "digest": {"at": "08:00"}}'
    taskyard.done("notifications", "preferences", "--set", wanted, "--user", "ann")
    shown = taskyard.done("notifications", "preferences", "--user", "ann").json
    assert shown == {"channels": ["email"], "digest": {"at": "08:00"}}
    refused = taskyard("notifications", "preferences", "--set", '{"fax": 1}', "--user", "ann")
    assert (refused.code, "fax" in refused.err) == (2, True)


def test_a_story_is_told_and_what_was_changed_is_found(taskyard: Command, folder: Path) -> None:
    task_id = asyncio.run(hand_over(folder))
    lines = taskyard.done("audit", "story", task_id).out.splitlines()
    assert lines[1].partition("  ")[2] == "asked for: pay, priority MEDIUM"
    assert lines[-1].endswith("assigned to ann")
    table = taskyard.done("audit", "story", task_id, "--format", "csv").out
    assert table.startswith("sequence,timestamp,type,taskId")
    assert len(taskyard.done("audit", "story", task_id, "--format", "jsonl").out.splitlines()) == 3
    seen = taskyard.done("audit", "verify", "--json").json
    assert (seen["entries"], seen["findings"]) == (3, [])
    assert f"head {seen['head']}" in taskyard.done("audit", "verify", "--head", seen["head"]).out
    with contextlib.closing(sqlite3.connect(folder / "taskyard.db")) as connection:
        connection.execute("UPDATE attempt SET finished_at = finished_at + 1")
        connection.commit()
    told = taskyard("audit", "verify")
    assert told.code == 1
    assert "changed" in told.out
