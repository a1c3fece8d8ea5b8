"""The same request twice: idempotency keys and reuse."""

import asyncio
from typing import Any

import pytest

from taskyard import TaskFailed, Taskyard
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import Conflict
from taskyard.security.caller import Caller
from taskyard.testing.clock import ManualClock
from tests.stories.tools import count_tasks


async def charge(amount: int, note: str = "") -> int:
    return amount


async def test_an_idempotency_key_finds_the_first_request(yard: Taskyard) -> None:
    handle = yard.register("charge", charge)
    async with yard.worker():
        first = await handle.options(idempotency_key="k1").start(amount=5)
        again = await handle.options(idempotency_key="k1").start(amount=5)
        assert (again.id, first.reused, again.reused) == (first.id, False, True)
        await first.result()
        later = await handle.options(idempotency_key="k1").start(amount=5)
        assert (later.id, later.status) == (first.id, "COMPLETED")
        assert (await handle.options(idempotency_key="k2").start(amount=5)).id != first.id


async def test_another_body_under_the_key_is_a_conflict(yard: Taskyard) -> None:
    handle = yard.register("charge", charge)
    async with yard:
        first = await handle.options(idempotency_key="k").start(amount=5)
        with pytest.raises(Conflict, match=first.id):
            await handle.options(idempotency_key="k").start(amount=6)
        with pytest.raises(Conflict):
            await handle.options(idempotency_key="k", priority="HIGH").start(amount=5)
        assert await count_tasks(yard) == 1


async def test_an_idempotency_key_is_the_callers_and_the_definitions(yard: Taskyard) -> None:
    yard.register("charge", charge)
    yard.register("refund", charge)
    async with yard:
        ids = set()
        for key in ("charge", "refund"):
            for caller in (Caller("ada"), Caller("bob")):
                request = TaskRequest(task_definition_id=key, input={"amount": 1}, idempotency_key="k")
                ids.add((await submit(yard.engine, request, caller)).id)
                assert (await submit(yard.engine, request, caller)).reused
        assert len(ids) == 4


async def test_an_idempotency_key_is_kept_for_a_day_even_for_a_failed_task(
    yard_by_hand: Taskyard, clock: ManualClock
) -> None:
    @yard_by_hand.task(retry=0)
    async def fail() -> None:
        raise ValueError("no")

    async with yard_by_hand as yard:
        handle = fail.options(idempotency_key="k")
        async with yard.worker():
            first = await handle.start()
            with pytest.raises(TaskFailed):
                await first.result()
        clock.move(86_000)
        assert (await handle.start()).id == first.id
        clock.move(500)
        assert (await handle.start()).id != first.id


async def test_the_same_request_at_the_same_time_makes_one_task(yard: Taskyard) -> None:
    handle = yard.register("charge", charge)
    async with yard:
        keyed, reusable = handle.options(idempotency_key="k"), handle.options(expire=60)
        assert len({run.id for run in await asyncio.gather(*(keyed.start(amount=1) for _ in range(10)))}) == 1
        assert len({run.id for run in await asyncio.gather(*(reusable.start(amount=2) for _ in range(10)))}) == 1
        assert await count_tasks(yard) == 2


async def test_a_request_is_reused_while_it_is_young(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    handle = yard_by_hand.register("charge", charge, expire=60)
    async with yard_by_hand as yard:
        async with yard.worker():
            first = await handle.start(amount=1)
            await first.result()
        clock.move(59)
        again = await handle.start(amount=1)
        assert (again.id, again.reused, await again.result()) == (first.id, True, 1)
        assert again.task.hash == first.task.hash is not None
        assert (await handle.options(expire=10).start(amount=1)).id != first.id
        clock.move(2)
        assert (await handle.options(expire=1).start(amount=1)).reused is False


async def test_without_expire_nothing_is_reused(yard: Taskyard) -> None:
    handle = yard.register("charge", charge)
    async with yard:
        assert (await handle.start(amount=1)).id != (await handle.start(amount=1)).id


async def test_the_order_of_fields_makes_no_difference_and_a_value_does(yard: Taskyard) -> None:
    yard.register("charge", charge, expire=60)
    async with yard:
        one = await yard.start("charge", {"amount": 1, "note": "a"})
        assert (await yard.start("charge", {"note": "a", "amount": 1})).id == one.id
        assert (await yard.start("charge", {"note": "b", "amount": 1})).id != one.id


async def test_reuse_is_within_one_cause(yard: Taskyard) -> None:
    handle = yard.register("charge", charge, expire=60)
    async with yard:
        ids = [
            (await handle.options(cause=cause).start(amount=1)).id
            for cause in (None, ("event", "e1"), ("event", "e2"), ("command", "e1"), ("event", "e1"))
        ]
    assert len(set(ids)) == 4
    assert ids[1] == ids[4]


async def test_reuse_is_by_client_or_else_by_caller(yard: Taskyard) -> None:
    yard.register("charge", charge, expire=60)

    async def ask(caller: str, client: Any, scopes: frozenset[str] = frozenset({"tasks:read"})) -> int:
        request = TaskRequest(task_definition_id="charge", input={"amount": 1}, client=client)
        return (await submit(yard.engine, request, Caller(caller, scopes))).id

    async with yard:
        ada, bob = await ask("ada", None), await ask("bob", None)
        assert ada != bob
        assert await ask("ada", None) == ada
        shared = await ask("ada", {"user": "eve"})
        assert shared not in (ada, bob)
        assert await ask("bob", {"user": "eve"}) == shared
        mallory = await ask("mallory", {"user": "eve"}, frozenset({"tasks:write"}))
        assert mallory != shared
        assert await ask("mallory", {"user": "eve"}, frozenset({"tasks:write"})) == mallory


async def test_what_failed_or_was_canceled_is_never_reused(yard: Taskyard) -> None:
    @yard.task(retry=0, expire=60)
    async def fail() -> None:
        raise ValueError("no")

    @yard.task(expire=60)
    async def later() -> None: ...

    async with yard.worker():
        failed = await fail.start()
        with pytest.raises(TaskFailed):
            await failed.result()
        assert (await fail.start()).id != failed.id
        canceled = await later.options(delay=60).start()
        await canceled.cancel()
        assert (await later.options(delay=60).start()).id != canceled.id
