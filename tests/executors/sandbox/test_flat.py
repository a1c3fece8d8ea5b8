"""What floods its output and its disk leaves this machine's memory and disk as they were, however often it comes."""

from __future__ import annotations

import ctypes
import gc
import os
import re
from pathlib import Path

import pytest
from tests.executors.sandbox.attacks import LIMITS
from tests.executors.sandbox.calls import TIERS_HERE, error_of, run, sandbox

from taskyard.executors.script.sandbox.target import Sandbox

ROUNDS = 6
KEPT_MB = 4
"""What each flood may say or write before it is ended, in MiB."""

FLOODS = [
    each for each in LIMITS
    if each.name in ("100 MB of lines", "one file", "long result", "disk") and each.kind in ("python", "shell")
]  # fmt: skip
MOST_MB = 20.0
"""How much more may be held than after the first round: far less than if what they say and write were kept."""


def held_mb(box: Sandbox) -> float:
    """What only the worker and its fork server have in memory, in MiB."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    running = box._launcher._server._running if box._launcher is not None else None
    pids = [os.getpid(), *([running.process.pid] if running is not None else [])]
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(size) for each in rollups for size in re.findall(r"Private_Dirty: +(\d+) kB", each)) / 1024


def on_disk(box: Sandbox) -> dict[str, int]:
    """All files of its folder, with their sizes."""
    return {str(path): path.lstat().st_size for path in box._folders.root.rglob("*")}


@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_floods_leave_nothing(tier: str) -> None:
    assert ROUNDS * len(FLOODS) * KEPT_MB > 3 * MOST_MB
    async with sandbox([tier], warm=0) as box:

        async def once() -> tuple[float, dict[str, int]]:
            for flood in FLOODS:
                limits = {"output_bytes": KEPT_MB << 20, "disk_mb": KEPT_MB}
                error = error_of(await run(box, flood.kind, flood.source, timeout=300, **limits))
                assert error.code == "RESOURCE_LIMIT", (flood.name, error)
            return held_mb(box), on_disk(box)

        first = await once()
        rounds = [await once() for _ in range(ROUNDS)]
    assert [disk for _, disk in rounds] == [first[1]] * ROUNDS
    assert max(memory for memory, _ in rounds) < first[0] + MOST_MB, [first[0], *(memory for memory, _ in rounds)]
