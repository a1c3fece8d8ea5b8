"""Stores in processes of their own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from taskyard.contracts.clock import Clock, SystemClock
from taskyard.contracts.store import Store

_PATIENCE = 60.0


def migrate_at_once(database: Callable[[Clock], Store], count: int) -> list[list[str]]:
    """What each of `count` processes says that it has migrated; they begin together. `database` can be pickled.

    Raises EOFError where one of them fails; its traceback is on stderr.
    """
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(count)
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    processes = [context.Process(target=_migrate, args=(database, start, told)) for _, told in pipes]
    for process in processes:
        process.start()
    for _, told in pipes:
        told.close()
    try:
        return [hear.recv() for hear, _ in pipes]
    finally:
        for process in processes:
            process.join(_PATIENCE)


def _migrate(database: Callable[[Clock], Store], start: Barrier, told: Connection) -> None:
    store = database(SystemClock())
    start.wait(_PATIENCE)
    told.send(asyncio.run(_apply(store)))


async def _apply(store: Store) -> list[str]:
    return await store.migrate()
