"""`python -m bench.memory [--tasks N]`: what two workers hold in memory while they work off N tasks, by tenths."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from tests.servers.postgres import PostgresServer

from taskyard import Taskyard
from taskyard.benchmark.measure import enqueue_bulk, workers
from taskyard.benchmark.tasks import note
from taskyard.settings import load

_SHARES = 10


def resident_mb(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


async def measure(url: str, tasks: int) -> None:
    """Print a table row for each tenth."""
    with tempfile.TemporaryDirectory() as folder:
        yard = Taskyard(settings=load().with_values(TASKYARD_DATABASE_URL=url, TASKYARD_DATA_DIR=folder))
        yard.register(note.key, note.function)
        await yard.engine.store.migrate()
        print(f"load {os.getloadavg()[0]:.1f}\n\n| tasks done | workers, MiB |\n| ---: | ---: |")
        async with yard, workers(yard, Path(folder), 2):
            for share in range(1, _SHARES + 1):
                await enqueue_bulk(yard, tasks // _SHARES)
                while sum(queue.depth + queue.in_flight for queue in await yard.engine.store.queues()):
                    await asyncio.sleep(0.1)
                held = [resident_mb(each.info.pid) for each in await yard.engine.store.workers()]
                print(f"| {tasks * share // _SHARES:,} | {' and '.join(f'{mb:.1f}' for mb in held)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.memory")
    parser.add_argument("--tasks", type=int, default=300_000)
    with PostgresServer.start(durable=True) as server:
        asyncio.run(measure(server.dsn(), parser.parse_args().tasks))
