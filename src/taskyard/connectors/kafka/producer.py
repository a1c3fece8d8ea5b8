"""Sending to Kafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from taskyard.connectors.kafka.options import KafkaOptions, away
from taskyard.contracts.connector import Message, Refusal

_REFUSED = (
    kafka.MessageSizeTooLargeError,
    kafka.RecordTooLargeError,
    kafka.RecordListTooLargeError,
    kafka.InvalidMessageError,
    kafka.CorruptRecordException,
    kafka.InvalidTimestampError,
    kafka.PolicyViolationError,
    kafka.UnsupportedForMessageFormatError,
)
"""What the message is to blame for, rather than the cluster."""
_CLOSING = 5.0
_BATCH = 256 * 1024
"""Bytes that go to a partition at once; brokers take 1 MiB unless they are told otherwise."""


class Producer:
    """Sends messages; connects when it first has to, and anew after a failure."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """See the contract. The cluster refuses whole batches: of those that were, each is tried by itself."""
        try:
            async with asyncio.timeout(2 * self._options.patience):
                answers = await self._send(messages)
                refused = [k for k, answer in enumerate(answers) if answer is not None]
                for k in refused if len(messages) > 1 else ():
                    answers[k] = (await self._send([messages[k]]))[0]
                return answers
        except (kafka.KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise away(error) from error

    async def partitions(self) -> dict[str, int]:
        """How many partitions each of the cluster's topics has. Raises Away."""
        try:
            async with asyncio.timeout(self._options.patience):
                cluster = await (await self._connected()).client.fetch_all_metadata()
                return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}
        except (kafka.KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise away(error) from error

    async def close(self) -> None:
        """Disconnect; what could not be sent by then is not."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(kafka.KafkaError, TimeoutError, OSError):
                async with asyncio.timeout(_CLOSING):
                    await producer.stop()

    async def _send(self, messages: Sequence[Message]) -> list[Refusal | None]:
        producer = await self._connected()
        answers: list[Refusal | None] = [None] * len(messages)
        sent: list[tuple[int, asyncio.Future[object]]] = []
        for k, message in enumerate(messages):
            try:
                sent += [(k, future) for future in await self._hand_in(producer, message)]
            except _REFUSED as error:
                answers[k] = Refusal(_told(error))
        results = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
        for (k, _), result in zip(sent, results, strict=True):
            if isinstance(result, _REFUSED):
                answers[k] = Refusal(_told(result))
            elif isinstance(result, BaseException):
                raise result
        return answers

    async def _hand_in(self, producer: AIOKafkaProducer, message: Message) -> list[asyncio.Future[object]]:
        headers = [(name, value.encode()) for name, value in message.headers]
        key = message.key.encode()
        return [
            await producer.send(topic, message.body, key=key, headers=headers) for topic in self._options.topics_out
        ]

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._options.client(self._options.patience),
                enable_idempotence=self._options.idempotent,
                acks="all",
                max_batch_size=_BATCH,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
