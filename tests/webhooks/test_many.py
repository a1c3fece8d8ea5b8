"""Many events to a receiver that fails now and then: none is missing by its own count, each task's come in order."""

import asyncio
from pathlib import Path

from taskyard import Taskyard
from taskyard.contracts.webhooks import DeliveryRow
from taskyard.domain.webhook import SCHEDULE, Status
from taskyard.settings import load
from taskyard.testing.clock import ManualClock
from tests.webhooks.counting import Counting, counting
from tests.webhooks.post import Post

EVENTS = 10_000
AT_ONCE = 10_000


async def send_many(folder: Path, events: int, patience: float) -> tuple[Counting, list[DeliveryRow]]:
    """Send so many events, two a task, to a receiver that fails at 5 % of them, and let the schedule's time pass; the
    receiver, and what became of the deliveries. `patience`: seconds that sending what is due may take.
    """
    clock = ManualClock()
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(folder), TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
    async with (
        counting(failing=0.05, seed=23) as receiver,
        Taskyard(f"sqlite:///{folder / 'tasks.db'}", settings=settings, clock=clock) as yard,
    ):
        post = await Post.on(yard, clock)
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}", maxConcurrent=16)
        tasks = [id_ for _ in range(0, events, AT_ONCE) for id_ in await post.start(min(events, AT_ONCE) // 2)]
        for start in range(0, len(tasks), AT_ONCE):
            await asyncio.gather(*(post.end(task_id) for task_id in tasks[start : start + AT_ONCE]))
        await post.plan()
        await post.send(patience)
        for wait in SCHEDULE[1:]:
            await post.pass_time(wait, patience)
            await post.pass_time(wait, patience)
        rows = await post.deliveries(endpoint=row.id)
        await post.dispatcher.stop()
    return receiver, rows


async def test_no_event_is_missing_and_each_tasks_come_in_order(tmp_path: Path) -> None:
    receiver, rows = await send_many(tmp_path, EVENTS, 110)
    assert len(rows) == EVENTS
    assert {each.status for each in rows} == {Status.DELIVERED}
    assert len(receiver.ids) == EVENTS
    assert receiver.asked > EVENTS * 1.03
    assert len(receiver.taken) == EVENTS // 2
    for taken in receiver.taken.values():
        assert taken == sorted(taken)
        assert len(taken) == 2
