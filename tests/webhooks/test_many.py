"""Many events to a receiver that fails now and then: none is missing by its own count, each task's come in order."""

import asyncio
from pathlib import Path

from taskyard import Taskyard
from taskyard.domain.webhook import SCHEDULE, Status
from taskyard.settings import load
from taskyard.testing.clock import ManualClock
from tests.webhooks.counting import counting
from tests.webhooks.post import Post

EVENTS = 10_000


async def test_no_event_is_missing_and_each_tasks_come_in_order(tmp_path: Path) -> None:
    clock = ManualClock()
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(tmp_path), TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
    async with (
        counting(failing=0.05, seed=23) as receiver,
        Taskyard(f"sqlite:///{tmp_path / 'tasks.db'}", settings=settings, clock=clock) as yard,
    ):
        post = await Post.on(yard, clock)
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}", maxConcurrent=16)
        tasks = await post.start(EVENTS // 2)
        await asyncio.gather(*(post.end(task_id) for task_id in tasks))
        await post.plan()
        await post.send(110)
        for wait in SCHEDULE[1:]:
            await post.pass_time(wait)
            await post.pass_time(wait)
        rows = await post.deliveries(endpoint=row.id)
        await post.dispatcher.stop()
    assert len(rows) == EVENTS
    assert {each.status for each in rows} == {Status.DELIVERED}
    assert len(receiver.ids) == EVENTS
    assert receiver.asked > EVENTS * 1.03
    for task_id in tasks:
        taken = receiver.taken[str(task_id)]
        assert taken == sorted(taken)
        assert len(taken) == 2
