"""What is limited when it is claimed: rates, ceilings of task types, paused queues."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from taskyard import Context, Taskyard
from taskyard.domain.definition import Definition
from taskyard.domain.queue import LaneKey, Queue, TaskType
from taskyard.engine.define import define
from taskyard.engine.gates import Gatekeeper
from taskyard.engine.metrics import queue_figures
from taskyard.engine.query import get_task
from taskyard.engine.why import why
from taskyard.errors import ValidationFailed
from taskyard.runtime.cells import Cells
from taskyard.settings import Settings
from taskyard.testing.clock import ManualClock
from tests.stories.test_limits import Meter
from tests.support import eventually

AUTOMATED = "task-execution-automated"


async def is_(run: Any, status: str) -> bool:
    """Whether a run is in this state."""
    return (await run.refresh()).status == status


async def figures(yard: Taskyard, queue: str = AUTOMATED) -> dict[str, Any]:
    """A queue's figures."""
    return next(each for each in await queue_figures(yard.engine) if each["name"] == queue)


class CountingStore:
    """A store that counts the claims through gates."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.claims = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim_gated(self, *wanted: Any) -> Any:
        self.claims += 1
        return await self._store.claim_gated(*wanted)


async def test_a_rate_holds_over_all_workers(settings: Settings) -> None:
    yards = [Taskyard(settings=settings) for _ in range(2)]

    async def limited() -> None: ...

    for yard in yards:
        yard.register("limited", limited, rate_limit="50/s")
    one, two = yards
    async with one.worker(concurrency=8), two.worker(concurrency=8):
        runs = await one.start_many("limited", [{}] * 120)
        for run in runs:
            await run.result()
    async with one:
        times = [(await get_task(one.engine, int(run.id))).start_time for run in runs]
    starts = sorted(time for time in times if time)
    assert len(starts) == 120
    for first, begin in enumerate(starts):
        for last in range(first, len(starts)):
            spell = (starts[last] - begin).total_seconds() + 0.001  # told to the millisecond
            assert last - first + 1 <= 50 + spell * 50


async def test_a_claimer_asks_no_gate_that_it_knows_to_be_shut(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    async with yard_by_hand as yard:
        await define(yard.engine, [Definition(key="hourly", implementation={"kind": "external"}, rate_limit="5/h")])
        await yard.start_many("hourly", [{}] * 3)
        store = CountingStore(yard.engine.store)
        gates = Gatekeeper(store, yard.engine.catalog, yard.engine.connections, {}, yard.engine.limits.head_starts)
        lane = LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "hourly", 2, solo=False)
        lanes = await gates.sort({await yard.engine.catalog.lane_id(lane): lane})
        for asked in (1, 1, 1):
            await gates.claim(1, lanes, 5)
            assert store.claims == asked
        assert await gates.opens_in() == 720
        clock.move(720)
        lease = await gates.claim(1, lanes, 5)
        assert lease is not None
        assert (len(lease.tasks), store.claims) == (1, 2)


async def test_another_rate_takes_effect_with_its_version_for_those_who_wait(yard: Taskyard) -> None:
    yard.register("job", _nothing, rate_limit="1/h")
    async with yard.worker():
        runs = await yard.start_many("job", [{}] * 5)
        await eventually(lambda: is_(runs[0], "COMPLETED"))
        assert "may start 1/h" in (await why(yard.engine, int(runs[4].id)))["reason"]
        kind = (await yard.engine.catalog.current("job")).kind
        await define(yard.engine, [msgspec.structs.replace(kind.definition, rate_limit="1000/s")])
        for run in runs:
            await run.result()


async def _nothing() -> None: ...


@pytest.mark.parametrize("text", ["10", "10/week", "0/s", "fast"])
async def test_a_rate_that_is_none_is_refused_when_it_is_defined(yard: Taskyard, text: str) -> None:
    async with yard:
        with pytest.raises(ValidationFailed) as refused:
            await define(yard.engine, [Definition(key="job", implementation={"kind": "external"}, rate_limit=text)])
    assert [(each["path"], each["keyword"]) for each in refused.value.details] == [("/rateLimit", "pattern")]
    assert "such as 10/s" in refused.value.message


async def test_why_tells_the_rate_and_when_the_next_may_start(yard: Taskyard) -> None:
    yard.register("job", _nothing, rate_limit="1/h")
    async with yard.worker():
        first = await yard.start("job")
        await first.result()
        waiting = [await yard.start("job") for _ in range(2)]
        answer = await why(yard.engine, int(waiting[1].id))
    assert answer["rateLimit"]["rate"] == "1/h"
    assert answer["rateLimit"]["nextStart"] in answer["reason"]
    assert (answer["position"], answer["workers"]) == (2, 1)
    assert "number 2" in answer["reason"]


async def test_a_ceiling_holds_over_all_workers_and_definitions(settings: Settings) -> None:
    meter = Meter()

    async def job(number: int) -> None:
        await meter.stay("all")

    yards = [Taskyard(settings=settings.with_values(TASK_MAX_CONCURRENT_AUTOMATED=3)) for _ in range(2)]
    for yard in yards:
        yard.register("one", job)
        yard.register("other", job, rate_limit="1000/s")
    first, second = yards
    async with first.worker(concurrency=8), second.worker(concurrency=8):
        runs = await first.start_many("one", [{"number": n} for n in range(25)])
        runs += await second.start_many("other", [{"number": n} for n in range(25)])
        for run in runs:
            await run.result()
    assert meter.most["all"] == 3


async def test_why_and_the_queue_tell_of_a_ceiling(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASK_MAX_CONCURRENT_AUTOMATED=1))
    release = asyncio.Event()

    @yard.task
    async def job() -> None:
        await release.wait()

    async with yard.worker(concurrency=5):
        first, second = await job.start(), await job.start()
        await eventually(lambda: is_(first, "RUNNING"))
        answer = await why(yard.engine, int(second.id))
        assert answer["ceiling"] == {"taskType": "AUTOMATED", "limit": 1, "running": 1}
        assert answer["reason"] == "1 AUTOMATED tasks run and 1 may on all machines together"
        assert (await figures(yard))["slots"] == {"used": 1, "limit": 1}
        assert (await figures(yard, "task-execution-manual"))["slots"] == {"used": 0, "limit": None}
        release.set()
        await second.result()


async def test_a_parent_does_not_wait_for_ever_under_a_ceiling(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASK_MAX_CONCURRENT_AUTOMATED=1))

    @yard.task
    async def child(number: int) -> int:
        return number * 2

    @yard.task
    async def parent(ctx: Context, number: int) -> int:
        return await ctx.run(child, {"number": number}) + await ctx.run(child, {"number": number + 1})

    async with yard.worker(concurrency=4):
        runs = [await parent.start(number=number) for number in range(3)]
        assert [await run.result() for run in runs] == [2, 6, 10]


async def test_manual_tasks_under_a_ceiling_are_all_handed_over(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASK_MAX_CONCURRENT_MANUAL=1))
    async with yard.worker(concurrency=4):
        approve = Definition(key="approve", task_type=TaskType.MANUAL, implementation={"kind": "manual"})
        await define(yard.engine, [approve])
        runs = await yard.start_many("approve", [{}] * 6)
        for run in runs:
            await eventually(lambda run=run: is_(run, "ASSIGNED"))


async def test_a_pause_takes_back_what_has_not_begun(yard: Taskyard) -> None:
    hold, done = asyncio.Event(), []

    @yard.task
    async def job(number: int) -> None:
        done.append(number)

    @yard.task
    async def block() -> None:
        await hold.wait()

    async with yard, yard.app.keeping(), yard.app.working(slots=1, cells=Cells(1)):
        for run in await job.start_many([{"number": n} for n in range(200)]):
            await run.result()
        blocking = await block.start()
        await eventually(lambda: is_(blocking, "RUNNING"))
        ahead = await job.start_many([{"number": n} for n in range(200, 220)])
        await eventually(lambda: _in_flight(yard, more_than=1))
        await yard.engine.store.pause(Queue.AUTOMATED, True)
        await eventually(lambda: _in_flight(yard, more_than=0, at_most=1))
        hold.set()
        await blocking.result()
        assert {(await run.refresh()).status for run in ahead} == {"PENDING"}
        assert len(done) == 200
        await yard.engine.store.pause(Queue.AUTOMATED, False)
        for run in ahead:
            await run.result()
    assert done == list(range(220))


async def _in_flight(yard: Taskyard, more_than: int, at_most: int = 1000) -> bool:
    return more_than < (await figures(yard))["inFlight"] <= at_most


async def test_a_pause_stops_every_worker(settings: Settings, another_yard: Callable[[], Taskyard]) -> None:
    done: list[int] = []

    async def job(number: int) -> None:
        done.append(number)

    yards = [another_yard() for _ in range(2)]
    for yard in yards:
        yard.register("job", job)
    one, two = yards
    async with one.worker(), two.worker():
        await one.run("job", {"number": 0})
        await one.engine.store.pause(Queue.AUTOMATED, True)
        runs = await two.start_many("job", [{"number": n} for n in range(1, 11)])
        assert {(await why(one.engine, int(run.id)))["reason"] for run in runs} == {f"the queue {AUTOMATED} is paused"}
        assert done == [0]
        await two.engine.store.pause(Queue.AUTOMATED, False)
        for run in runs:
            await run.result()
    assert sorted(done) == list(range(11))
