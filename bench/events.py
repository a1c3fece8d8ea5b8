"""`python -m bench.events [--tasks N]`: events on their way out to brokers that it starts; what a broker away costs.

A task has three events. The relay is measured by itself: from a feed that is there to the broker's acknowledgement.
Of a broker that is away it measures what ten minutes cost, on a clock that is moved: a turn of the relay every 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog
from tests.connectors.far_sqs import REGION, FarSqs
from tests.servers.brokers import KAFKA, SQS, SQS_ENVIRONMENT
from tests.servers.program import running

from bench import report
from bench.report import Figure
from taskyard import Taskyard
from taskyard.calls.breakers import Circuit
from taskyard.connectors.kafka import KafkaConnector, KafkaOptions
from taskyard.connectors.sqs import SqsConnector, SqsOptions
from taskyard.contracts.clock import SystemClock
from taskyard.contracts.connector import Connector, Message, Received, Refusal
from taskyard.domain.window import BREAKER
from taskyard.runtime.relay import READER, Relay
from taskyard.settings import load
from taskyard.testing.clock import ManualClock


class Nowhere:
    """Takes everything at once: what is left is the relay's own work."""

    name, sends, receives = "nowhere", True, False

    async def publish(self, messages: list[Message]) -> list[Refusal | None]:
        return [None] * len(messages)

    async def receive(self) -> list[Received]:
        return []

    async def extend(self, received: list[Received]) -> None: ...

    async def acknowledge(self, received: list[Received]) -> None: ...

    async def release(self, received: list[Received]) -> None: ...

    async def check(self) -> str:
        return ""

    async def close(self) -> None: ...


def make_yard(folder: str, **changes: object) -> Taskyard:
    """A yard on a file, with one task that does nothing."""
    settings = load({}).with_values(TASKYARD_DATA_DIR=folder, **changes)
    yard = Taskyard(f"sqlite:///{folder}/tasks.db", settings=settings)

    @yard.task
    async def nothing(number: int) -> None: ...

    return yard


async def drain(yard: Taskyard, make: Callable[[], Connector]) -> tuple[float, float]:
    """Events a second, and a second of this process' CPU, of one relay that begins at the feed's beginning."""
    store, connector = yard.engine.store, make()
    position = await store.reader_position(READER)
    await store.move_reader(READER, position, 0)
    end = await store.feed_end()
    relay = Relay(yard.engine, connector, Circuit(f"connector:{connector.name}", BREAKER, SystemClock()))
    began, used = time.monotonic(), time.process_time()
    while await store.reader_position(READER) != end:
        await relay.turn()
    took, used = time.monotonic() - began, time.process_time() - used
    await connector.close()
    return relay.sent / took, relay.sent / used


async def fill(yard: Taskyard, tasks: int) -> None:
    """Have so many tasks run, by a worker here."""
    async with yard.worker(concurrency=16):
        runs = []
        for start in range(0, tasks, 1000):
            runs += await yard.start_many("nothing", [{"number": n} for n in range(start, min(tasks, start + 1000))])
        await asyncio.gather(*(run.result() for run in runs))


async def execute(tasks: int, **changes: object) -> tuple[float, float]:
    """Tasks a second from the first submission to the last result, and a second of this process' CPU."""
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        yard = make_yard(folder, **changes)
        async with yard:
            began, used = time.monotonic(), time.process_time()
            await fill(yard, tasks)
            return tasks / (time.monotonic() - began), tasks / (time.process_time() - used)


async def brokers(tasks: int) -> list[Figure]:
    """The rates of each way out."""
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="taskyard-bench-"))
        yard = make_yard(folder)
        await stack.enter_async_context(yard)
        await fill(yard, tasks)
        found: list[Figure] = []

        async def measure(title: str, make: Callable[[], Connector]) -> None:
            rate, by_cpu = await drain(yard, make)
            found.append((title, rate, f"events/s; {by_cpu:,.0f} for each second of CPU"))

        await measure("the relay alone", Nowhere)
        for name, program in KAFKA.items():
            server = stack.enter_context(running(program))
            options = KafkaOptions((server.address,), (), ("out",), idempotent=name != "tansu")
            await measure(f"Kafka out ({name})", lambda o=options: KafkaConnector(o))
        server = stack.enter_context(running(SQS["ministack"], SQS_ENVIRONMENT))
        for kind in ("standard", "fifo"):
            far = FarSqs(server, f"bench-{kind}", fifo=kind == "fifo")
            await far.prepare()
            options = SqsOptions(REGION, far.queue_out, far.queue_out)
            await measure(f"SQS out, {kind} (MiniStack)", lambda o=options: SqsConnector(o))
        return found


async def ten_minutes(tasks: int) -> list[Figure]:
    """What a relay costs while Kafka is away, with the events of so many tasks waiting for it."""
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        yard, clock = make_yard(folder), ManualClock()
        async with yard:
            await fill(yard, tasks)
            store, connector = yard.engine.store, KafkaConnector(KafkaOptions(("127.0.0.1:1",), (), ("out",)))
            circuit = Circuit("connector:kafka", BREAKER, clock)
            relay = Relay(yard.engine, connector, circuit, now=lambda: clock.now() / 1e6)
            await store.move_reader(READER, None, 0)
            used = time.process_time()
            for _ in range(60_000):
                await relay.turn()
                clock.move(0.01)
            used = time.process_time() - used
            await connector.close()
    return [
        ("ten minutes of Kafka being away", 100 * used / 600, f"% of one core; {used:.2f} s of CPU in 60,000 turns")
    ]


async def outage(tasks: int, rounds: int) -> list[Figure]:
    """What a broker that is away costs those who execute tasks, in CPU: the best of some rounds with, and without."""
    away = {"TASKYARD_CONNECTOR": "kafka", "KAFKA_BROKERS": ("127.0.0.1:1",), "TASKYARD_KAFKA_TOPICS_IN": ()}
    without, during = [], []
    for _ in range(rounds):
        without.append(await execute(tasks))
        during.append(await execute(tasks, **away))
    by_cpu, by_cpu_away = (max(cpu for _, cpu in measured) for measured in (without, during))
    return [
        ("tasks executed, no connector", max(without)[0], f"tasks/s; {by_cpu:,.0f} for each second of CPU"),
        ("tasks executed, broker away", max(during)[0], f"tasks/s; {by_cpu_away:,.0f} for each second of CPU"),
        ("cost of the broker being away", 100 * (1 - by_cpu_away / by_cpu), "% of the CPU"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.events")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    command = f"python -m bench.events --tasks {options.tasks} --rounds {options.rounds}"
    before = report.load()
    found = asyncio.run(all_figures(options.tasks, options.rounds))
    report.write("events", "Events on their way out", command, before, found)


async def all_figures(tasks: int, rounds: int) -> list[Figure]:
    """Everything, one after the other."""
    return await brokers(tasks) + await ten_minutes(tasks) + await outage(tasks, rounds)


if __name__ == "__main__":
    main()
