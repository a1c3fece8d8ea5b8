"""`python -m bench.receivers [--events N]`: webhooks to a receiver that fails now and then, and among bad ones."""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from pathlib import Path

import structlog
from tests.webhooks.test_many import send_many
from tests.webhooks.test_misbehaving import good_one, latencies

from bench import report
from bench.report import Figure

_PACE = 0.05
_COLD = 40
"""Events of the first two seconds, in which connections are made: they are left out where that is said."""
_BESIDE = {"alone": "alone", "good": "among 24 good ones", "bad": "among 24 that misbehave"}


async def failing(folder: Path, events: int) -> list[Figure]:
    """What a receiver counts that fails at 5 % of what it is asked; the schedule's 76 hours pass at once."""
    began, used = time.monotonic(), time.process_time()
    receiver, rows = await send_many(folder, events, 3600)
    took, used = time.monotonic() - began, time.process_time() - used
    disordered = sum(taken != sorted(taken) for taken in receiver.taken.values())
    tries = f"{receiver.asked:,} requests, {len(rows):,} deliveries, {took:.0f} s in all, {used:.0f} s of CPU"
    return [
        (f"missing of {events:,} events, receiver fails at 5 %", float(events - len(receiver.ids)), tries),
        ("tasks whose events came out of order", float(disordered), f"of {len(receiver.taken):,}"),
    ]


async def misbehaving(folder: Path, count: int) -> list[Figure]:
    """How long a good receiver waits for an event: alone, beside 24 as good as itself, beside 24 that misbehave."""
    found: dict[str, list[float]] = {}
    figures: list[Figure] = []
    for beside, title in _BESIDE.items():
        (place := folder / beside).mkdir()
        async with good_one(place, beside) as (post, arrived):
            cold = await latencies(post, arrived, _COLD, _PACE)
            used = time.process_time()
            warm = found[beside] = await latencies(post, arrived, count, _PACE)
            used = 1000 * (time.process_time() - used) / count
        told = f"ms, of {count} events after the first 2 s; {used:.1f} ms of CPU for each event"
        figures += [
            (f"a good receiver {title}, p50", 1000 * statistics.median(warm), "ms, of events 20 a second"),
            (f"a good receiver {title}, p99", 1000 * p99(warm), told),
            (f"a good receiver {title}, the slowest", 1000 * max(cold + warm), "ms, from the first event on"),
        ]
        print(f"{title}: p99 {1000 * p99(warm):.1f} ms", flush=True)
    bad = p99(found["bad"])
    return [
        *figures,
        ("p99 among 24 that misbehave, beside p99 among 24 good ones", bad / p99(found["good"]), "times"),
        ("p99 among 24 that misbehave, beside p99 alone", bad / p99(found["alone"]), "times; 25 deliveries to 1"),
    ]


def p99(values: list[float]) -> float:
    return sorted(values)[round(0.99 * (len(values) - 1))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.receivers")
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    before, found = report.load(), []
    for measure, count in ((misbehaving, 400), (failing, options.events)):
        with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
            found += asyncio.run(measure(Path(folder), count))
    command = f"python -m bench.receivers --events {options.events}"
    report.write("receivers", "Webhooks to receivers that fail or misbehave", command, before, found)


if __name__ == "__main__":
    main()
