"""The measurements. All rates are per second, all times in milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from taskyard.benchmark.tasks import KEY, LEDGER, RECORD, payload
from taskyard.yard import Taskyard

_CONCURRENCY = "200"


async def enqueue_one_by_one(yard: Taskyard, seconds: float) -> float:
    """Tasks from one caller who waits for each commit."""
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        await yard.start(KEY, payload(count))
        count += 1
    return count / (time.monotonic() - began)


async def enqueue_concurrently(yard: Taskyard, callers: int, each: int) -> float:
    """Tasks from many callers who each wait for their commits."""

    async def call() -> None:
        for number in range(each):
            await yard.start(KEY, payload(number))

    began = time.monotonic()
    await asyncio.gather(*(call() for _ in range(callers)))
    return callers * each / (time.monotonic() - began)


async def enqueue_bulk(yard: Taskyard, total: int) -> float:
    """Tasks in transactions of 1,000."""
    began = time.monotonic()
    for start in range(0, total, 1000):
        await yard.start_many(KEY, [payload(start + k) for k in range(min(1000, total - start))])
    return total / (time.monotonic() - began)


async def drain(yard: Taskyard, folder: Path, processes: int) -> float:
    """Tasks from the first body until the store says that the last is committed, all that are queued.

    The bodies' own records tell how far it is, so that the store is asked only near the end.
    """
    total = await _left(yard)
    ledger = folder / LEDGER
    ledger.write_bytes(b"")
    async with workers(yard, folder, processes):
        await _written(ledger, total)
        while await _left(yard):  # noqa: ASYNC110 - another process commits it
            await asyncio.sleep(0.005)
        end = time.monotonic()
    first: float = min(at for _, _, at in RECORD.iter_unpack(ledger.read_bytes()))
    return total / (end - first)


async def latency(yard: Taskyard, folder: Path, rate: int, seconds: float) -> tuple[float, float]:
    """The median and the 99th percentile of the time from when a task was due to be asked for to when its body runs."""
    ledger = folder / LEDGER
    count = int(rate * seconds)
    async with workers(yard, folder, 1):
        await yard.run(KEY, payload(0))
        ledger.write_bytes(b"")
        began = time.monotonic() + 0.5
        for number in range(count):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await yard.start(KEY, payload(number, due))
        await _written(ledger, count)
    waits = sorted((at - due) * 1000 for _, due, at in RECORD.iter_unpack(ledger.read_bytes()))
    return statistics.median(waits), waits[int(count * 0.99) - 1]


@contextlib.asynccontextmanager
async def workers(yard: Taskyard, folder: Path, processes: int) -> AsyncIterator[None]:
    """`taskyard worker` on the same store, in the folder."""
    environment = os.environ | {
        "TASKYARD_DATABASE_URL": yard.app.settings["TASKYARD_DATABASE_URL"],
        "TASKYARD_DATA_DIR": str(folder),
        "TASK_MAX_CONCURRENT": _CONCURRENCY,
        "TASK_LOG_LEVEL": "WARNING",
    }
    command = ["-m", "taskyard", "worker", "taskyard.benchmark.tasks:yard", "--processes", str(processes)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _written(ledger: Path, count: int) -> None:
    while _size(ledger) < count * RECORD.size:  # noqa: ASYNC110 - other processes write it
        await asyncio.sleep(0.01)


async def _left(yard: Taskyard) -> int:
    return sum(row.depth + row.in_flight for row in await yard.engine.store.queues())


def _size(file: Path) -> int:
    return file.stat().st_size
