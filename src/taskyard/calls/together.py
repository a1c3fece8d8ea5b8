"""Several calls at once that stand or fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, cast

Given = TypeVar("Given")


async def together(calls: Iterable[Callable[[], Awaitable[Given]]], at_once: int) -> list[Given]:
    """Make the calls, so many at once, and give their answers in order.

    Once one has raised none is begun any more; what it raised comes only when those under way have ended, so that
    nothing goes on behind the caller's back.
    """
    places = asyncio.Semaphore(at_once)
    failed = False

    async def make(call: Callable[[], Awaitable[Given]]) -> Given | None:
        nonlocal failed
        async with places:
            if failed:
                return None
            try:
                return await call()
            except BaseException:
                failed = True
                raise

    answers = await asyncio.gather(*map(make, calls), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return cast("list[Given]", answers)
