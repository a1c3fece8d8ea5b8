"""Sharing a commit shares neither the blame nor the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from taskyard.contracts.records import Entry
from taskyard.engine.batcher import Batcher
from taskyard.errors import Overloaded


def entry(number: int) -> Entry:
    return Entry(number, 1, 1, 1, 2, b"{}")


async def test_an_entry_that_cannot_be_stored_fails_alone() -> None:
    stored: list[int] = []

    async def store(entries: Sequence[Entry]) -> None:
        if any(each.id == 13 for each in entries):
            raise ValueError("not this one")
        stored.extend(each.id for each in entries)

    batcher = Batcher(store)
    ended = await asyncio.gather(*(batcher.put(entry(number)) for number in range(20)), return_exceptions=True)
    assert [number for number, end in enumerate(ended) if end is not None] == [13]
    assert sorted(stored) == [number for number in range(20) if number != 13]


async def test_a_store_that_is_away_is_asked_once() -> None:
    asked: list[int] = []

    async def store(entries: Sequence[Entry]) -> None:
        asked.append(len(entries))
        await asyncio.sleep(0)
        raise Overloaded("away", retry_after=1)

    batcher = Batcher(store)
    ended = await asyncio.gather(*(batcher.put(entry(number)) for number in range(5)), return_exceptions=True)
    assert all(isinstance(end, Overloaded) for end in ended)
    assert asked == [1, 4]  # the first had nobody to share with


async def test_draining_waits_for_all_that_is_under_way() -> None:
    stored: list[int] = []
    go = asyncio.Event()

    async def store(entries: Sequence[Entry]) -> None:
        await go.wait()
        stored.extend(each.id for each in entries)

    batcher = Batcher(store)
    callers = [asyncio.create_task(batcher.put(entry(number))) for number in range(5)]
    await asyncio.sleep(0)
    draining = asyncio.create_task(batcher.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    go.set()
    await draining
    assert sorted(stored) == list(range(5))
    await asyncio.gather(*callers)
