"""The chain that seals the history of tasks: it shows what was changed, is missing, or was moved."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from taskyard import Context, Run, TaskFailed, Taskyard
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import EventType, State
from taskyard.domain.outcome import TaskError
from taskyard.domain.queue import TaskType
from taskyard.engine.audit import Chain, Verdict, head_of, verify
from taskyard.engine.define import define
from taskyard.engine.events import latest_position
from taskyard.engine.people import ending, verbs
from taskyard.engine.people.repair import rerun
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.security.caller import LOCAL, Caller
from taskyard.settings import Settings
from taskyard.store.sqlite import SqliteStore
from taskyard.testing.clock import ManualClock
from tests.support import eventually

KEY = b"k" * 32
DAY_US = 86_400 * 1_000_000
ANN = Caller("ann", frozenset({"tasks:manual"}), frozenset({"ops"}))


async def tamper(yard: Taskyard, statement: str) -> None:
    """Change the database behind everybody's back."""
    url = yard.app.settings["TASKYARD_DATABASE_URL"]
    if isinstance(yard.engine.store, SqliteStore):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute(statement.replace("taskyard.", ""))
            connection.commit()
        return
    other = await asyncpg.connect(url)
    try:
        await other.execute(statement)
    finally:
        await other.close()


async def history(yard: Taskyard) -> int:
    """A task that a person has claimed, commented on, failed, and that was done after a requeue; all of it sealed."""
    spec = {"kind": "manual", "assignment": {"type": "GROUP", "id": "ops"}}
    await define(yard.engine, [Definition(key="decide", task_type=TaskType.MANUAL, implementation=spec)])
    task_id = (await submit(yard.engine, TaskRequest(task_definition_id="decide", input={"sum": 7}), LOCAL)).id
    await handed(yard, task_id)
    await verbs.claim(yard.engine, ANN, task_id)
    await verbs.comment(yard.engine, ANN, task_id, "looks fine")
    await ending.reject(yard.engine, ANN, task_id, TaskError("REJECTED", "no", retryable=False))
    await seal(yard)
    await yard.engine.store.requeue([task_id], "ann", "another sum", b'{"sum":8}')
    await handed(yard, task_id)
    await verbs.claim(yard.engine, ANN, task_id)
    await ending.complete(yard.engine, ANN, task_id, {"ok": True}, comment="now it is")
    await seal(yard)
    return task_id


async def handed(yard: Taskyard, task_id: int) -> None:
    async def is_open() -> bool:
        return (await get_task(yard.engine, task_id)).status is State.ASSIGNED

    await eventually(is_open)


async def seal(yard: Taskyard) -> None:
    await latest_position(yard.engine)
    await Chain(yard.engine, KEY).turn()


async def look(yard: Taskyard, expected: str | None = None, days: int = 30) -> Verdict:
    return await verify(yard.engine, KEY, days * DAY_US, expected)


async def test_what_was_not_touched_is_as_it_was_sealed(yard: Taskyard) -> None:
    async with yard.worker():
        assert (await look(yard)).entries == 0
        await history(yard)
        verdict = await look(yard)
        assert (verdict.findings, verdict.forgotten) == ([], 0)
        assert verdict.entries >= 11
        first = (await yard.engine.store.audit_rows(0, 1))[0]
        assert (await look(yard, head_of(first))).findings == []
        await history(yard)
        assert (await look(yard, verdict.head)).findings == []
        another = await verify(yard.engine, b"x" * 32, 30 * DAY_US)
        known = await verify(yard.engine, b"x" * 32, 30 * DAY_US, former=[KEY])
        assert not known.findings
        assert len(another.findings) == another.entries


async def test_tasks_of_every_fate_are_as_they_were_sealed(yard: Taskyard) -> None:
    """Sealed while they go on, and looked at again when they have ended."""
    go_on = asyncio.Event()

    @yard.task(retry={"maxRetries": 1, "initialDelay": 0.01, "jitter": 0})
    async def flaky(ctx: Context, fails: int) -> int:
        await ctx.emit("tried", {"attempt": ctx.attempt})
        await go_on.wait()
        if ctx.attempt <= fails:
            raise ValueError("not yet")
        return ctx.attempt

    @yard.task(fallback={"spare": True}, retry=0)
    async def spare() -> None:
        raise ValueError("never")

    @yard.task
    async def parent(ctx: Context) -> int:
        return int(await ctx.run(flaky, {"fails": 0}))

    mended = yard.register("mended", fail_at_zero, retry=0, repair={"assignment": {"type": "USER", "id": "ann"}})

    async with yard.worker(concurrency=8):
        repaired = await mended.start(number=0)
        await handed(yard, int(repaired.id))
        await seal(yard)
        await rerun(yard.engine, ANN, int(repaired.id), {"number": 1}, "a typing error")
        assert await repaired.result() == 1
        runs: list[Run[Any]] = [await flaky.start(fails=0), await flaky.start(fails=1), await flaky.start(fails=9)]
        runs += [await spare.start(), await parent.start(), await flaky.options(delay=3600).start(fails=0)]
        cancelled = await flaky.start(fails=0)
        await eventually(lambda: _tried(yard, 4))
        await seal(yard)
        await cancelled.cancel()
        await runs[-1].cancel()
        go_on.set()
        for run in runs[:5]:
            with contextlib.suppress(TaskFailed):
                await run.result()
        await seal(yard)
        await yard.engine.store.discard([int(runs[2].id)], "ann", "no more")
        await seal(yard)
        verdict = await look(yard)
        assert verdict.findings == []
        assert verdict.entries >= 25
        await strike_out(yard)
        assert {finding.task_id for finding in (await look(yard)).findings} == {repaired.id}


async def fail_at_zero(number: int) -> int:
    return number // number


async def _tried(yard: Taskyard, count: int) -> bool:
    rows = await yard.engine.store.feed(0, 1000)
    return sum(len(row.task_ids) for row in rows if row.type is EventType.EMITTED) >= count


TAMPERINGS: dict[str, tuple[str, str]] = {
    "a comment": ("UPDATE taskyard.note SET body = @another WHERE type = 14", "changed"),
    "who claimed": ("UPDATE taskyard.note SET at = at + 1 WHERE type = 11", "changed"),
    "a result": ("UPDATE taskyard.attempt SET result = '{}' WHERE outcome = 1", "changed"),
    "when it ended": ("UPDATE taskyard.attempt SET finished_at = finished_at - 1 WHERE outcome = 2", "changed"),
    "what was asked for": ("UPDATE taskyard.task SET workflow_id = 'another'", "changed"),
    "a note that is gone": ("DELETE FROM taskyard.note WHERE type = 14", "missing"),
    "a note that cannot be read": ("UPDATE taskyard.note SET body = 'no JSON' WHERE type = 14", "changed"),
    "an entry's type": ("UPDATE taskyard.audit SET type = 99 WHERE number = 3", "moved"),
    "a task that is gone": ("DELETE FROM taskyard.task", "missing"),
    "an entry": ("UPDATE taskyard.audit SET task_id = task_id + 1 WHERE number = 3", "moved"),
    "an entry's time": ("UPDATE taskyard.audit SET at = at + 1 WHERE number = 3", "moved"),
    "an entry that is gone": ("DELETE FROM taskyard.audit WHERE number = 3", "missing"),
    "entries that are exchanged": ("", "moved"),
    "who corrected the input": ("", "changed"),
    "the end": ("DELETE FROM taskyard.audit WHERE number > 8", "missing"),
    "all": ("DELETE FROM taskyard.audit", "missing"),
}  # fmt: skip


TABLES = ("note", "attempt", "task", "audit", "reader")


async def test_what_was_changed_is_found(yard: Taskyard) -> None:
    async with yard.worker():
        await history(yard)
    async with yard:
        for table in TABLES:
            await tamper(yard, f"CREATE TABLE taskyard.kept_{table} AS SELECT * FROM taskyard.{table}")
        for what, (statement, problem) in TAMPERINGS.items():
            if what in BY_HAND:
                await BY_HAND[what](yard)
            else:
                await tamper(yard, statement.replace("@another", f"'{ANOTHER}'"))
            assert problem in {finding.problem for finding in (await look(yard)).findings}, what
            for table in TABLES:
                await tamper(yard, f"DELETE FROM taskyard.{table}")
                await tamper(yard, f"INSERT INTO taskyard.{table} SELECT * FROM taskyard.kept_{table}")
            assert (await look(yard)).findings == [], what


ANOTHER = '{"by":"ann","text":"looks bad"}'


async def exchange(yard: Taskyard) -> None:
    """Let the third entry and the fourth change their places."""
    for before, after in ((3, -3), (4, 3), (-3, 4)):
        await tamper(yard, f"UPDATE taskyard.audit SET number = {after} WHERE number = {before}")


async def strike_out(yard: Taskyard) -> None:
    """Have nobody behind a task for having corrected its input."""
    struck = """replace({}, '"correctors":["ann"]', '"correctors":[]')"""
    if isinstance(yard.engine.store, SqliteStore):
        changed = f"CAST({struck.format('CAST(extra AS TEXT)')} AS BLOB)"
    else:
        text = "convert_from(extra, 'UTF8')"
        changed = f"convert_to({struck.format(text)}, 'UTF8')"
    await tamper(yard, f"UPDATE taskyard.task SET extra = {changed}")


BY_HAND = {"entries that are exchanged": exchange, "who corrected the input": strike_out}


async def test_a_chain_that_ends_sooner_is_told_by_a_head_that_was_noted(yard: Taskyard) -> None:
    async with yard.worker():
        await history(yard)
        noted = (await look(yard)).head
        await tamper(yard, "DELETE FROM taskyard.audit WHERE number > 8")
        await tamper(
            yard, "UPDATE taskyard.reader SET pos = (SELECT max(pos) FROM taskyard.audit) WHERE name = 'audit'"
        )
        assert (await look(yard)).findings == []
        assert [finding.problem for finding in (await look(yard, noted)).findings] == ["missing"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_tasks_that_are_over_may_be_forgotten(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with yard.worker():
        await history(yard)
        clock.move(2 * 86_400)
        later = clock.now() - DAY_US
        await yard.engine.store.prune(later)
        verdict = await look(yard, days=1)
        assert verdict.findings == []
        assert verdict.forgotten == verdict.entries > 0
        assert {finding.problem for finding in (await look(yard, days=30)).findings} == {"missing"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_sealed_late_is_forgotten_by_when_it_happened(
    yard_by_hand: Taskyard, clock: ManualClock
) -> None:
    yard = yard_by_hand

    @yard.task
    async def done() -> None: ...

    async with yard.worker():
        await (await done.start()).result()
        clock.move(20 * 86_400)
        await seal(yard)
        assert (await look(yard)).entries > 0
        clock.move(15 * 86_400)
        await yard.engine.store.prune(clock.now() - 30 * DAY_US)
        verdict = await look(yard)
        assert verdict.findings == []
        assert verdict.forgotten == verdict.entries > 0


async def test_many_machines_seal_each_event_once(
    settings: Settings, another_yard: Callable[[], Taskyard], yard: Taskyard
) -> None:
    del settings
    async with yard.worker(), another_yard() as other:
        await history(yard)
        await seal(other)
        await seal(yard)
        rows = await yard.engine.store.audit_rows(0, 1000)
        assert len({(row.task_id, row.sequence, row.type) for row in rows}) == len(rows)
        assert (await look(other)).findings == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_off_it_keeps_nothing(yard: Taskyard) -> None:
    async with yard.worker(), yard.app.keeping():
        submitted: Any = await submit(yard.engine, TaskRequest(task_definition_id=await nothing(yard)), LOCAL)

        async def is_done() -> bool:
            return (await get_task(yard.engine, submitted.id)).status is State.ASSIGNED

        await eventually(is_done)
        assert await yard.engine.store.audit_head() is None
        assert await yard.engine.store.reader_position("audit") is None


async def nothing(yard: Taskyard) -> str:
    spec = {"kind": "manual"}
    await define(yard.engine, [Definition(key="nothing", task_type=TaskType.MANUAL, implementation=spec)])
    return "nothing"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_on_it_seals_what_happens(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASKYARD_AUDIT_CHAIN=True))
    async with yard.worker(), yard.app.keeping():
        await submit(yard.engine, TaskRequest(task_definition_id=await nothing(yard)), LOCAL)

        async def is_sealed() -> bool:
            head = await yard.engine.store.audit_head()
            return head is not None and head.number >= 3

        await eventually(is_sealed)
