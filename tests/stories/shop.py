"""Handlers that ask for more, at the top level of a module, so that a process of their own can find them."""

import asyncio
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from taskyard import BlockingContext, Context, TaskCanceled, Taskyard

shop = Taskyard()


class Receipt(BaseModel):
    total: int


@shop.task
async def pay(ctx: Context, amount: int) -> Receipt:
    ctx.progress(amount, amount)
    return Receipt(total=amount)


def order(ctx: BlockingContext, amounts: list[int]) -> int:
    ctx.progress(1, 1, "ordering")
    receipts = [ctx.run(pay, {"amount": amount}) for amount in amounts]
    assert ctx.task.run("pay", {"amount": amounts[0]}) == {"total": amounts[0]}
    return sum(receipt.total for receipt in receipts)


async def order_all_at_once(ctx: Context, amounts: list[int]) -> int:
    ctx.progress(1, 1, "ordering")
    receipts = await asyncio.gather(*(ctx.run(pay, {"amount": amount}) for amount in amounts))
    return sum(receipt.total for receipt in receipts)


def ring(ctx: BlockingContext, bell: str = "bell") -> list[int]:
    ctx.emit("ringing", {"bell": bell})
    return [len(ctx.trigger(bell)), len(ctx.trigger_service("shop", bell)), len(ctx.task.trigger(bell))]


async def ring_without_blocking(ctx: Context, bell: str = "bell") -> list[int]:
    await ctx.emit("ringing", {"bell": bell})
    return [len(await ctx.trigger(bell)), len(await ctx.trigger_service("shop", bell)), len(await ctx.trigger(bell))]


def echo(text: str) -> str:
    return text


def run_it(ctx: BlockingContext, key: str, input: dict[str, Any] | None = None) -> Any:
    return ctx.run(key, input)


def run_what_is_no_json(ctx: BlockingContext) -> Any:
    return ctx.run("pay", {"amount": object()})


def wait_for_it(ctx: BlockingContext, key: str, told: str) -> None:
    try:
        ctx.run(key)
    except TaskCanceled as error:
        Path(told).write_text(str(error))
        raise


async def wait_for_it_without_blocking(ctx: Context, key: str, told: str) -> None:
    try:
        await ctx.run(key)
    except asyncio.CancelledError:
        Path(told).write_text("cancelled")  # noqa: ASYNC240 - a word
        raise
