"""Sending to Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from taskyard.calls.kafka import REFUSED, Attached
from taskyard.connectors.kafka.options import KafkaOptions, away
from taskyard.contracts.connector import Message, Refusal

_BATCH = 512 * 1024
"""Bytes that go to a partition at once; brokers take 1 MiB unless they are told otherwise."""

_LARGEST = (1 << 20) - 4096
"""Bytes of a message; what a batch adds to it has room in what brokers take."""
_PARTITIONER = DefaultPartitioner()


class _Lane(NamedTuple):
    """Where messages keep their order, and which of the messages go there."""

    topic: str
    partition: int
    wanted: list[int]


class Producer:
    """Sends messages; connects when it first has to, and anew after a failure."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer: Attached[AIOKafkaProducer] | None = None

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """See the contract. Partitions do not wait for one another; in each, a batch goes when that before it is done
        with. The cluster refuses whole batches: the halves of what it refused are tried each by itself, until each
        message that is refused was alone.
        """
        answers = [_refusal(message) for message in messages]
        try:
            async with asyncio.timeout(2 * self._options.patience):
                producer = await self._connected()
                lanes = [
                    lane
                    for topic in self._options.topics_out
                    for lane in await _lanes(
                        producer, topic, messages, [k for k, no in enumerate(answers) if no is None]
                    )
                ]
            ends = [self._in_order(producer, lane, messages, answers) for lane in lanes]
            for end in await asyncio.gather(*ends, return_exceptions=True):
                if end is not None:
                    raise end
        except (kafka.KafkaError, TimeoutError, OSError) as error:
            await self.close(at_once=True)
            raise away(error) from error
        return answers

    async def partitions(self) -> dict[str, int]:
        """How many partitions each of the cluster's topics has. Raises Away."""
        try:
            async with asyncio.timeout(self._options.patience):
                cluster = await (await self._connected()).client.fetch_all_metadata()
                return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}
        except (kafka.KafkaError, TimeoutError, OSError) as error:
            await self.close(at_once=True)
            raise away(error) from error

    async def close(self, *, at_once: bool = False) -> None:
        """Disconnect; what could not be sent by then, or a moment later unless `at_once`, never is."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop(at_once=at_once)

    async def _in_order(
        self, producer: AIOKafkaProducer, lane: _Lane, messages: Sequence[Message], answers: list[Refusal | None]
    ) -> None:
        """Hand them over in batches of our own making: that is a fraction of what the client takes one by one."""
        for batch, held in _batches(producer, lane, messages):
            try:
                async with asyncio.timeout(2 * self._options.patience):
                    await (await producer.send_batch(batch, lane.topic, partition=lane.partition))
            except REFUSED as error:
                if len(held) == 1:
                    answers[held[0]] = Refusal(_told(error))
                    continue
                half = len(held) // 2
                for part in (held[:half], held[half:]):
                    await self._in_order(producer, lane._replace(wanted=part), messages, answers)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = Attached(
                AIOKafkaProducer(
                    **self._options.client(self._options.patience),
                    enable_idempotence=self._options.idempotent,
                    acks="all",
                    max_batch_size=_BATCH,
                )
            )
            await producer.start()
            self._producer = producer
        return self._producer.client


async def _lanes(
    producer: AIOKafkaProducer, topic: str, messages: Sequence[Message], wanted: Sequence[int]
) -> list[_Lane]:
    """These of the messages in their order, by partition."""
    partitions = sorted(await producer.partitions_for(topic))
    lanes: dict[int, _Lane] = {}
    for k in wanted:
        partition = partitions[0] if len(partitions) == 1 else _PARTITIONER(messages[k].key.encode(), partitions, [])
        lanes.setdefault(partition, _Lane(topic, partition, [])).wanted.append(k)
    return list(lanes.values())


def _batches(
    producer: AIOKafkaProducer, lane: _Lane, messages: Sequence[Message]
) -> Iterator[tuple[BatchBuilder, list[int]]]:
    """The lane's messages, as many together as may be, and which they are."""
    batch, held = producer.create_batch(), list[int]()
    for k in lane.wanted:
        headers = [(name, value.encode()) for name, value in messages[k].headers]
        fields = {"timestamp": None, "key": messages[k].key.encode(), "value": messages[k].body, "headers": headers}
        if batch.append(**fields) is None:
            yield batch, held
            batch, held = producer.create_batch(), []
            batch.append(**fields)
        held.append(k)
    yield batch, held


def _refusal(message: Message) -> Refusal | None:
    size = len(message.body) + sum(len(name) + len(value) for name, value in message.headers)
    return Refusal(f"the message has {size} bytes, more than {_LARGEST}") if size > _LARGEST else None


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
