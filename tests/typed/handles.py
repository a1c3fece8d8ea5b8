"""What type checkers see of tasks: checked by `test_typing.py`, never run. What they must refuse is marked so."""

from __future__ import annotations

from typing import Any, assert_type

from taskyard import BlockingContext, Context, Run, TaskHandle, Taskyard

yard = Taskyard()


class Receipt:
    total: int


@yard.task
async def bare(ctx: Context, amount: int) -> Receipt:
    raise NotImplementedError


@yard.task(title="Pay", key="pay", timeout=5, retry={"maxRetries": 1}, trigger=True)
async def pay(ctx: Context, amount: int, currency: str = "EUR") -> Receipt:
    raise NotImplementedError


@yard.task(category="data")
async def alone(amount: int) -> str:
    raise NotImplementedError


@yard.task(isolation="process")
def blocking(ctx: BlockingContext, amount: int) -> Receipt:
    raise NotImplementedError


@yard.task(isolation="thread")
def in_thread(ctx: Context, amount: int) -> Receipt:
    raise NotImplementedError


@yard.task()
def plain(amount: int) -> list[str]:
    raise NotImplementedError


async def results() -> None:
    assert_type(await bare.run(amount=1), Receipt)
    assert_type(await pay.run(amount=1, currency="USD"), Receipt)
    assert_type(await alone.run(amount=1), str)
    assert_type(await blocking.run(amount=1), Receipt)
    assert_type(await in_thread.run(amount=1), Receipt)
    assert_type(await plain.run(amount=1), list[str])
    assert_type(await pay.start(amount=1), Run[Receipt])
    assert_type(await (await plain.start(amount=1)).result(), list[str])
    assert_type(await pay.options(priority="HIGH", delay=5).run(amount=1), Receipt)
    assert_type(await pay.run_many([{"amount": 1}]), list[Receipt])
    assert_type(await yard.run("pay", {"amount": 1}, priority="LOW"), Any)


@yard.task(title="Order")
async def order(ctx: Context) -> None:
    assert_type(await ctx.run(pay, {"amount": 1}), Receipt)
    assert_type(await ctx.run(blocking), Receipt)
    assert_type(await ctx.task.run(plain, {"amount": 1}), list[str])
    assert_type(await ctx.run("pay", {"amount": 1}), Any)
    assert_type(await ctx.trigger("paid"), list[str])
    assert_type(ctx.task.id, str)


@yard.task(title="Order, waiting")
def order_in_thread(ctx: BlockingContext) -> None:
    assert_type(ctx.run(pay, {"amount": 1}), Receipt)
    assert_type(ctx.task.run(plain, {"amount": 1}), list[str])
    assert_type(ctx.run("pay"), Any)
    assert_type(ctx.trigger("paid"), list[str])
    assert_type(ctx.trigger_service("shop", "paid"), list[str])


def takes_any(handle: TaskHandle[..., Receipt]) -> None: ...


takes_any(pay)


async def refused(ctx: Context) -> None:
    await pay.run(amount="one")  # type: ignore[arg-type]
    await pay.run(sum=1)  # type: ignore[call-arg]
    await pay.start()  # type: ignore[call-arg]
    await blocking.run(amount=None)  # type: ignore[arg-type]
    await pay.options(priority="URGENT").run(amount=1)  # type: ignore[arg-type]
    await pay.options(prio="HIGH").run(amount=1)  # type: ignore[call-arg]
    await yard.start("pay", {}, prio="HIGH")  # type: ignore[call-arg]
    await ctx.run(5)  # type: ignore[call-overload]
    takes_any(plain)  # type: ignore[arg-type]
    yard.task(titel="Pay")  # type: ignore[call-overload]
    yard.register("pay", refused, titel="Pay")  # type: ignore[call-arg]
