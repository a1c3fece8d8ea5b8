"""Receiving from Kafka. An offset is committed when all before it is done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka import errors as kafka

from taskyard.calls.kafka import Attached
from taskyard.connectors.kafka.options import LONGEST, KafkaOptions, away
from taskyard.contracts.connector import Received

_AT_ONCE = 200
_WAIT_MS = 1000
_ANOTHERS = (
    kafka.CommitFailedError,
    kafka.IllegalGenerationError,
    kafka.IllegalStateError,
    kafka.RebalanceInProgressError,
    kafka.UnknownMemberIdError,
)
"""What says that the partition is another consumer's by now."""

log = structlog.get_logger("taskyard.kafka")


class Consumer:
    """One member of the group; connects when it first has to, and anew after a failure."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._consumer: Attached[AIOKafkaConsumer] | None = None

    async def receive(self) -> list[Received]:
        """See the contract."""
        try:
            consumer = await self._connected()
            found = await consumer.getmany(timeout_ms=_WAIT_MS, max_records=_AT_ONCE)
        except (kafka.KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise away(error) from error
        return [_received(record) for records in found.values() for record in records]

    async def acknowledge(self, received: Sequence[Received]) -> None:
        """See the contract. Where another has taken over, it gets them again."""
        offsets: dict[TopicPartition, int] = {}
        for one in received:
            partition, offset = one.receipt
            offsets[partition] = max(offsets.get(partition, 0), offset + 1)
        if self._consumer is None or not offsets:
            return
        try:
            async with asyncio.timeout(LONGEST):
                await self._consumer.client.commit(offsets)
        except _ANOTHERS as error:
            log.info("messages were acknowledged too late; they come again", reason=str(error))
        except (kafka.KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise away(error) from error

    def release(self, received: Sequence[Received]) -> None:
        """See the contract: reading goes on at the first of them."""
        if self._consumer is None:
            return
        first: dict[TopicPartition, int] = {}
        for one in received:
            partition, offset = one.receipt
            first[partition] = min(first.get(partition, offset), offset)
        for partition, offset in first.items():
            with contextlib.suppress(kafka.IllegalStateError):
                self._consumer.client.seek(partition, offset)

    async def close(self) -> None:
        """Leave the group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = Attached(
                AIOKafkaConsumer(
                    *self._options.topics_in,
                    **self._options.client(),
                    group_id=self._options.group,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level="read_committed",
                )
            )
            async with asyncio.timeout(LONGEST):
                await consumer.start()
            self._consumer = consumer
        return self._consumer.client


def _received(record: ConsumerRecord[bytes, bytes]) -> Received:
    partition = TopicPartition(record.topic, record.partition)
    headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
    lane = f"{record.topic}:{record.partition}"
    receipt = (partition, record.offset)
    return Received(f"{lane}:{record.offset}", lane, record.topic, record.value or b"", headers, receipt)
