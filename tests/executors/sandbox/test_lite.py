"""`python-lite`: quick programs on an interpreter of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.executors.sandbox.calls import Heard, call, error_of, value_of

from taskyard.executors.script.lite import Lite


@pytest.fixture
async def lite() -> AsyncIterator[Lite]:
    made = Lite(2)
    await made.start()
    yield made
    await made.stop()


async def test_a_program_is_given_its_input_and_heard(lite: Lite) -> None:
    source = """
import json
def main(input, ctx):
    print("printed")
    ctx.log("warning", "mind")
    ctx.log.info("info")
    ctx.progress(1, 3, "packing")
    return {"got": json.loads(json.dumps(input)), "task": ctx.task["definition"]}
"""
    heard, given = Heard(), {"a": [1, 2.5, None, "$(id)"]}
    assert value_of(await lite.run(call("python-lite", source, given), heard)) == {"got": given, "task": "test"}
    assert heard.lines == [("info", "printed"), ("warning", "mind"), ("info", "info")]
    assert (heard.steps, heard.tiers) == ([(1, 3, "packing")], ["emulated"])
    source = "async def main(input, ctx):\n    return input['a']"
    assert value_of(await lite.run(call("python-lite", source, given), heard)) == given["a"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def main(i, c):\n while True: pass", "cpu"),
        ("def main(i, c): return 'x' * 10 ** 10", "memory"),
        ("def main(i, c):\n while True: print('x' * 1000)", "output"),
        ("def main(i, c):\n while True: c.log.info('x' * 1000)", "output"),
        ("import time\ndef main(i, c): time.sleep(9)", "TIMEOUT"),
        ("def main(i, c): raise ValueError('no')", "EXECUTION_ERROR"),
        ("def main(:", "EXECUTION_ERROR"),
        ("x = 1", "EXECUTION_ERROR"),
        ("def main(i, c): return {1, 2}", "OUTPUT_VALIDATION_ERROR"),
        ("def main(i, c): return float('nan')", "OUTPUT_VALIDATION_ERROR"),
        ("def main(i, c): c.progress(float('nan'))", "EXECUTION_ERROR"),
        ("def main(i, c): return open('/etc/passwd').read()", "EXECUTION_ERROR"),
        ("import os\ndef main(i, c): return os.listdir('/')", "EXECUTION_ERROR"),
        ("import socket\ndef main(i, c): return 1", "EXECUTION_ERROR"),
        ("import subprocess\ndef main(i, c): return 1", "EXECUTION_ERROR"),
        ("def main(i, c): return c.log.__class__.__subclasses__()", "EXECUTION_ERROR"),
    ],
)
async def test_what_becomes_of_hostile_programs(lite: Lite, source: str, expected: str) -> None:
    resources = {"cpu_seconds": 0.5, "wall_seconds": 2, "memory_mb": 64, "output_bytes": 100_000}
    error = error_of(await lite.run(call("python-lite", source, **resources), Heard()))
    limit = (error.details or {}).get("limit")
    assert (limit or error.code) == expected, error
    assert value_of(await lite.run(call("python-lite", "def main(i, c): return 1"), Heard())) == 1


async def test_nothing_of_one_run_is_there_in_the_next(lite: Lite) -> None:
    await lite.run(call("python-lite", "left = 1\ndef main(i, c): return 1"), Heard())
    error = error_of(await lite.run(call("python-lite", "def main(i, c): return left"), Heard()))
    assert "'left'" in error.message


async def test_its_workers_are_confined(lite: Lite) -> None:
    assert value_of(await lite.run(call("python-lite", "def main(i, c): return 1"), Heard())) == 1
    workers = [path for path in await asyncio.to_thread(processes) if b"monty" in path[0]]
    assert workers
    for _, status in workers:
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status
        assert os.geteuid() != 0 or "Uid:\t0" not in status


def processes() -> list[tuple[bytes, str]]:
    """The commands of our children, with what the kernel tells of them."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    found = []
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            if f"PPid:\t{os.getpid()}\n" in status:
                found.append((Path(f"/proc/{pid}/cmdline").read_bytes(), status))
        except OSError:
            continue
    return found


async def test_more_isolation_than_it_gives_is_refused(lite: Lite) -> None:
    asked = call("python-lite", "def main(i, c): return 1", implementation={"isolation": "MEDIUM"})
    assert error_of(await lite.run(asked, Heard())).code == "SANDBOX_UNAVAILABLE"
