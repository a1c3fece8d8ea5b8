"""The tasks of a simulation: what their handlers do in each attempt stands in their input."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractContextManager
from random import Random
from typing import Any

from taskyard.domain.definition import Definition
from taskyard.domain.queue import TaskType
from taskyard.executors.function.context import Context
from taskyard.executors.function.errors import TaskFailed
from taskyard.yard import Taskyard
from tests.simulation.ledger import Body, Ledger
from tests.simulation.loop import current

MAX_RETRIES = 2
RETRY = {"maxRetries": MAX_RETRIES, "initialDelay": 0.5, "maxDelay": 2.0}
TIMEOUT = 6.0
PARENT_TIMEOUT = 40.0
LIMIT = 2
FOREVER = 10_000.0

ACTS = ("ok", "ok", "ok", "ok", "raise", "refuse", "later", "hang", "stubborn", "blurt")

yard = Taskyard()


def some_plan(random: Random) -> dict[str, Any]:
    """What the attempts of a task will do, the last one again and again."""
    acts = [random.choice(ACTS) for _ in range(random.randrange(3))]
    return {"plan": [*acts, "ok" if random.random() < 0.8 else random.choice(ACTS)], "seconds": some_time(random)}


def some_time(random: Random) -> float:
    """How long a body takes, in seconds: mostly short."""
    return round(random.choice([0.0, 0.01, 0.1, 0.5, 3.0, 6.5]) * random.random(), 4)


def act_of(plan: list[str], attempt: int) -> str:
    """What this attempt does."""
    return plan[min(attempt, len(plan)) - 1]


@yard.task(key="plain", timeout=TIMEOUT, retry=RETRY)
async def plain(ctx: Context, plan: list[str], seconds: float) -> dict[str, Any]:
    return await _perform(ctx, "plain", plan, seconds)


@yard.task(key="limited", timeout=TIMEOUT, retry=RETRY, max_concurrent=LIMIT)
async def limited(ctx: Context, plan: list[str], seconds: float) -> dict[str, Any]:
    return await _perform(ctx, "limited", plan, seconds)


@yard.task(key="threaded", timeout=TIMEOUT, retry=RETRY)
def threaded(ctx: Context, plan: list[str], seconds: float) -> dict[str, Any]:
    with _body(ctx, "threaded") as body:
        if act_of(plan, ctx.attempt) != "ok":
            raise RuntimeError("as planned")
        ctx.raise_if_canceled()
        return _value(body, seconds=seconds)


def _rescue(plan: list[str], seconds: float) -> dict[str, Any]:
    return {"rescued": [plan, seconds]}


@yard.task(key="rescued", timeout=TIMEOUT, retry=RETRY, fallback=_rescue)
async def rescued(ctx: Context, plan: list[str], seconds: float) -> dict[str, Any]:
    return await _perform(ctx, "rescued", plan, seconds)


@yard.task(key="parent", timeout=PARENT_TIMEOUT, retry=RETRY)
async def parent(ctx: Context, children: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    with _body(ctx, "parent") as body:
        await asyncio.sleep(seconds)
        body.waits = True
        outputs = [await ctx.run("plain", {**child, "seconds": seconds + n}) for n, child in enumerate(children)]
        body.waits = False
        return _value(body, outputs=outputs)


PERSONS = Definition(key="person", task_type=TaskType.MANUAL, implementation={"kind": "manual"})
REMOTE = Definition(
    key="remote", implementation={"kind": "external"}, timeout=TIMEOUT, retry_policy=RETRY, max_concurrent=LIMIT
)


async def act(body: Body, name: str, seconds: float) -> dict[str, Any]:
    """Do as planned; the value, or the failure."""
    match name:
        case "hang":
            await asyncio.sleep(FOREVER)
        case "stubborn":
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(FOREVER)
            await asyncio.sleep(seconds * 4)
            raise RuntimeError("at last")
        case "blurt":
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(FOREVER)
        case _:
            await asyncio.sleep(seconds)
    if name == "raise":
        raise RuntimeError("as planned")
    if name == "refuse":
        raise TaskFailed("as planned", code="REFUSED", retryable=False)
    if name == "later":
        raise TaskFailed("as planned", delay=1.5)
    return _value(body)


async def _perform(ctx: Context, key: str, plan: list[str], seconds: float) -> dict[str, Any]:
    with _body(ctx, key) as body:
        ctx.log.info("attempt %s", ctx.attempt)
        ctx.progress(ctx.attempt, 10)
        return await act(body, act_of(plan, ctx.attempt), seconds)


def _value(body: Body, **more: Any) -> dict[str, Any]:
    body.value = {"body": body.number, **more}
    return body.value


def _body(ctx: Context, key: str) -> AbstractContextManager[Body]:
    return _ledger().body(int(ctx.id), ctx.attempt, key, losses=ctx._job.claimed.losses)


def _ledger() -> Ledger:
    return current().here.ledger
