"""Calls that stand or fall together."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from taskyard.calls.together import together


class Away(Exception):
    """What the second call comes to."""


async def test_the_answers_come_in_order() -> None:
    async def twice(number: int) -> int:
        return 2 * number

    assert await together([partial(twice, k) for k in range(9)], 2) == [2 * k for k in range(9)]


async def test_after_a_failure_none_is_begun_and_those_under_way_end_first() -> None:
    begun: list[int] = []
    ended: list[int] = []
    failed, go_on = asyncio.Event(), asyncio.Event()

    async def call(number: int) -> None:
        begun.append(number)
        if number == 1:
            failed.set()
            raise Away
        await go_on.wait()
        ended.append(number)

    calling = asyncio.create_task(together([partial(call, k) for k in range(9)], 2))
    await failed.wait()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(Away):
        await calling
    assert (begun, ended) == ([0, 1], [0])
