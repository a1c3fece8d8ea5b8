"""`python-lite`: quick programs on an interpreter of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.executors.sandbox.calls import Heard, call, error_of, value_of

from taskyard.executors.script import lite_attempt
from taskyard.executors.script.lite import Lite
from taskyard.executors.script.lite_attempt import _needs_context
from taskyard.executors.script.sandbox.watch import descendants

ENDLESS = " x = []\n for _ in range(40): x = [x, x]"
"""A value of forty lists, and endless once it is written."""


@pytest.fixture
async def lite() -> AsyncIterator[Lite]:
    made = Lite(2)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("def main(input, ctx): return input", False), ("async def main(input, ctx):\n return 1", False),
        ("def main(a, b): return a", False), ("def main(a, b): return b.task", True),
        ("def main(input, ctx):\n ctx.log.info('x')", True), ("def f(c): c.progress(1)\ndef main(i, c): f(c)", True),
        ("def main(input, ctx): return eval('c' + 'tx')", True), ("def main(input, ctx): return locals()", True),
        ("def main(*given): return given[1]", True), ("def main(input, ctx=None): return 1", True), ("main = 1", True),
        ('"""\ndef main(a, b): ...\n"""\ndef main(input, ctx): ctx.log.info(1)', True),
    ],
)  # fmt: skip
def test_only_who_may_use_its_context_is_given_one(source: str, needed: bool) -> None:
    assert _needs_context(source) == needed


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
        ("def main(i, c):\n while True: c.log.info('')", "output"),
        ("def main(i, c):\n while True: c.progress(1)", "output"),
        ("import time\ndef main(i, c): time.sleep(9000)", "TIMEOUT"),
        (f"def main(i, c):\n{ENDLESS}\n return x", "cpu"),
        (f"def main(i, c):\n{ENDLESS}\n _say('info', x)", "EXECUTION_ERROR"),
        (f"def main(i, c):\n{ENDLESS}\n _step(1, 2, x)", "EXECUTION_ERROR"),
        ("def main(i, c): return ['x' * 1000] * 1000", "output"),
        ("def main(i, c):\n x = []\n x.append(x)\n return x", "OUTPUT_VALIDATION_ERROR"),
        ("def main(i, c): return 10 ** 30", "OUTPUT_VALIDATION_ERROR"),
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
    wall = 0.5 if expected == "TIMEOUT" else 30
    resources: dict[str, Any] = {"cpu_seconds": 0.3, "wall_seconds": wall, "memory_mb": 64, "output_bytes": 5_000}
    error = error_of(await lite.run(call("python-lite", source, **resources), Heard()))
    limit = (error.details or {}).get("limit")
    assert (limit or error.code) == expected, error
    assert value_of(await lite.run(call("python-lite", "def main(i, c): return 1"), Heard())) == 1


async def test_nothing_of_one_run_is_there_in_the_next(lite: Lite) -> None:
    await lite.run(call("python-lite", "left = 1\ndef main(i, c): return 1"), Heard())
    error = error_of(await lite.run(call("python-lite", "def main(i, c): return left"), Heard()))
    assert "'left'" in error.message


async def test_what_a_failing_program_says_is_cut(lite: Lite) -> None:
    error = error_of(await lite.run(call("python-lite", "def main(i, c): raise ValueError('x' * 10**6)"), Heard()))
    assert len(error.message) < 10_000
    assert len(error.stack_trace or "") < 10_000


async def test_no_thread_is_left_when_it_is_stopped() -> None:
    lite = Lite(2)
    assert value_of(await lite.run(call("python-lite", "def main(i, c): return 1"), Heard())) == 1
    assert any(each.name.startswith("taskyard-lite") for each in threading.enumerate())
    await lite.stop()
    assert not any(each.name.startswith("taskyard-lite") for each in threading.enumerate())


async def test_its_workers_are_confined(lite: Lite) -> None:
    assert value_of(await lite.run(call("python-lite", "def main(i, c): return 1"), Heard())) == 1
    found = [each for each in await asyncio.to_thread(processes) if b"monty" in each[0]]
    assert found
    for _, status in found:
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status
        assert os.geteuid() != 0 or "Uid:\t0" not in status
    assert await asyncio.to_thread(niceness) >= 5


async def test_a_program_that_is_heavy_gives_way_and_its_worker_serves_no_other(
    lite: Lite, monkeypatch: pytest.MonkeyPatch
) -> None:
    gave_way = list[int]()
    monkeypatch.setattr(lite_attempt, "have_give_way", gave_way.append)
    heavy = call("python-lite", "def main(i, c):\n while True: pass", cpu_seconds=0.5)
    assert (error_of(await lite.run(heavy, Heard())).details or {})["limit"] == "cpu"
    assert value_of(await lite.run(call("python-lite", "def main(i, c): return 1"), Heard())) == 1
    assert gave_way
    assert gave_way[0] not in await asyncio.to_thread(workers)


@pytest.mark.parametrize("does", ["while True: pass", "time.sleep(9000)"])
async def test_a_program_that_is_cancelled_ends_and_leaves_room_for_others(lite: Lite, does: str) -> None:
    begun = asyncio.Event()

    class Waits(Heard):
        def log(self, level: str, text: str) -> None:
            begun.set()

    endless = f"import time\ndef main(i, c):\n c.log.info('on')\n {does}"
    running = asyncio.create_task(lite.run(call("python-lite", endless), Waits()))
    others = [asyncio.create_task(lite.run(call("python-lite", endless), Heard())) for _ in range(4)]
    await begun.wait()
    for each in (running, *others):
        each.cancel()
    await asyncio.gather(running, *others, return_exceptions=True)
    assert running.cancelled()
    assert value_of(await lite.run(call("python-lite", "def main(i, c): return 1"), Heard())) == 1


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


def niceness() -> int:
    """The least of our children's that run such programs."""
    return min(os.getpriority(os.PRIO_PROCESS, pid) for pid in workers())


def workers() -> list[int]:
    """Those that run such programs."""
    found = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if b"monty" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


async def test_more_isolation_than_it_gives_is_refused(lite: Lite) -> None:
    asked = call("python-lite", "def main(i, c): return 1", implementation={"isolation": "MEDIUM"})
    assert error_of(await lite.run(asked, Heard())).code == "SANDBOX_UNAVAILABLE"
