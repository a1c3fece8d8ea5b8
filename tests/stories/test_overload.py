"""A queue that is full: who is refused, and when they are told to come back."""

import asyncio
from typing import Any, cast

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.queue import Queue
from taskyard.engine.depth import DepthGuard, drained_in
from taskyard.errors import Overloaded
from taskyard.settings import Settings


@pytest.mark.parametrize(
    ("count", "rate", "seconds"),
    [(10, 2.0, 5), (1, 1000.0, 1), (1, 0.0, 300), (100_000, 1.0, 300), (3, 0.5, 6), (600, 2.0, 300)],
)
def test_there_is_room_when_as_many_have_gone_within_bounds(count: int, rate: float, seconds: float) -> None:
    assert drained_in(count, rate) == seconds


async def test_retry_after_follows_from_what_the_queue_drained_lately(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASKYARD_MAX_DEPTH=40))

    @yard.task
    async def job() -> None: ...

    async with yard:
        await job.start_many([{}] * 40)
        with pytest.raises(Overloaded) as idle:
            await job.start()
    assert idle.value.retry_after == 300
    async with yard.worker():
        await asyncio.gather(*[(await yard.get(task)).result() for task in await _ids(yard)])
    async with yard:
        await job.start_many([{}] * 40)
        with pytest.raises(Overloaded) as busy:
            await job.start_many([{}] * 4)
    assert busy.value.retry_after == pytest.approx(6), "40 went in the last minute, so 4 go in 6 s"


async def _ids(yard: Taskyard) -> list[str]:
    page = await yard.engine.store.find(Filter(), 100, None)
    return [str(id_) for id_ in page.ids]


class CountingStore:
    """A store that counts how often it is asked for figures."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked = 0

    async def queues(self) -> Any:
        self.asked += 1
        return await self._store.queues()

    async def rates(self, seconds: int) -> Any:
        self.asked += 1
        return await self._store.rates(seconds)


async def test_those_who_are_refused_are_counted_for_together(yard: Taskyard) -> None:
    @yard.task
    async def job() -> None: ...

    async with yard:
        await job.start_many([{}] * 10)
        store = CountingStore(yard.engine.store)
        guard = DepthGuard(cast("Any", store), cap=10)
        answers = await asyncio.gather(*(guard.admit(Queue.AUTOMATED, 1) for _ in range(500)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {Overloaded}
        assert store.asked <= 4
        await yard.engine.store.claim(1, list(await yard.engine.catalog.all_lanes()), 3)
        for _ in range(3):
            await guard.admit(Queue.AUTOMATED, 1)
