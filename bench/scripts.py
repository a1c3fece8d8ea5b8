"""`python -m bench.scripts [--rounds N] [--seconds S]`: code of definitions, in each kind and tier.

How many tiny programs run a second, a few at once, and what each takes of the processor, beside the same interpreter
started bare; what a tiny program takes alone with a jail that is ready, and with one that has to be made; what it adds
to a task; and what CPU-bound programs do to the other tasks and to the loop of their worker. What is compared takes
turns, and ratios are of neighbours, so that they depend less on what else runs on the machine than the figures do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, sandbox, value_of

from taskyard import Taskyard
from taskyard.contracts.target import Target
from taskyard.engine.define import define, parse_definition
from taskyard.executors.script.lite import KIND, Lite
from taskyard.executors.script.sandbox.engines import Missing, find_engine
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.watch import cpu_seconds, descendants
from taskyard.settings import load

RESULTS = Path(__file__).with_name("results")
CORES = os.cpu_count() or 1
AT_ONCE = 2 * CORES
SINGLES = 10
TURN = 0.5
PAUSE = 0.1  # in which a jail is made ready again
TINY = {
    "python": "def main(input, ctx): return input",
    "shell": 'cat >"$TASK_OUTPUT"',
    "bash-lite": 'cat >"$TASK_OUTPUT"',
    "javascript": "export default (input) => input",
    "typescript": "export default (input: unknown) => input",
    KIND: "def main(input, ctx): return input",
}
BARE = {
    "python": ("-I", "-S", "-c", "print(input())"),
    "shell": ("-c", "cat"),
    "javascript": ("run", "--no-config", "--no-lock", "--v8-flags=--jitless", "-"),
}
BUSY = "def main(input, ctx):\n while True: pass"


Ratio = tuple[str, float, float, float, float]
"""What was looked at; its value alone and beside others, their ratio, and that of two times alone."""


class Ran(NamedTuple):
    """What a window of programs came to: how many a second, and the processor's milliseconds that each took, and
    those of them that were this process's own.
    """

    rate: float
    cpu: float
    own: float


def cpu_used() -> tuple[float, float]:
    """Processor's milliseconds of all that this process has waited for, and its own."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    children, own = ((each.ru_utime + each.ru_stime) * 1000 for each in used)
    return children, own


async def one(target: Target, kind: str) -> float:
    """How long a tiny program takes, in milliseconds."""
    began = time.perf_counter()
    assert value_of(await target.run(call(kind, TINY[kind], {"a": 1}), Heard())) == {"a": 1}
    return (time.perf_counter() - began) * 1000


async def alone(target: Target, kind: str) -> float:
    """The median of single programs."""
    await one(target, kind)
    took = []
    for _ in range(SINGLES):
        await asyncio.sleep(PAUSE)
        took.append(await one(target, kind))
    return statistics.median(took)


async def made(tier: str, kind: str) -> float:
    """The median with jails that have to be made."""
    async with sandbox([tier], warm=0) as box:
        await one(box, kind)
        return statistics.median([await one(box, kind) for _ in range(SINGLES)])


async def window(run: Callable[[], Awaitable[object]], seconds: float) -> Ran:
    """Run again and again, a few at once."""
    began, count, (children, own) = time.perf_counter(), 0, cpu_used()

    async def go_on() -> None:
        nonlocal count
        while time.perf_counter() - began < seconds:
            await run()
            count += 1

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    took = time.perf_counter() - began
    theirs, mine = (after - before for after, before in zip(cpu_used(), (children, own), strict=True))
    return Ran(count / took, (theirs + mine) / count, mine / count)


@asynccontextmanager
async def bare(kind: str) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """The interpreter of this kind, started with nothing around it."""
    folders = Folders()
    engine, environment = find_engine(kind, folders), {"DENO_DIR": str(folders.root)}
    assert not isinstance(engine, Missing), engine
    program = next((bind.outside for bind in engine.binds if bind.inside == engine.argv[0]), engine.argv[0])
    command = [program, *BARE[kind]]
    given = b"console.log(1)" if kind == "javascript" else b"1\n"

    def start() -> None:
        subprocess.run(command, input=given, capture_output=True, check=True, env=environment)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        loop = asyncio.get_running_loop()
        yield lambda: loop.run_in_executor(threads, start)
    folders.close()


async def compared(target: Target, kind: str, rounds: int, seconds: float) -> str:
    """How many run a second and what each costs, and both beside the bare interpreter."""
    jailed, plain = [], []
    async with bare(kind if kind in BARE else "javascript" if kind == "typescript" else "python") as start:
        await one(target, kind)
        for _ in range(rounds):
            plain.append(await window(start, seconds / 2))
            jailed.append(await window(lambda: one(target, kind), seconds))
    rate, cpu, own = (statistics.median(values) for values in zip(*jailed, strict=True))
    rates = statistics.median(a.rate / b.rate for a, b in zip(jailed, plain, strict=True))
    cpus = statistics.median(a.cpu / b.cpu for a, b in zip(jailed, plain, strict=True))
    return f"{rate:,.0f} | {rates:.2f} | {cpu:.1f} | {own:.1f} | {cpus:.2f} | {CORES * 1000 / cpu:,.0f}"


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


async def lateness(seconds: float) -> list[float]:
    """How many milliseconds late the loop wakes, of 10 ms it asks for, again and again."""
    late, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        late.append((time.perf_counter() - began - 0.01) * 1000)
    return late


async def tasks_of(yard: Taskyard, key: str, seconds: float) -> list[float]:
    """What tasks take that are asked for one after the other."""
    took, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        took.append(await task_of(yard, key))
    return took


async def task_of(yard: Taskyard, key: str) -> float:
    """How many milliseconds a task takes from its being asked for to its result."""
    began = time.perf_counter()
    await (await yard.start(key, {"a": 1})).result()
    return (time.perf_counter() - began) * 1000


@asynccontextmanager
async def working(tier: str) -> AsyncIterator[Taskyard]:
    """A yard with its worker, and a tiny task of each kind beside one of its own."""
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        settings = load({}).with_values(
            TASKYARD_DATABASE_URL=f"sqlite:///{folder}/taskyard.db", TASKYARD_DATA_DIR=folder, TASKYARD_GRACE=1.0,
            TASKYARD_SANDBOX_TIERS=(tier,),
        )  # fmt: skip
        yard = Taskyard(settings=settings)

        @yard.task(key="own")
        async def own(a: int) -> int:
            return a

        await yard.engine.store.migrate()
        async with yard.worker(concurrency=AT_ONCE + CORES):
            for kind in BARE:
                await put(yard, kind, kind, TINY[kind])
            await put(yard, "busy", "python", BUSY, resources={"cpuSeconds": 600})
            yield yard


async def put(yard: Taskyard, key: str, kind: str, source: str, **more: Any) -> None:
    """Define it."""
    implementation = {"kind": kind, "source": source, **more}
    await define(yard.engine, [parse_definition({"key": key, "implementation": implementation})])


async def added(yard: Taskyard, kind: str, rounds: int) -> tuple[float, float]:
    """The medians of a task of the worker's own, and of one that runs a tiny program, in milliseconds."""
    own, script = [], []
    await tasks_of(yard, kind, 1)
    for _ in range(rounds):
        own += await spaced(yard, "own")
        script += await spaced(yard, kind)
    return statistics.median(own), statistics.median(script)


async def spaced(yard: Taskyard, key: str) -> list[float]:
    """Single tasks with a pause before each."""
    took = []
    for _ in range(SINGLES):
        await asyncio.sleep(PAUSE)
        took.append(await task_of(yard, key))
    return took


async def beside_busy(yard: Taskyard, seconds: float) -> list[Ratio]:
    """`beside` as many CPU-bound programs as there are cores."""
    runs = [await yard.start("busy", {"number": number}) for number in range(CORES)]
    rows = await beside(yard, await heavy(CORES), seconds)
    for run in runs:
        await run.cancel()
    return rows


async def beside_loops(yard: Taskyard, seconds: float) -> list[Ratio]:
    """`beside` as many loops of the same class in no jail: what the machine makes of any such neighbour."""
    command = ["chrt", "--idle", "0", sys.executable, "-c", "while True: pass"]
    loops = [await asyncio.create_subprocess_exec(*command) for _ in range(CORES)]
    try:
        return await beside(yard, [loop.pid for loop in loops], seconds)
    finally:
        for loop in loops:
            loop.kill()
            await loop.wait()


async def beside(yard: Taskyard, programs: list[int], seconds: float) -> list[Ratio]:
    """p99 of other tasks and of the loop's lateness: alone, beside these processes, the ratio, and what the ratio of
    two times alone is. They take turns of `TURN`, for `seconds` each.
    """
    found: dict[str, dict[str, list[float]]] = {"another task": {}, "the loop's lateness": {}}
    for _ in range(round(seconds / TURN)):
        for turn in ("alone", "busy", "alone again"):
            for pid in programs:
                os.kill(pid, signal.SIGCONT if turn == "busy" else signal.SIGSTOP)
            for name, took in zip(found, (await tasks_of(yard, "own", TURN), await lateness(TURN)), strict=True):
                found[name].setdefault(turn, []).extend(took)
    for pid in programs:
        os.kill(pid, signal.SIGCONT)
    rows = []
    for name, turns in found.items():
        both, busy = p99(turns["alone"] + turns["alone again"]), p99(turns["busy"])
        rows.append((name, both, busy, busy / both, p99(turns["alone again"]) / p99(turns["alone"])))
    return rows


async def heavy(jails: int) -> list[int]:
    """The processes of so many jails that have used much of the processor, and give way by now."""
    while True:
        await asyncio.sleep(PAUSE)
        found = [pid for pid in descendants(os.getpid()) if os.sched_getscheduler(pid) == os.SCHED_IDLE]
        if sum(cpu_seconds(pid) > PAUSE for pid in found) >= jails:
            return found


def tell(rows: list[str], row: str) -> None:
    """One more row."""
    rows.append(row)
    print(row, flush=True)


async def programs(rounds: int, seconds: float) -> list[str]:
    """The table of programs."""
    rows = [
        "| kind | tier | jail ready, ms | jail made, ms | /s | beside bare | processor each, ms | of it the worker's"
        " | beside bare | /s that two free cores would run |".replace("two", str(CORES)),
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for tier in TIERS_HERE:
        async with sandbox([tier], warm=AT_ONCE) as box:
            for kind in sorted(box.kinds):
                ready = statistics.median([await alone(box, kind) for _ in range(rounds)])
                many, new = await compared(box, kind, rounds, seconds), await made(tier, kind)
                tell(rows, f"| {kind} | {tier} | {ready:.1f} | {new:.0f} | {many} |")
    lite = Lite(CORES)
    try:
        ready = statistics.median([await alone(lite, KIND) for _ in range(rounds)])
        ran = [await window(lambda: one(lite, KIND), seconds) for _ in range(rounds)]
        rate, own = statistics.median(each.rate for each in ran), statistics.median(each.own for each in ran)
        tell(rows, f"| {KIND} | emulated | {ready:.1f} | | {rate:,.0f} | | | {own:.2f} | | |")
    finally:
        await lite.stop()
    return rows


async def tasks(rounds: int, seconds: float) -> list[str]:
    """The table of tasks."""
    rows = ["| what | tier | without | with | ratio | difference |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for tier in TIERS_HERE:
        async with working(tier) as yard:
            for kind in BARE:
                own, script = await added(yard, kind, rounds)
                name = f"a task that runs a tiny program in {kind}, p50 ms"
                tell(rows, f"| {name} | {tier} | {own:.1f} | {script:.1f} | {script / own:.1f} | {script - own:.1f} |")
            for beside_what, measured in (("busy programs", beside_busy), ("loops in no jail", beside_loops)):
                for name, idle, busy, ratio, chance in await measured(yard, rounds * seconds):
                    name = f"{name}, p99 ms, beside {beside_what}; twice alone: {chance:.2f}"
                    tell(rows, f"| {name} | {tier} | {idle:.1f} | {busy:.1f} | {ratio:.2f} | |")
    return rows


async def measure(rounds: int, seconds: float) -> str:
    """Both tables."""
    first, second = await programs(rounds, seconds), await tasks(rounds, seconds)
    return "\n".join([*first, "", *second])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="bench.scripts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    before = f"{os.getloadavg()[0]:.1f}"
    tables = asyncio.run(measure(options.rounds, options.seconds))
    who = "root" if os.geteuid() == 0 else "a user"
    said = (
        f"`python -m bench.scripts --rounds {options.rounds} --seconds {options.seconds:g}`,"
        f" {datetime.now(UTC):%Y-%m-%d}; Linux {platform.release()}, Python {platform.python_version()},"
        f" {CORES} cores, as {who}, load before it {before}; medians. A tiny program gives its input back;"
        f" `/s` is {AT_ONCE} at once, each in a jail of its own; bare is the interpreter alone, started as often."
    )
    (RESULTS / "scripts.md").write_text(f"# Code of definitions\n\n{said}\n\n{tables}\n")


if __name__ == "__main__":
    main()
