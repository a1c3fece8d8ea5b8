"""Keys: how many with the same concurrency key run at once, and how places are shared out between fairness keys."""

import asyncio
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.domain.definition import Definition
from taskyard.engine.define import check_definition
from taskyard.engine.why import why
from taskyard.errors import ValidationFailed
from tests.stories.test_limits import Meter
from tests.support import eventually


async def is_running(run: Any) -> bool:
    return (await run.refresh()).status == "RUNNING"


# ---- concurrency keys


async def test_an_expression_finds_the_key_in_the_input(yard: Taskyard) -> None:
    meter = Meter()

    async def job(customer: dict[str, Any]) -> None:
        await meter.stay(f"customer {customer['id']}")
        await meter.stay("all")

    yard.register("job", job, concurrency_key="customer.id", max_concurrent=2)
    async with yard.worker(concurrency=20):
        inputs = [{"customer": {"id": n % 4}} for n in range(60)]
        await yard.run_many("job", inputs)
    assert {meter.most[f"customer {n}"] for n in range(4)} == {2}
    assert meter.most["all"] > 2


async def test_one_at_a_time_where_the_definition_does_not_say_how_many(yard: Taskyard) -> None:
    meter = Meter()

    async def job(order: str) -> None:
        await meter.stay(order)

    yard.register("job", job, concurrency_key="order")
    async with yard.worker(concurrency=10):
        await yard.run_many("job", [{"order": "ab"[n % 2]} for n in range(20)])
    assert (meter.most["a"], meter.most["b"]) == (1, 1)


async def test_the_requests_own_key_goes_before_the_expression(yard: Taskyard) -> None:
    release = asyncio.Event()

    async def job(order: str) -> None:
        await release.wait()

    handle = yard.register("job", job, concurrency_key="order")
    async with yard.worker(concurrency=10):
        first = await handle.options(concurrency_key="mine").start(order="a")
        second = await handle.options(concurrency_key="mine").start(order="b")
        third = await handle.start(order="a")
        await eventually(lambda: is_running(first))
        await eventually(lambda: is_running(third))
        answer = await why(yard.engine, int(second.id))
        assert (
            answer["reason"] == f"the limit of 1 at once for the concurrency key 'mine' of 'job' is taken by {first.id}"
        )
        assert answer["slots"] == [{"key": "key:job:mine", "limit": 1, "taskIds": [first.id]}]
        assert answer["position"] == 1
        release.set()
        await second.result()


async def test_without_a_key_the_definitions_own_limit_holds(yard: Taskyard) -> None:
    meter = Meter()

    async def job(order: str | None = None) -> None:
        await meter.stay(order or "none")

    yard.register("job", job, concurrency_key="order", max_concurrent=3)
    async with yard.worker(concurrency=20):
        await yard.run_many("job", [{"order": None} if n % 2 else {"order": ""} for n in range(40)])
    assert meter.most["none"] == 3


async def test_keys_of_any_kind_and_length(yard: Taskyard) -> None:
    async def job(value: Any) -> None: ...

    yard.register("job", job, concurrency_key="value")
    async with yard.worker(concurrency=5):
        values = [1, 1.5, True, [1, "two"], {"b": 1, "a": 2}, "x" * 100_000, "ü" * 200, "a:b:c"]
        await yard.run_many("job", [{"value": value} for value in values * 2])
        await yard.run("job", {"value": 1}, concurrency_key="ü" * 255, fairness_key="ü" * 255)


@pytest.mark.parametrize("expression", ["", "customer.", "/customer/id", "a[?nothing(x)]", "[" * 5000])
def test_an_expression_that_is_none_is_refused(expression: str) -> None:
    definition = Definition("job", implementation={"kind": "function", "name": "job"}, concurrency_key=expression)
    with pytest.raises(ValidationFailed) as caught:
        check_definition(definition)
    assert caught.value.details[0]["path"] == "/concurrencyKey"


async def test_an_input_that_the_expression_cannot_take_is_refused(yard: Taskyard) -> None:
    async def job(parts: Any) -> None: ...

    yard.register("job", job, concurrency_key="join('-', parts)")
    async with yard:
        await yard.start("job", {"parts": ["a", "b"]})
        with pytest.raises(ValidationFailed) as caught:
            await yard.start("job", {"parts": 5})
        assert caught.value.details[0]["path"] == "/input"


# ---- fairness keys


class Log:
    """A handler that waits until it is let go, and the order in which its tasks began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gate = asyncio.Semaphore(0)

    async def job(self, key: str) -> None:
        self.begun.append(key)
        await self.gate.acquire()


async def start(yard: Taskyard, key: str, count: int = 1, **options: Any) -> list[Any]:
    return await yard.start_many("job", [{"key": key}] * count, fairness_key=key, **options)


async def test_one_task_does_not_wait_for_a_flood(yard: Taskyard) -> None:
    log = Log()
    yard.register("job", log.job)
    async with yard.worker(concurrency=4):
        flood = await start(yard, "flood", 100)
        await eventually(lambda: len(log.begun) == 4)
        (late,) = await start(yard, "late")
        for _ in range(8):
            log.gate.release()
        await late.result()
        assert log.begun.index("late") < 8
        for _ in flood:
            log.gate.release()
        for run in flood:
            await run.result()


async def test_running_work_counts(yard: Taskyard) -> None:
    log = Log()
    yard.register("job", log.job)
    async with yard.worker(concurrency=4):
        filler = await start(yard, "filler", 6)
        await eventually(lambda: len(log.begun) == 4)
        runs = [*await start(yard, "a", 20), *await start(yard, "b", 20), *await start(yard, "c", 20)]
        for _ in filler:
            log.gate.release()
        await eventually(lambda: len(log.begun) == 6 + 4)
        assert sorted(log.begun[6:9]) == ["a", "b", "c"]
        for _ in runs:
            log.gate.release()
        for run in runs:
            await run.result()
        assert all(sorted(log.begun[n : n + 3]) == ["a", "b", "c"] for n in range(6, 60, 3))


async def test_critical_goes_first_within_a_key(yard: Taskyard) -> None:
    log = Log()

    async def job(key: str, name: str) -> None:
        await log.job(name)

    yard.register("job", job)
    async with yard:
        for priority in ("LOW", "MEDIUM", "CRITICAL"):
            for number in range(3):
                value = {"key": "a", "name": f"{priority} {number}"}
                await yard.start("job", value, fairness_key="a", priority=priority)
        async with yard.worker(concurrency=1):
            for _ in range(9):
                log.gate.release()
            await eventually(lambda: len(log.begun) == 9)
    in_hand = {"LOW 0", "LOW 1"}  # admitted when nobody else had come
    order = [name.partition(" ")[0] for name in log.begun if name not in in_hand]
    assert order == ["CRITICAL"] * 3 + ["MEDIUM"] * 3 + ["LOW"]


async def test_fair_and_limited(yard: Taskyard) -> None:
    meter, begun = Meter(), []

    async def job(key: str) -> None:
        begun.append(key)
        await meter.stay("all")

    yard.register("job", job, max_concurrent=2)
    async with yard:
        runs = [*await start(yard, "a", 30), *await start(yard, "b", 10)]
        async with yard.worker(concurrency=8):
            for run in runs:
                await run.result()
    assert meter.most["all"] == 2
    assert begun[:20].count("b") >= 8


async def test_fair_and_one_at_a_time_for_each_order(yard: Taskyard) -> None:
    meter = Meter()

    async def job(key: str, order: int) -> None:
        await meter.stay(f"{key} {order}", 0.001)

    yard.register("job", job, concurrency_key="join('/', [key, to_string(order)])")
    async with yard.worker(concurrency=8):
        inputs: list[dict[str, Any]] = [{"key": "abc"[n % 3], "order": n % 7} for n in range(120)]
        runs = [await yard.start("job", value, fairness_key=value["key"]) for value in inputs]
        for run in runs:
            await run.result()
    assert set(meter.most.values()) == {1}
    assert len(meter.most) == 21


async def test_why_tells_how_the_places_are_shared_out(yard: Taskyard) -> None:
    log = Log()
    yard.register("job", log.job)
    async with yard.worker(concurrency=2):
        flood = await start(yard, "flood", 10)
        await eventually(lambda: len(log.begun) == 2)
        late = await start(yard, "late", 2)
        last = await why(yard.engine, int(flood[-1].id))
        assert last["fairness"] == {"key": "flood", "running": 4, "othersRunning": 0, "ahead": 5, "keysWaiting": 2}
        assert last["position"] == 6
        first = await why(yard.engine, int(late[0].id))
        assert first["fairness"] == {"key": "late", "running": 0, "othersRunning": 4, "ahead": 0, "keysWaiting": 2}
        assert "0 tasks of 'late' and 4 of others" in first["reason"]
        for _ in range(12):
            log.gate.release()
        for run in flood + late:
            await run.result()


async def test_why_tells_of_the_limit_before_the_keys(yard: Taskyard) -> None:
    async def job(key: str) -> None: ...

    yard.register("job", job, max_concurrent=1)
    async with yard:
        first, second = await start(yard, "a", 2)
        answer = await why(yard.engine, int(second.id))
        assert answer["slots"] == [{"key": "definition:job", "limit": 1, "taskIds": [first.id]}]
        assert answer["fairness"]["ahead"] == 0
