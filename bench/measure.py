"""The measurements: each on a store of its own, through the public Python API and real worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.tasks import RECORD
from taskyard import Taskyard

PAD = "x" * 58


def payload(number: int, due: float = 0.0) -> dict[str, object]:
    """About 100 bytes of JSON."""
    return {"i": number, "due": due, "pad": PAD}


async def enqueue_one_by_one(yard: Taskyard, seconds: float) -> float:
    """Tasks a second from one caller who waits for each commit."""
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        await yard.start("noop", payload(count))
        count += 1
    return count / (time.monotonic() - began)


async def enqueue_concurrently(yard: Taskyard, callers: int, each: int) -> float:
    """Tasks a second from many callers who each wait for their commits."""

    async def call() -> None:
        for number in range(each):
            await yard.start("noop", payload(number))

    began = time.monotonic()
    await asyncio.gather(*(call() for _ in range(callers)))
    return callers * each / (time.monotonic() - began)


async def enqueue_bulk(yard: Taskyard, total: int) -> float:
    """Tasks a second in transactions of 1,000."""
    began = time.monotonic()
    for start in range(0, total, 1000):
        await yard.start_many("noop", [payload(start + k) for k in range(1000)])
    return total / (time.monotonic() - began)


async def drain(yard: Taskyard, folder: Path, processes: int) -> float:
    """Tasks a second from the first body until the store says that the last is committed.

    The bodies' own records tell how far it is, so that the store is asked only near the end.
    """
    total = sum(row.depth for row in await yard.engine.store.queues())
    ledger = folder / "ledger"
    ledger.write_bytes(b"")
    async with workers(yard, folder, processes):
        while ledger.stat().st_size < total * RECORD.size:
            await asyncio.sleep(0.01)
        while any(row.depth + row.in_flight for row in await yard.engine.store.queues()):
            await asyncio.sleep(0.005)
        end = time.monotonic()
    first = min(at for _, _, at in RECORD.iter_unpack(ledger.read_bytes()))
    return total / (end - first)


async def latency(yard: Taskyard, folder: Path, rate: int, seconds: float) -> dict[str, float]:
    """Milliseconds from when a task was due to be asked for to when its body runs, at a steady rate."""
    ledger = folder / "ledger"
    async with workers(yard, folder, 1):
        await yard.run("noop", payload(0))
        await asyncio.sleep(1)
        ledger.write_bytes(b"")
        began = time.monotonic() + 0.2
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await yard.start("noop", payload(number, due))
        while ledger.stat().st_size < int(rate * seconds) * RECORD.size:
            await asyncio.sleep(0.05)
    waits = sorted((at - due) * 1000 for _, due, at in RECORD.iter_unpack(ledger.read_bytes()) if due)
    return {"p50": statistics.median(waits), "p99": waits[int(len(waits) * 0.99) - 1], "max": waits[-1]}


@contextlib.asynccontextmanager
async def workers(yard: Taskyard, folder: Path, processes: int) -> AsyncIterator[None]:
    """`taskyard worker` on the same store."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "TASKYARD_DATABASE_URL": yard.app.settings["TASKYARD_DATABASE_URL"],
        "TASKYARD_DATA_DIR": str(folder),
        "TASK_MAX_CONCURRENT": "200",
        "TASK_LOG_LEVEL": "WARNING",
        "BENCH_LEDGER": str(folder / "ledger"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    command = [
        str(Path(sys.executable).parent / "taskyard"),
        "worker",
        "bench.tasks:yard",
        "--processes",
        str(processes),
    ]
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
