"""Concurrency limits: a task that falls under any is ready only while it holds a slot of each.

Until then it is parked, in the line of one limit that was full when last looked at. Slots are given out by
whoever has locked the limits' rows, in order; freeing one needs no lock, but calls for an admission afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import asyncpg

from taskyard.domain.admission import Choice, Limit, Waiting, choose, reach
from taskyard.store.postgres.database import Pool
from taskyard.store.postgres.shapes import columns
from taskyard.store.postgres.statements import statement

_WAITING = statement("waiting")
_LOCK = statement("lock_limits")
_ROOMS = statement("rooms")
_PLACES = statement("places")
_ADMIT = statement("admit")
_CHANGE_LINE = statement("change_line")
_STRAY_KEYS = statement("stray_keys")
_FREE_STRAYS = statement("free_strays")
_ROOMY_KEYS = statement("roomy_keys")

_HTTP_WORKER_US: Final = 600_000_000
"""How long a worker without a heartbeat counts after it has asked for tasks."""


async def admit(pool: Pool, keys: Iterable[str], moment: int | None) -> int:
    """Make ready who stands in the lines of these limits and finds room in all of their own; how many.

    A limit that has just had several slots freed is named as often.
    """
    freed = Counter(keys)
    lines, locked = set(freed), set(freed)
    admitted, again = 0, False
    while lines:
        async with pool.transaction() as connection:
            await connection.execute(_LOCK, list(locked))
            limits = {key: Limit(*row) for key, *row in await connection.fetch(_ROOMS, list(locked))}
            rooms = await _rooms(connection, limits, freed, moment)
            looks = [(key, reach(rooms[key], again=again)) for key in lines & rooms.keys()]
            waiting = [Waiting(*row) for row in await connection.fetch(_WAITING, *columns(looks, 2))]
            others = {key for task in waiting for key in task.keys} - locked
            if not others:
                choice = choose(waiting, rooms)
                await _apply(connection, choice, limits)
                admitted += len(choice.admitted)
                lines, again = choice.again, True
        locked |= others  # to be locked in order, so again from the beginning
    return admitted


async def sweep(pool: Pool, moment: int | None) -> int:
    """Free slots whose task neither queues nor runs, and admit whoever finds room; how many entered."""
    strays = [row["key"] for row in await pool.fetch(_STRAY_KEYS)]
    if strays:
        async with pool.transaction() as connection:
            await connection.execute(_LOCK, strays)
            await connection.execute(_FREE_STRAYS, strays)
    return await admit(pool, [row["key"] for row in await pool.fetch(_ROOMY_KEYS)], moment)


async def _rooms(
    connection: asyncpg.Connection, limits: Mapping[str, Limit], freed: Mapping[str, int], moment: int | None
) -> dict[str, int]:
    """How many more each of the limits can take."""
    shared = any(limit.shared for limit in limits.values())
    places = await connection.fetchval(_PLACES, moment, _HTTP_WORKER_US) if shared else 0
    return {key: limit.room(places, freed.get(key, 0)) for key, limit in limits.items()}


async def _apply(connection: asyncpg.Connection, choice: Choice, limits: Mapping[str, Limit]) -> None:
    if choice.admitted:
        tails = [(key, limit.tail) for key, limit in limits.items() if limit.shared]
        served = list(choice.served.items())
        await connection.execute(_ADMIT, choice.admitted, *columns(tails, 2), *columns(served, 2))
    if choice.moved:
        await connection.execute(_CHANGE_LINE, *columns(choice.moved, 2))
