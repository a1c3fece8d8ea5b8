"""Sharing a commit shares neither the blame nor the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

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
        raise Overloaded("away", retry_after=1)

    batcher = Batcher(store)
    waiting = [batcher.put(entry(number)) for number in range(5)]
    for each in waiting:
        with pytest.raises(Overloaded):
            await each
    assert asked == [5]
