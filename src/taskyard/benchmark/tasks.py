"""The yard that the measured worker processes load: a task that writes down when it ran."""

from __future__ import annotations

import os
import struct
import time
from functools import cache
from pathlib import Path

from taskyard.executors.function.context import Context
from taskyard.yard import Taskyard

RECORD = struct.Struct("<Id d")
"""What a body writes: its number, when it was due and when it ran, in seconds of the monotonic clock."""

LEDGER = Path("ledger")
"""Where it writes, in the worker's working directory."""

KEY = "taskyard_bench"
PAD = "x" * 58

yard = Taskyard()


def payload(number: int, due: float = 0.0) -> dict[str, object]:
    """An input of about 100 bytes of JSON."""
    return {"i": number, "due": due, "pad": PAD}


@yard.task(key=KEY)
async def note(ctx: Context, i: int, due: float = 0.0, pad: str = "") -> None:
    """Append a record to the ledger."""
    os.write(_ledger(), RECORD.pack(i, due, time.monotonic()))


@cache
def _ledger() -> int:
    return os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
