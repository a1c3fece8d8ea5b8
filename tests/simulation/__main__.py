# ruff: noqa: T201 - it is a command
"""Run many seeds: `python -m tests.simulation --seeds 5000`; with `--plants`, see that planted faults are noticed."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.plants import PLANTS
from tests.simulation.world import simulate

_TOLD_EVERY = 10.0
_LOOK_FOR = 200


def run(first: int, seeds: int) -> bool:
    """Run so many seeds; whether nothing was wrong."""
    counts: Counter[str] = Counter()
    bad: list[int] = []
    began = at = time.monotonic()
    for number in range(1, seeds + 1):
        outcome = simulate(first + number - 1)
        counts += outcome.counts
        if outcome.wrong:
            bad.append(outcome.seed)
            print(outcome.told(), flush=True)
        if time.monotonic() - at > _TOLD_EVERY or number == seeds:
            at = time.monotonic()
            faults = ", ".join(f"{count} {what}" for what, count in counts.most_common())
            print(f"{number} of {seeds} seeds in {at - began:.0f} s, {len(bad)} wrong {bad}: {faults}", flush=True)
    return not bad


def notice(first: int) -> bool:
    """Look at each plant until it is noticed; whether all are."""
    blind = []
    for name, plant in PLANTS.items():
        for seed in range(first, first + _LOOK_FOR):
            with plant():
                outcome = simulate(seed)
            if outcome.wrong:
                print(f"{name}: noticed in seed {seed}: {outcome.wrong[0][:160]}", flush=True)
                break
        else:
            blind.append(name)
            print(f"{name}: NOT noticed in {_LOOK_FOR} seeds", flush=True)
    return not blind


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--plants", action="store_true", help="look whether planted faults are noticed")
    options = parser.parse_args()
    fine = notice(options.first) if options.plants else run(options.first, options.seeds)
    sys.exit(not fine)


main()
