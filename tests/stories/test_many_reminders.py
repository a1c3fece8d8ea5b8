"""Very many reminders in the same minute: each goes out once, also when those who send them are killed meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import EventType, State
from taskyard.domain.people.assignment import Person
from taskyard.domain.people.preferences import Preferences
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from taskyard.engine.own import NOTIFY
from taskyard.engine.request import Assignee, TaskRequest
from taskyard.engine.submit import submit_many
from taskyard.security.caller import LOCAL
from taskyard.settings import Settings
from tests.servers.post import Post, post_office
from tests.stories.processes import SUPERVISED, Plant
from tests.support import eventually

PEOPLE = 50
TELLER = [sys.executable, "-m", "tests.stories.teller"]
IN_HAND = 2 * (4 + 16)
"""How many messages two workers may have handed over and not yet kept word of: those that run, and those that ended in
the last moment before a commit.
"""


async def hand_over(plant: Plant, count: int) -> None:
    """Manual tasks of many people, all of whose reminders are due by now."""
    engine = plant.yard.engine
    for number in range(PEOPLE):
        await engine.store.save_person(Person(f"p{number}", email=f"p{number}@example.com"))
        await engine.store.save_preferences(f"p{number}", Preferences(mute=["assigned"]))
    due = datetime.now(UTC) + timedelta(hours=1)
    spec = {"kind": "manual", "due": {"at": due.isoformat()}, "reminders": [{"before": 3600.0}]}
    await define(engine, [Definition(key="pay", task_type=TaskType.MANUAL, implementation=spec)])
    requests = [
        TaskRequest(task_definition_id="pay", assignee=Assignee("USER", f"p{number % PEOPLE}"))
        for number in range(count)
    ]
    for start in range(0, count, 1000):
        await submit_many(engine, requests[start : start + 1000], LOCAL)

    async def are_open() -> bool:
        return (await engine.work.figures())["work"][0]["open"] == count if await any_open() else False

    async def any_open() -> bool:
        return bool(await engine.store.workloads(0))

    await eventually(are_open, within=120)


async def remind(plant: Plant, post: Post, count: int) -> float:
    """Have all reminded while a worker and a teller are killed; how many seconds it takes."""
    settings = {"TASKYARD_SMTP_URL": post.url, "TASKYARD_MAIL_FROM": "tasks@example.com"}
    with plant.worker([*SUPERVISED, "--processes", "2"], **settings):
        victim, _ = await plant.pids(2, within=600)  # the limit is the test's
        await hand_over(plant, count)
        began = time.monotonic()
        with plant.worker(TELLER, **settings) as first, plant.worker(TELLER, **settings):
            await eventually(lambda: len(post.letters) > count // 10, within=120)
            first.kill()
            os.kill(victim, signal.SIGKILL)
            await eventually(lambda: len(post.ids) >= count, within=600)
            took = time.monotonic() - began
            await eventually(lambda: all_carried(plant, count), within=60)
    return took


async def all_carried(plant: Plant, count: int) -> bool:
    store = plant.yard.engine.store
    kinds = tuple(kind.id for kind in await store.versions(NOTIFY.key))
    states = {state: number for kind, state, number in await store.counts(0) if kind in kinds}
    return states == {State.COMPLETED: count}


async def check(plant: Plant, post: Post, count: int) -> None:
    """Each task has one reminder, each reminder one notice, each notice one message."""
    store = plant.yard.engine.store
    page = await store.find(Filter(status=frozenset({State.ASSIGNED})), count + 1, None)
    assert len(page.ids) == count
    for start in range(0, count, 500):
        notes = await store.notes(page.ids[start : start + 500])
        reminded = Counter(note.task_id for note in notes if note.type is EventType.REMINDER)
        assert set(reminded.values()) == {1}
        assert len(reminded) == len(page.ids[start : start + 500])
    told: list[int] = []
    for number in range(PEOPLE):
        rows = await store.notices(f"p{number}", count, None, unread=False)
        told += [row.task_id for row in rows if row.kind == "reminder"]
    assert sorted(told) == sorted(page.ids)
    assert len(post.ids) == count
    assert post.ids.total() - count <= IN_HAND


@pytest.fixture
async def plant(settings: Settings, database_url: str, tmp_path: Path) -> AsyncIterator[Plant]:
    yard = Taskyard(settings=settings)
    async with yard:
        yield Plant(yard, database_url, tmp_path)


async def test_reminders_go_out_once_each(plant: Plant) -> None:
    async with post_office() as post:
        await remind(plant, post, 150)
        await check(plant, post, 150)


@pytest.mark.real
@pytest.mark.timeout(900)
async def test_ten_thousand_reminders_go_out_once_each(
    plant: Plant, record_property: Callable[[str, object], None]
) -> None:
    async with post_office() as post:
        record_property("seconds", await remind(plant, post, 10_000))
        await check(plant, post, 10_000)
        record_property("messages twice", len(post.letters) - 10_000)
