"""What people do from the command line: `inbox`, `claim`, `release`, `complete`, `reject`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cli.command import Command
from tests.support import eventually

from taskyard import Taskyard
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.people.assignment import Person
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from taskyard.engine.query import get_task

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


async def hand_over(folder: Path, count: int) -> list[str]:
    """Tasks of a group that ann and bob are in, handed over by a worker."""
    yard = Taskyard(f"sqlite:///{folder / 'taskyard.db'}")
    spec = {"kind": "manual", "assignment": {"type": "GROUP", "id": "ops"}}
    async with yard.worker():
        for name in ("ann", "bob"):
            await yard.engine.store.save_person(Person(name, groups=("ops",)))
        manual = Definition(
            key="approve", title="Approve", task_type=TaskType.MANUAL, implementation=spec, output_schema=SCHEMA
        )
        await define(yard.engine, [manual])
        runs = [await yard.start("approve") for _ in range(count)]

        async def all_open() -> bool:
            states = [(await get_task(yard.engine, int(run.id))).status for run in runs]
            return set(states) == {State.ASSIGNED}

        await eventually(all_open)
    return [run.id for run in runs]


def test_it_goes_from_hand_to_hand(taskyard: Command, folder: Path) -> None:
    (task,) = asyncio.run(hand_over(folder, 1))
    assigned = taskyard.done("assign", task, "--to", "ann", "--reason", "knows it", "--json").json
    assert (assigned["assigneeType"], assigned["assigneeId"]) == ("USER", "ann")
    delegated = taskyard.done("delegate", task, "--to", "bob", "--user", "ann", "--json").json
    assert delegated["assigneeId"] == "bob"
    refused = taskyard("complete", task, "--user", "bob", "--output", '{"ok": true}')
    assert (refused.code, "ann has delegated it" in refused.err) == (2, True)
    assert taskyard.done("resolve", task, "--user", "bob", "--json").json["assigneeId"] == "ann"
    stranger = taskyard("reassign", task, "--to", "eve", "--user", "eve")
    assert (stranger.code, "assigned to somebody else" in stranger.err) == (2, True)
    back = taskyard.done("reassign", task, "--to", "ops", "--group", "--json").json
    assert (back["assigneeType"], back["assigneeId"], back["claimedBy"]) == ("GROUP", "ops", None)


def test_from_the_inbox_to_the_end(taskyard: Command, folder: Path) -> None:
    first, second = asyncio.run(hand_over(folder, 2))
    shown = taskyard.done("inbox", "--user", "ann", "--json").json
    assert [item["taskId"] for item in shown["items"]] == [first, second]
    assert "claim" in shown["items"][0]["actions"]
    page = taskyard.done("inbox", "--user", "ann", "--limit", "1", "--json").json
    assert [item["taskId"] for item in page["items"]] == [first]
    rest = taskyard.done("inbox", "--user", "ann", "--limit", "1", "--cursor", page["nextCursor"], "--json").json
    assert ([item["taskId"] for item in rest["items"]], rest["nextCursor"]) == ([second], None)
    assert "there are more: --cursor" in taskyard.done("inbox", "--user", "ann", "--limit", "1").err
    assert "no cursor of this list" in taskyard("inbox", "--user", "ann", "--cursor", "7").err
    assert taskyard.done("claim", first, "--user", "ann").out == f"{first} approve is ASSIGNED\n"
    taken = taskyard("claim", first, "--user", "bob")
    assert (taken.code, "ann has claimed it" in taken.err) == (2, True)
    table = taskyard.done("inbox", "--user", "ann", "--view", "claimed").out
    assert [line.split()[0] for line in table.splitlines()[1:]] == [first]
    refused = taskyard("complete", first, "--user", "ann", "--output", '{"ok": 1}')
    assert (refused.code, "ok" in refused.err) == (2, True)
    done = taskyard.done("complete", first, "--user", "ann", "--output", '{"ok": true}', "--comment", "fine", "--json")
    assert (done.json["status"], done.json["output"]) == ("COMPLETED", {"ok": True})
    ended = taskyard.done("inbox", "--user", "ann", "--view", "done", "--json").json
    assert [item["taskId"] for item in ended["items"]] == [first]
    taskyard.done("claim", second, "--user", "bob")
    taskyard.done("release", second, "--user", "bob")
    taskyard.done("claim", second, "--user", "bob")
    assert taskyard.done("reject", second, "--reason", "no", "--user", "bob").out == f"{second} approve is FAILED\n"
    assert "nothing to do" in taskyard.done("inbox", "--user", "bob").err
    assert "there is no task" in taskyard("claim", "x").err
