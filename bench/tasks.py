"""The yard that the benchmark's worker processes load: a task that writes down when it ran."""

from __future__ import annotations

import os
import struct
import time

from taskyard import Context, Taskyard

RECORD = struct.Struct("<Id d")
yard = Taskyard()
_ledger = os.open(os.environ.get("BENCH_LEDGER", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


@yard.task(key="noop")
async def noop(ctx: Context, i: int, due: float = 0.0, pad: str = "") -> None:
    os.write(_ledger, RECORD.pack(i, due, time.monotonic()))
