"""The approval that the demo leaves: claimed, drafted and completed, and the refund that has waited for it goes on; and
the database that it asks over a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.yard import bearer
from tests.cli.command import Command
from tests.promises.yard import client_of

from taskyard import Taskyard
from taskyard.demo import approval, sales, workspace
from taskyard.demo.samples import register
from taskyard.engine.query import get_task
from taskyard.settings import load

PAID = "42.50 paid to Grace Hughes, as a person has agreed"


@contextlib.asynccontextmanager
async def working(folder: Path) -> AsyncIterator[Taskyard]:
    """The demo's yard at work in the folder."""
    yard = Taskyard(settings=load({}, folder).with_values(TASKYARD_GRACE=0.1, TASKYARD_DATA_DIR=str(folder / "data")))
    register(yard)
    async with yard.worker():
        await approval.prepare(yard.engine)
        yield yard


async def left(folder: Path) -> int:
    """The approval that is left, the same however often the demo has run."""
    async with working(folder) as yard:
        task_id = await approval.leave_one(yard.engine)
        assert await approval.leave_one(yard.engine) == task_id
        return task_id


async def paid(yard: Taskyard, task_id: int) -> str:
    """What becomes of the refund that has waited for it."""
    parent = (await get_task(yard.engine, task_id)).parent_task_id
    assert parent is not None
    return str((await (await yard.get(parent)).result()).summary)


def test_from_the_command_line(taskyard: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    task = str(asyncio.run(left(folder)))
    taskyard.done("claim", task, "--user", "ada")
    taskyard.done("draft", task, "--user", "ada", "--output", '{"approved": false}')
    taskyard.done("complete", task, "--user", "ada", "--outcome", "pay", "--output", '{"approved": true}')

    async def go_on() -> str:
        async with working(folder) as yard:
            return await paid(yard, int(task))

    assert asyncio.run(go_on()) == PAID


async def test_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ada = bearer("tasks:manual", subject="ada")
    async with working(tmp_path) as yard, client_of(yard) as http:
        task_id = await approval.leave_one(yard.engine)
        verbs = {
            "claim": {}, "draft": {"output": {"approved": False}},
            "complete": {"output": {"approved": True}, "outcome": "pay"},
        }  # fmt: skip
        for verb, body in verbs.items():
            answer = await http.post(f"/api/v1/tasks/{task_id}/{verb}", json=body, headers=ada)
            assert answer.status_code == 200, answer.text
        assert await paid(yard, task_id) == PAID


async def test_the_shops_database_is_asked_over_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    async with working(tmp_path) as yard:
        sales.copy(tmp_path / "data")
        await sales.prepare(yard.engine, yard.app.box)
        run = await yard.start(sales.STEP.key, sales.STEP.input)
        output = await run.result()
    with contextlib.closing(sqlite3.connect(workspace.SHOP_DATABASE)) as database:
        (orders,) = database.execute("SELECT count(*) FROM orders").fetchone()
    assert sum(country["orders"] for country in output["countries"]) == orders
    assert output["summary"] == f"{orders} orders from {len(output['countries'])} countries"
