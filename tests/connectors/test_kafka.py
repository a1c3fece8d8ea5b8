"""The Kafka connector against two brokers that speak its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from taskyard.calls import kafka
from taskyard.connectors.kafka import KafkaConnector
from taskyard.connectors.kafka.options import KafkaOptions
from taskyard.connectors.kafka.producer import Producer
from taskyard.contracts.connector import Message
from taskyard.testing.conformance.connector import *  # noqa: F403 - its tests run here
from tests.connectors.far_kafka import FarKafka
from tests.servers.brokers import KAFKA
from tests.servers.program import Program, running
from tests.support import eventually

__all__ = ["far"]


@pytest.fixture(scope="module", params=sorted(KAFKA))
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[str, Program]]:
    with running(KAFKA[request.param]) as server:
        yield request.param, server


@pytest.fixture
def far(broker: tuple[str, Program]) -> FarKafka:
    name, server = broker
    return FarKafka(server, f"t{uuid.uuid4().hex[:8]}", idempotent=name != "tansu")


class Batch(list[Message]):
    """A dozen messages at most."""

    def append(self, *, timestamp: None, key: bytes, value: bytes, headers: Sequence[object]) -> object:  # type: ignore[override]  # as aiokafka has it
        del timestamp, headers
        if len(self) == 12:
            return None
        super().append(Message(key.decode(), "", value))
        return self


class Strict(Producer):
    """Its cluster refuses what `refuses` says, a moment later."""

    def __init__(self, partitions: int, refuses: Callable[[Batch], bool]) -> None:
        super().__init__(KafkaOptions(("nowhere:9092",), topics_out=("out",)))
        self.partitions_for = AsyncMock(return_value=set(range(partitions)))
        self.create_batch = Batch
        self.refuses = refuses
        self.sends = 0
        self.taken: list[Message] = []

    async def _connected(self) -> Any:
        return self

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Task[None]:
        del topic, partition
        self.sends += 1
        return asyncio.create_task(self.answer(batch))

    async def answer(self, batch: Batch) -> None:
        await asyncio.sleep(0)
        if self.refuses(batch):
            raise MessageSizeTooLargeError
        self.taken.extend(batch)


async def test_a_message_that_is_refused_is_found_in_a_few_sends() -> None:
    producer = Strict(1, lambda batch: any(each.key == "bad" for each in batch))
    keys = [*["good"] * 400, "bad", *["good"] * 99]
    answers = await producer.publish([Message(key, str(k), b"") for k, key in enumerate(keys)])
    assert [answer is not None for answer in answers] == [key == "bad" for key in keys]
    assert producer.sends < 42 + 10


async def test_the_order_of_a_key_is_kept_where_batches_are_refused() -> None:
    producer = Strict(1, lambda batch: len(batch) > 5)
    await producer.publish([Message("task-1", str(k), b"%d" % k) for k in range(30)])
    assert [int(each.body) for each in producer.taken] == list(range(30))


async def test_partitions_do_not_wait_for_one_another() -> None:
    class Slow(Strict):
        async def answer(self, batch: Batch) -> None:
            await eventually(lambda: self.sends == len(keys))
            await super().answer(batch)

    producer = Slow(8, lambda _: False)
    keys = ("a", "c", "d")
    where = {DefaultPartitioner()(key.encode(), list(range(8)), []) for key in keys}
    assert len(where) == len(keys)
    assert await producer.publish([Message(key, key, b"") for key in keys]) == [None] * len(keys)


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Who was closed within has no task and no socket any more, and no failure that nobody was told of."""
    gc.collect()
    tasks, sockets, untold = asyncio.all_tasks(), open_sockets(), untold_failures()
    yield
    assert not asyncio.all_tasks() - tasks
    assert not open_sockets() - sockets
    assert not untold_failures() - untold


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "GRACE", 0.2)


def open_sockets() -> set[tuple[int, str]]:
    found = (one for one in gc.get_objects() if isinstance(one, socket.socket) and one.fileno() >= 0)
    return {(one.fileno(), str(one.getsockname())) for one in found}


def untold_failures() -> set[int]:
    """What asyncio will complain of once it is collected; those of streams, which asyncio itself quiets, are not."""
    found = (one for one in gc.get_objects() if isinstance(one, asyncio.Future))
    return {id(one) for one in found if one._log_traceback and isinstance(one._exception, KafkaError)}


async def ended(task: asyncio.Task[object]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.usefixtures("impatient")
async def test_a_producer_that_is_closed_amid_an_outage_sends_nothing_later(far: FarKafka) -> None:
    far.options = far.options._replace(patience=30.0)
    with nothing_left():
        connector = far.connect()
        assert await connector.publish([Message("k", "1", b"before")]) == [None]
        async with far.away():
            publishing = asyncio.create_task(connector.publish([Message("k", "2", b"late")]))
            await eventually(lambda: on_their_way(connector))
            await ended(publishing)
            await connector.close()
    connector = far.connect()

    async def is_sent() -> bool:
        return await connector.publish([Message("k", "3", b"after")]) == [None]

    await eventually(is_sent)
    bodies: list[bytes] = []
    while b"after" not in bodies:
        bodies += [one.body for one in await far.arrived(1)]
    assert b"late" not in bodies
    await connector.close()


def on_their_way(connector: KafkaConnector) -> bool:
    producer = connector._producer._producer
    if producer is None:
        return False
    accumulator = producer.client._message_accumulator
    return bool(accumulator._batches or accumulator._pending_batches)


@pytest.mark.usefixtures("impatient")
async def test_a_consumer_that_is_closed_amid_an_outage_leaves_nothing(far: FarKafka) -> None:
    await far.put([b"hello"], "lane")
    with nothing_left():
        connector = far.connect()
        async with asyncio.timeout(30):
            while not await connector.receive():
                pass
        async with far.away():
            receiving = asyncio.create_task(connector.receive())
            await asyncio.sleep(0)
            await ended(receiving)
            await connector.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", ["receive", "check"])
async def test_who_could_not_connect_leaves_nothing(what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        port = silent.getsockname()[1]
        with nothing_left():
            connector = KafkaConnector(KafkaOptions((f"127.0.0.1:{port}",), ("in",), ("out",), patience=30.0))
            calling = asyncio.create_task(getattr(connector, what)())
            called, _ = await asyncio.get_running_loop().sock_accept(silent)
            await ended(calling)
            await connector.close()
            called.close()
