"""What a worker leaves behind that is killed while code of definitions runs in it: nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.executors.sandbox.calls import TIERS_HERE
from tests.executors.sandbox.test_hostile import ROOT
from tests.support import eventually

from taskyard.executors.script.sandbox import folders
from taskyard.executors.script.sandbox.watch import descendants

LONG_AGO = 3600.0


@pytest.fixture
def open_folder() -> Iterator[str]:
    """A folder that users of jails may pass through."""
    with tempfile.TemporaryDirectory(prefix="taskyard-test-") as name:
        Path(name).chmod(0o755)
        yield name


@pytest.mark.parametrize("kind", ["python", "shell", "javascript"])
@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_nothing_outlives_a_killed_worker(tier: str, kind: str, open_folder: str) -> None:
    mark = str(5_000_000 + os.getpid())
    command = [sys.executable, "-m", "tests.executors.sandbox.victim", tier, kind, mark]
    worker = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, "TMPDIR": open_folder}
    )
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"on\n"
    jails = [pid for pid in await asyncio.to_thread(lambda: list(descendants(worker.pid))) if pid != worker.pid]
    assert jails
    worker.kill()
    await worker.wait()
    assert await worker.stdout.read() == b""
    await eventually(lambda: not [pid for pid in jails if is_alive(pid)])


def test_folders_of_killed_workers_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine, dead, young = folders.Folders(), folders.Folders(), folders.Folders()
    for each in (mine, dead, young):
        (each.make(0) / "deep").mkdir()
    os.close(dead._lock)
    os.close(young._lock)
    for each in (mine, dead):
        os.utime(each.root, (time.time() - LONG_AGO,) * 2)
    folders.sweep()
    assert (mine.root.exists(), dead._root.exists(), young._root.exists()) == (True, False, True)
    mine.close()
    assert not mine._root


def is_alive(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
