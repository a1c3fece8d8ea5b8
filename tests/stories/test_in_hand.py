"""What a worker has in hand is not forgotten when the store refuses what it needs for it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import WorkerInfo
from taskyard.contracts.store import Store
from taskyard.domain.lifecycle import Outcome
from taskyard.errors import Overloaded
from taskyard.runtime.worker import Worker
from tests.support import eventually


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.runtime.insistence.APART", 0.05)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Store, str, int], list[str]]:
    """Have a store refuse a verb so often from now on; the refusals made."""

    def refuse(store: Store, verb: str, times: int) -> list[str]:
        real, refusals = getattr(store, verb), list[str]()

        async def refusing(*args: Any, **more: Any) -> Any:
            if len(refusals) < times:
                refusals.append(verb)
                raise Overloaded("the database is away")
            return await real(*args, **more)

        monkeypatch.setattr(store, verb, refusing)
        return refusals

    return refuse


async def test_a_retry_waits_for_its_lane(yard: Taskyard, refuse: Callable[..., list[str]]) -> None:
    refusals: list[list[str]] = []

    @yard.task(retry={"maxRetries": 1, "initialDelay": 0})
    async def job() -> int:
        if not refusals:
            refusals.append(refuse(yard.engine.store, "lanes", 2))
            raise RuntimeError("once")
        return 1

    async with yard.worker():
        run = await job.start()
        assert await asyncio.wait_for(run.result(), 60) == 1
        assert await asyncio.wait_for(job.run(), 60) == 1
    assert refusals == [["lanes", "lanes"]]


async def test_claimed_tasks_wait_for_what_is_known_of_them(
    yard: Taskyard, another_yard: Callable[[], Taskyard], refuse: Callable[..., list[str]]
) -> None:
    @yard.task
    async def job() -> int:
        return 1

    other = another_yard()
    other.registry.add(next(iter(yard.registry)))
    async with yard.worker(), other:
        refusals = refuse(yard.engine.store, "policies_by_id", 2)
        run = await other.start("job", {}, execution_config={"timeout": 7})
        assert await asyncio.wait_for(run.result(), 60) == 1
    assert refusals == ["policies_by_id"] * 2


async def test_what_comes_while_the_worker_stops_goes_back_without_a_loss(
    yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    leased, stopping, ran, real = asyncio.Event(), asyncio.Event(), [], Worker.stop

    async def stop(worker: Worker) -> None:
        asyncio.get_running_loop().call_soon(stopping.set)  # when it has begun
        await real(worker)

    @yard.task
    async def job() -> None:
        ran.append(1)

    async with yard:
        async with yard.worker():
            store, claim = yard.engine.store, yard.engine.store.claim

            async def slowly(*args: Any, **more: Any) -> Any:
                lease = await claim(*args, **more)
                if lease is not None:
                    leased.set()
                    await stopping.wait()
                return lease

            monkeypatch.setattr(store, "claim", slowly)
            monkeypatch.setattr(Worker, "stop", stop)
            run = await job.start()
            await leased.wait()
        assert (await run.refresh()).status == "PENDING"
        (attempt,) = await store.attempts(int(run.id))
    assert (attempt.outcome, ran) == (Outcome.RELEASED, [])


async def test_a_worker_that_was_given_up_registers_until_it_is_let_in(
    yard: Taskyard, refuse: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.runtime.heart.BEAT_SECONDS", 0.05)

    @yard.task
    async def job() -> int:
        return 1

    async with yard.worker():
        store = yard.engine.store
        (worker,) = await store.workers()
        refusals = refuse(store, "register", 3)
        await store.bury(worker.id, [])
        await eventually(lambda: len(refusals) == 3)
        assert await asyncio.wait_for(job.run(), 60) == 1
        (again,) = await eventually(store.workers)
        assert again.id != worker.id


async def test_a_beat_of_who_a_worker_was_that_is_answered_late_gives_up_nobody(
    yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.runtime.heart.BEAT_SECONDS", 0.05)
    late, lives = asyncio.Event(), asyncio.Event()
    answered = threading.Event()
    loop = asyncio.get_running_loop()
    refusals: list[int] = []

    async with yard.worker():
        store = yard.engine.store
        register, beat = store.register, type(store).beat

        async def register_late(worker: WorkerInfo) -> int:
            await late.wait()
            id_ = await register(worker)
            loop.call_soon(answered.set)
            return id_

        async def beat_late(self: Store, worker_id: int, *of: Any) -> bool:
            if await beat(self, worker_id, *of):
                loop.call_soon_threadsafe(lives.set)
                return True
            refusals.append(worker_id)
            if len(refusals) == 2:
                loop.call_soon_threadsafe(late.set)
                answered.wait(20)
            return False

        monkeypatch.setattr(store, "register", register_late)
        monkeypatch.setattr(type(store), "beat", beat_late)
        (worker,) = await store.workers()
        await store.bury(worker.id, [])
        await late.wait()
        lives.clear()
        await lives.wait()
        (again,) = await store.workers()
    assert refusals == [worker.id] * 2
    assert again.id != worker.id
