"""The Kafka connector: a producer and a consumer that know nothing of each other."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.connectors.kafka.consumer import Consumer
from taskyard.connectors.kafka.options import KafkaOptions
from taskyard.connectors.kafka.producer import Producer
from taskyard.contracts.connector import Away, Message, Received, Refusal


class KafkaConnector:
    """Events of one task go to one partition, for their key is the task's id. See the contract."""

    name = "kafka"

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer = Producer(options)
        self._consumer = Consumer(options)
        self.sends = bool(options.topics_out)
        self.receives = bool(options.topics_in)

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """See the contract."""
        return await self._producer.publish(messages)

    async def receive(self) -> list[Received]:
        """See the contract."""
        return await self._consumer.receive()

    async def extend(self, received: Sequence[Received]) -> None:
        """See the contract. A member of the group keeps its partitions as long as it lives."""

    async def acknowledge(self, received: Sequence[Received]) -> None:
        """See the contract."""
        await self._consumer.acknowledge(received)

    async def release(self, received: Sequence[Received]) -> None:
        """See the contract."""
        self._consumer.release(received)

    async def check(self) -> str:
        """See the contract. A topic that is missing may be made by who first writes to it."""
        known = await self._producer.partitions()
        wanted = (*self._options.topics_in, *self._options.topics_out)
        missing = [topic for topic in wanted if topic not in known]
        if missing:
            raise Away(f"the topics {', '.join(missing)} are not there; create them")
        return ", ".join(f"{topic} with {known[topic]} partitions" for topic in wanted)

    async def close(self) -> None:
        """See the contract."""
        await self._consumer.close()
        await self._producer.close()
