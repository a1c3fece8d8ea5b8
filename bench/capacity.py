"""How far one PostgreSQL goes: a model of five numbers, and a simulation that it is held against.

`python -m bench.capacity` prints the tables of docs/guide/capacity.md. The costs are those of `Costs`, measured by
`python -m bench` and `python -m bench.backlog`; other machines have others, so give your own.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Costs:
    """What one task costs over its whole life, in batches: microseconds of a core, bytes, commits.

    `connections` are those of one process.

    `serial_us` is what no two sessions of one primary do at once: the last page of an index, the head of the log, a
    table's extension. Two cores cannot tell it, so it is an assumption, and a cautious one.
    """

    database_us: float = 30.0
    serial_us: float = 2.0
    worker_us: float = 21.0
    wal_bytes: float = 1050.0
    stored_bytes: float = 600.0
    commits: float = 0.024
    connections: int = 10


@dataclass(frozen=True)
class Machines:
    """One primary and its workers: cores, WAL bandwidth in bytes/s, seconds a flush, worker processes.

    `shared`: the workers have no cores of their own but the primary's.
    """

    cores: int = 8
    wal_bandwidth: float = 200e6
    flush_seconds: float = 0.001
    processes: int = 16
    shared: bool = False


def limits(costs: Costs, machines: Machines) -> dict[str, float]:
    """Tasks a second that each part allows; the least is the yard's."""
    on_cores = costs.database_us + costs.worker_us * machines.shared
    return {
        "database CPU": machines.cores * 1e6 / on_cores,
        "one head of the log": 1e6 / costs.serial_us,
        "WAL bandwidth": machines.wal_bandwidth / costs.wal_bytes,
        "worker CPU": machines.processes * 1e6 / costs.worker_us,
    }


def throughput(costs: Costs, machines: Machines, yards: int = 1) -> float:
    """Tasks a second of so many yards, each with a primary and workers of its own."""
    return yards * min(limits(costs, machines).values())


def simulate(costs: Costs, machines: Machines, *, tasks: int, batch: int = 256, seed: int = 1) -> float:
    """Tasks a second of one yard that drains `tasks`: processes that claim, run and settle through one primary.

    The primary is a queue before its cores, then one before its log, where a flush serves all who wait. A process
    claims the next batch while it runs the present one, as a worker does.
    """
    chance = random.Random(seed)
    cores = [0.0] * machines.cores
    free = [0.0] * machines.processes
    log_free = end = 0.0
    left = tasks
    share = costs.database_us * 1e-6 * batch / 2  # a claim and a settlement, each half of it
    write = max(costs.wal_bytes / machines.wal_bandwidth, costs.serial_us * 1e-6) * batch / 2
    events = [(0.0, number, "claim") for number in range(machines.processes)]
    while events:
        at, number, step = heapq.heappop(events)
        if step == "run":
            begin = max(at, free[number], cores[0] if machines.shared else 0.0)
            free[number] = begin + costs.worker_us * 1e-6 * batch * chance.uniform(0.9, 1.1)
            if machines.shared:
                heapq.heapreplace(cores, free[number])
            heapq.heappush(events, (free[number], number, "settle"))
            heapq.heappush(events, (begin, number, "claim"))
            continue
        if step == "claim" and left <= 0:
            continue
        served = max(at, cores[0]) + share * chance.uniform(0.8, 1.2)
        heapq.heapreplace(cores, served)
        log_free = max(log_free, served) + write
        if step == "claim":
            left -= batch
            heapq.heappush(events, (log_free, number, "run"))
        else:
            end = max(end, log_free + machines.flush_seconds)
    return tasks / end


def deviation(costs: Costs, machines: Machines) -> float:
    """By how much the simulation differs from the model, as a share of the model."""
    expected = throughput(costs, machines)
    return abs(simulate(costs, machines, tasks=int(expected * 20)) - expected) / expected


SIZES = {
    "2 cores for everything": Machines(cores=2, wal_bandwidth=100e6, processes=2, shared=True),
    "2 cores, workers elsewhere": Machines(cores=2, wal_bandwidth=100e6, processes=4),
    "8 cores": Machines(cores=8, wal_bandwidth=250e6, processes=16),
    "16 cores": Machines(cores=16, wal_bandwidth=500e6, processes=32),
    "32 cores, local NVMe": Machines(cores=32, wal_bandwidth=1000e6, processes=64),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="bench.capacity")
    defaults = Costs()
    for name, value in defaults.__dict__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    costs = replace(defaults, **vars(parser.parse_args()))
    print("| primary | tasks/s | held up by | simulated | WAL, MB/s | stored a day, GB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, machines in SIZES.items():
        parts = limits(costs, machines)
        rate = min(parts.values())
        first = min(parts, key=lambda part: parts[part])
        simulated = simulate(costs, machines, tasks=int(rate * 20))
        wal, stored = rate * costs.wal_bytes / 1e6, rate * 86_400 * costs.stored_bytes / 1e9
        print(f"| {name} | {rate:,.0f} | {first} | {simulated:,.0f} | {wal:,.0f} | {stored:,.0f} |")


if __name__ == "__main__":
    main()
