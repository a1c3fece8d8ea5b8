"""Concurrency limits: a task that falls under any is ready only while it holds a slot of each.

Until then it is parked, in the line of one limit that was full when last looked at. Slots are given out by
whoever has locked the limits' rows, in order; freeing one needs no lock, but calls for an admission afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import asyncpg

from taskyard.store.postgres.database import Pool
from taskyard.store.postgres.shapes import columns
from taskyard.store.postgres.statements import statement

_WAITING = statement("waiting")
_LOCK = statement("lock_limits")
_ROOMS = statement("rooms")
_ADMIT = statement("admit")
_CHANGE_LINE = statement("change_line")
_STRAY_KEYS = statement("stray_keys")
_FREE_STRAYS = statement("free_strays")
_ROOMY_KEYS = statement("roomy_keys")


class Waiting(NamedTuple):
    """A parked task: the limit in whose line it stands, and all it falls under."""

    task_id: int
    key: str
    keys: Sequence[str]


class Choice(NamedTuple):
    """Who may enter, and who has to stand in another line."""

    admitted: list[int]
    moved: list[tuple[int, str]]


def choose(waiting: Iterable[Waiting], rooms: dict[str, int]) -> Choice:
    """First come, first served, as far as all of a task's limits have room; takes the room it gives."""
    choice = Choice([], [])
    for task in waiting:
        full = next((key for key in task.keys if rooms.get(key, 0) <= 0), None)
        if full is None:
            choice.admitted.append(task.task_id)
            for key in task.keys:
                rooms[key] -= 1
        elif rooms.get(task.key, 0) > 0:
            choice.moved.append((task.task_id, full))
    return choice


async def admit(pool: Pool, keys: Collection[str]) -> int:
    """Make ready what stands in the lines of these limits and finds room in all of its own; how many."""
    admitted = 0
    while keys:
        async with pool.transaction() as connection:
            # Looked at again once locked: meanwhile somebody may have joined one of these lines.
            rooms = await _lock(
                connection, {*keys, *(key for task in await _line(connection, keys) for key in task.keys)}
            )
            waiting = [task for task in await _line(connection, keys) if rooms.keys() >= set(task.keys)]
            choice = choose(waiting, rooms)
            if choice.admitted:
                await connection.execute(_ADMIT, choice.admitted)
            if choice.moved:
                await connection.execute(_CHANGE_LINE, *columns(choice.moved, 2))
        admitted += len(choice.admitted)
        gone = {*choice.admitted, *(id_ for id_, _ in choice.moved)}
        keys = {task.key for task in waiting if task.task_id in gone and rooms[task.key] > 0}
    return admitted


async def sweep(pool: Pool) -> int:
    """Free slots whose task neither queues nor runs, and admit whoever finds room; how many entered."""
    strays = [row["key"] for row in await pool.fetch(_STRAY_KEYS)]
    if strays:
        async with pool.transaction() as connection:
            await _lock(connection, strays)
            await connection.execute(_FREE_STRAYS, strays)
    return await admit(pool, [row["key"] for row in await pool.fetch(_ROOMY_KEYS)])


async def _line(connection: asyncpg.Connection, keys: Collection[str]) -> list[Waiting]:
    return [Waiting(*row) for row in await connection.fetch(_WAITING, list(keys))]


async def _lock(connection: asyncpg.Connection, keys: Collection[str]) -> dict[str, int]:
    """Hold the limits for the rest of the transaction; the room each has."""
    await connection.execute(_LOCK, list(keys))
    return {row["key"]: row["room"] for row in await connection.fetch(_ROOMS, list(keys))}
