"""`python -m bench.events [--tasks N]`: events on their way out to brokers that it starts; what a broker away costs.

A task has three events. The relay is measured by itself: from a feed that is there to the broker's acknowledgement;
beside it, what the client alone hands over of as many messages of that size, as much at once.
Of a broker that is away it measures what ten minutes cost, on a clock that is moved: a turn of the relay every 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import structlog
from aiokafka import AIOKafkaProducer
from tests.connectors.far_sqs import REGION, FarSqs
from tests.servers.brokers import KAFKA, SQS, SQS_ENVIRONMENT
from tests.servers.program import running

from bench import report
from bench.report import Figure
from taskyard import Taskyard
from taskyard.calls.breakers import Circuit
from taskyard.calls.together import together
from taskyard.connectors.kafka import KafkaConnector, KafkaOptions
from taskyard.connectors.sqs import SqsConnector, SqsOptions
from taskyard.contracts.clock import SystemClock
from taskyard.contracts.connector import Connector, Message, Received, Refusal
from taskyard.domain.window import BREAKER
from taskyard.runtime.relay import READER, Relay
from taskyard.settings import load
from taskyard.testing.clock import ManualClock

_BODY = b"x" * 500
_AT_ONCE = 500


class Nowhere:
    """Takes everything at once: what is left is the relay's own work."""

    name: str = "nowhere"
    sends: bool = True
    receives: bool = False

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        return [None] * len(messages)

    async def receive(self) -> list[Received]:
        return []

    async def extend(self, received: Sequence[Received]) -> None: ...

    async def acknowledge(self, received: Sequence[Received]) -> None: ...

    async def release(self, received: Sequence[Received]) -> None: ...

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


async def bare_kafka(address: str, messages: int, *, idempotent: bool) -> float:
    """Messages a second of aiokafka alone."""
    async with AIOKafkaProducer(
        bootstrap_servers=address, enable_idempotence=idempotent, acks="all", max_batch_size=1 << 18
    ) as producer:
        await producer.send_and_wait("bare", _BODY)
        began = time.monotonic()
        for start in range(0, messages, _AT_ONCE):
            keys = [str(number).encode() for number in range(start, start + _AT_ONCE)]
            await asyncio.gather(*[await producer.send("bare", _BODY, key=key) for key in keys])
        return messages / (time.monotonic() - began)


async def bare_sqs(far: FarSqs, messages: int) -> float:
    """Messages a second of aiobotocore alone, ten a call, eight calls at once."""

    def entry(number: int) -> dict[str, str]:
        text = str(number)
        grouped = {"MessageGroupId": text, "MessageDeduplicationId": text} if far.ordered else {}
        return {"Id": str(number % 10), "MessageBody": _BODY.decode(), **grouped}

    async with far.client() as client:
        calls = [
            partial(client.send_message_batch, QueueUrl=far.queue_in, Entries=[entry(start + k) for k in range(10)])
            for start in range(0, messages, 10)
        ]
        began = time.monotonic()
        await together(calls, 8)
        return messages / (time.monotonic() - began)


async def drain(yard: Taskyard, make: Callable[[], Connector]) -> tuple[float, float]:
    """Events a second, and a second of this process' CPU, of one relay that begins at the feed's beginning."""
    store, connector = yard.engine.store, make()
    await store.move_reader(READER, await store.reader_position(READER), 0)
    end = await store.feed_end()
    relay = Relay(yard.engine, connector, Circuit(f"connector:{connector.name}", BREAKER, SystemClock()))
    began, used = time.monotonic(), time.process_time()
    while (await store.reader_position(READER) or 0) < end:
        await relay.turn()
    took, used = time.monotonic() - began, time.process_time() - used
    await connector.close()
    return relay.sent / took, relay.sent / used


async def fill(yard: Taskyard, tasks: int) -> None:
    """Have so many tasks run, by a worker here."""
    async with yard.worker(concurrency=16):
        for start in range(0, tasks, 500):  # who waits costs as much as the tasks, so few do
            inputs = [{"number": n} for n in range(start, min(tasks, start + 500))]
            await asyncio.gather(*(run.result() for run in await yard.start_many("nothing", inputs)))


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
        say(f"{tasks} tasks run, whose events are to go out")
        await fill(yard, tasks)
        found: list[Figure] = []

        async def measure(title: str, make: Callable[[], Connector], bare: float | None = None) -> None:
            rate, by_cpu = await drain(yard, make)
            say(f"{title}: {rate:,.0f} events/s")
            beside = "" if bare is None else f"; the client alone {bare:,.0f}, {rate / bare:.2f} of it"
            found.append((title, rate, f"events/s by the clock; {by_cpu:,.0f} for each second of CPU{beside}"))

        await measure("the relay alone", Nowhere)
        for name, program in KAFKA.items():
            server = stack.enter_context(running(program))
            idempotent = name != "tansu"
            kafka = KafkaOptions((server.address,), (), ("out",), idempotent=idempotent)
            bare = await bare_kafka(server.address, 3 * tasks, idempotent=idempotent)
            await measure(f"Kafka out ({name})", partial(KafkaConnector, kafka), bare)
        server = stack.enter_context(running(SQS["ministack"], SQS_ENVIRONMENT))
        for kind in ("standard", "fifo"):
            far = FarSqs(server, f"bench-{kind}", fifo=kind == "fifo")
            await far.prepare()
            sqs = SqsOptions(REGION, far.queue_out, far.queue_out)
            bare = await bare_sqs(far, 3 * tasks)
            await measure(f"SQS out, {kind} (MiniStack)", partial(SqsConnector, sqs), bare)
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
    """What a broker that is away costs those who execute tasks: rounds with and without, one after the other."""
    away = {"TASKYARD_CONNECTOR": "kafka", "KAFKA_BROKERS": ("127.0.0.1:1",), "TASKYARD_KAFKA_TOPICS_IN": ()}
    await execute(tasks)  # what is only done once has been done
    without: list[tuple[float, float]] = []
    during: list[tuple[float, float]] = []
    for number in range(rounds):
        say(f"a broker that is away, pair {number + 1} of {rounds}")
        for changes, measured in ((({}, without), (away, during)), ((away, during), ({}, without)))[number % 2]:
            measured.append(await execute(tasks, **changes))
    return [
        _executed("tasks executed, no connector", without),
        _executed("tasks executed, broker away", during),
        ("cost of the broker being away, by CPU", _cost(without, during, 1), f"%, median of {rounds} pairs"),
        ("cost of the broker being away, by the clock", _cost(without, during, 0), f"%, median of {rounds} pairs"),
    ]


def _executed(title: str, measured: list[tuple[float, float]]) -> Figure:
    wall, cpu = (statistics.median(each) for each in zip(*measured, strict=True))
    return title, wall, f"tasks/s; {cpu:,.0f} for each second of CPU"


def _cost(without: list[tuple[float, float]], during: list[tuple[float, float]], which: int) -> float:
    pairs = zip(without, during, strict=True)
    return 100 * (1 - statistics.median(away[which] / plain[which] for plain, away in pairs))


def say(what: str) -> None:
    """Show how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.events")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    command = f"python -m bench.events --tasks {options.tasks} --rounds {options.rounds}"
    before = report.load()
    found = asyncio.run(all_figures(options.tasks, options.rounds))
    report.write("events", "Events on their way out", command, before, found)


async def all_figures(tasks: int, rounds: int) -> list[Figure]:
    """Everything, one after the other."""
    return await brokers(tasks) + await ten_minutes(tasks) + await outage(tasks // 2, rounds)


if __name__ == "__main__":
    main()
