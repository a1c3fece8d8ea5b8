"""`python -m bench.callers HARNESS [ROUNDS]`: durable enqueues a second, from one caller and from 50 at once.

HARNESS is the folder of the peers' harness (`run.py`, `adapters/`), set up and with its services started. Each system
runs in its own virtual environment, and each caller waits until its task is stored before it goes on. The 50 callers
of PgQueuer and Huey are threads with a connection each; those of Taskyard are coroutines of one process.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SYSTEMS = ("ours", "pgqueuer", "ours-sqlite", "huey-sqlite")
SECONDS = 2.5


def main(harness: Path, rounds: int) -> None:
    """Interleaved rounds; one JSON line a figure, as the harness writes them."""
    sys.path.insert(0, str(harness))
    run = importlib.import_module("run")
    for _ in range(rounds):
        for system in SYSTEMS:
            for callers in (1, 50):
                run.call(system, "", "reset")
                python = run.argv(system)[0]
                command = [
                    python,
                    "-P",  # or this folder's http.py would stand before the standard one
                    __file__,
                    "--inside",
                    str(harness / "adapters" / run.PEERS[system]["file"]),
                    str(callers),
                ]
                told = subprocess.run(
                    command,
                    env=run.env_for(system, "/dev/null"),
                    cwd=run.LAB,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                if "@@" not in told.stdout:
                    raise SystemExit(f"{system}, {callers} callers: {told.stderr[-2000:]}")
                run.emit("callers", system, callers=callers, per_s=json.loads(told.stdout.rpartition("@@")[2]))


def inside(adapter: Path, callers: int) -> float:
    """Enqueues a second of so many callers, in the virtual environment of the system."""
    sys.path.insert(0, str(adapter.parent))
    spec = importlib.util.spec_from_file_location(adapter.stem, adapter)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[adapter.stem] = module
    spec.loader.exec_module(module)
    if adapter.stem == "ours_":
        return asyncio.run(_coroutines(module, callers))
    return _threads(module, callers)


async def _coroutines(module: Any, callers: int) -> float:
    adapter = module.A()
    await adapter.open()
    await adapter.put(module.C.payload(0))
    start, stored = time.monotonic(), 0

    async def caller() -> None:
        nonlocal stored
        while time.monotonic() - start < SECONDS:
            await adapter.put(module.C.payload(stored))
            stored += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    took = time.monotonic() - start
    await adapter.close()
    return stored / took


def _threads(module: Any, callers: int) -> float:
    stored = [0] * callers
    ready = threading.Barrier(callers + 1)

    async def caller(index: int) -> None:
        adapter = module.A()
        await adapter.open()
        await adapter.put(module.C.payload(0))
        ready.wait()
        start = time.monotonic()
        while time.monotonic() - start < SECONDS:
            await adapter.put(module.C.payload(stored[index]))
            stored[index] += 1

    threads = [threading.Thread(target=asyncio.run, args=(caller(index),)) for index in range(callers)]
    for thread in threads:
        thread.start()
    ready.wait()
    start = time.monotonic()
    for thread in threads:
        thread.join()
    return sum(stored) / (time.monotonic() - start)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        print(f"@@{inside(Path(sys.argv[2]), int(sys.argv[3]))}", flush=True)
        os._exit(0)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
