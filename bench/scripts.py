"""`python -m bench.scripts [--rounds N] [--seconds S]`: code of definitions, in each kind and tier.

What a tiny program takes alone with a jail that is ready, and with one that has to be made; how many run a second, four
at once, and the processor's time that each takes in all, which depends less on what else runs; and how much later than
asked for the worker's own loop wakes while CPU-bound programs run, beside an idle one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, sandbox, value_of

from taskyard.contracts.target import Target
from taskyard.executors.script.lite import KIND, Lite
from taskyard.executors.script.sandbox.target import Sandbox

RESULTS = Path(__file__).with_name("results")
AT_ONCE = 4
SINGLES = 20
PAUSE = 0.1  # in which a jail is made ready again
TINY = {
    "python": "def main(input, ctx): return input",
    "shell": 'cat >"$TASK_OUTPUT"',
    "bash-lite": 'cat >"$TASK_OUTPUT"',
    "javascript": "export default (input) => input",
    "typescript": "export default (input: unknown) => input",
    KIND: "def main(input, ctx): return input",
}
BUSY = "def main(input, ctx):\n while True: pass"


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


async def cold(tier: str, kind: str) -> float:
    """The median with jails that have to be made."""
    async with sandbox([tier], warm=0) as box:
        await one(box, kind)
        return statistics.median([await one(box, kind) for _ in range(SINGLES // 2)])


def cpu_used() -> float:
    """Processor's time of this process and of all that it has waited for, in milliseconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used) * 1000


async def rate(target: Target, kind: str, seconds: float) -> tuple[float, float]:
    """Programs a second, and the processor's milliseconds that each took."""
    await one(target, kind)
    began, count, used = time.perf_counter(), 0, cpu_used()

    async def go_on() -> None:
        nonlocal count
        while time.perf_counter() - began < seconds:
            await one(target, kind)
            count += 1

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - began), (cpu_used() - used) / count


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """The median of the first ones and of the second ones."""
    return statistics.median([first for first, _ in pairs]), statistics.median([second for _, second in pairs])


async def lateness(seconds: float) -> float:
    """The 99th percentile of how many milliseconds late the loop wakes, of 10 ms it asks for."""
    late, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        late.append((time.perf_counter() - began - 0.01) * 1000)
    return statistics.quantiles(late, n=100)[98]


async def beside_busy(box: Sandbox, seconds: float) -> tuple[float, float]:
    """Lateness idle, and while as many CPU-bound programs run as there are cores."""
    idle = await lateness(seconds)
    calls = [call("python", BUSY, cpu_seconds=60, wall_seconds=seconds + 1) for _ in range(os.cpu_count() or 1)]
    busy = [asyncio.create_task(box.run(each, Heard())) for each in calls]
    await asyncio.sleep(0.5)
    beside = await lateness(seconds)
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    return idle, beside


async def measure(rounds: int, seconds: float) -> list[str]:
    """The rows of the table."""
    rows = []
    for tier in TIERS_HERE:
        async with sandbox([tier], warm=AT_ONCE) as box:
            for kind in sorted(box.kinds):
                ready = statistics.median([await alone(box, kind) for _ in range(rounds)])
                many, each = medians([await rate(box, kind, seconds) for _ in range(rounds)])
                made = await cold(tier, kind)
                rows.append(f"| {kind} | {tier} | {ready:.1f} | {made:.0f} | {many:,.0f} | {each:.1f} |")
                print(rows[-1], flush=True)
            idle, beside = await beside_busy(box, seconds)
            rows.append(f"| the loop's lateness, idle → beside busy ones | {tier} | {idle:.1f} → {beside:.1f} | | | |")
            print(rows[-1], flush=True)
    lite = Lite(os.cpu_count() or 1)
    try:
        ready = await alone(lite, KIND)
        many, each = medians([await rate(lite, KIND, seconds) for _ in range(rounds)])
        rows.append(f"| {KIND} | emulated | {ready:.1f} | | {many:,.0f} | {each:.2f} of ours |")
        print(rows[-1], flush=True)
    finally:
        await lite.stop()
    return rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="bench.scripts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    load = f"{os.getloadavg()[0]:.1f}"
    rows = asyncio.run(measure(options.rounds, options.seconds))
    who = "root" if os.geteuid() == 0 else "a user"
    said = (
        f"`python -m bench.scripts --rounds {options.rounds} --seconds {options.seconds:g}`,"
        f" {datetime.now(UTC):%Y-%m-%d}; Linux {platform.release()}, Python {platform.python_version()},"
        f" {os.cpu_count()} cores, as {who}, load before it {load}; medians. A tiny program gives its input back;"
        f" `/s` is {AT_ONCE} at once, each in a jail of its own."
    )
    names = "| kind | tier | jail ready, ms | jail made, ms | /s | processor each, ms |"
    head = f"{names}\n| --- | --- | ---: | ---: | ---: | ---: |"
    (RESULTS / "scripts.md").write_text("\n".join([f"# Code of definitions\n\n{said}\n", head, *rows, ""]))


if __name__ == "__main__":
    main()
