"""`python -m bench.receivers [--events N]`: webhooks to a receiver that fails now and then, and among bad ones."""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from pathlib import Path

import structlog
from tests.webhooks.test_many import send_many
from tests.webhooks.test_misbehaving import good_one, p99

from bench import report
from bench.report import Figure

_PACE = 0.05


async def failing(folder: Path, events: int) -> list[Figure]:
    """What a receiver counts that fails at 5 % of what it is asked; the schedule's 76 hours pass at once."""
    began = time.monotonic()
    receiver, rows = await send_many(folder, events, 1800)
    took = time.monotonic() - began
    disordered = sum(taken != sorted(taken) for taken in receiver.taken.values())
    tries = f"{receiver.asked:,} requests, {len(rows):,} deliveries, {took:.0f} s in all"
    return [
        (f"missing of {events:,} events, receiver fails at 5 %", float(events - len(receiver.ids)), tries),
        ("tasks whose events came out of order", float(disordered), f"of {len(receiver.taken):,}"),
    ]


async def misbehaving(folder: Path, count: int) -> list[Figure]:
    """How long a good receiver waits for an event, alone and beside 24 that misbehave."""
    alone, beside = await good_one(folder, count, _PACE)
    return [
        ("a good receiver alone, p99", 1000 * p99(alone), f"ms of {count} events, 20 a second"),
        ("a good receiver among 24 that misbehave, p99", 1000 * p99(beside), "ms; each event goes to all 25"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.receivers")
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    before, found = report.load(), []
    for measure, count in ((misbehaving, 200), (failing, options.events)):
        with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
            found += asyncio.run(measure(Path(folder), count))
    command = f"python -m bench.receivers --events {options.events}"
    report.write("receivers", "Webhooks to receivers that fail or misbehave", command, before, found)


if __name__ == "__main__":
    main()
