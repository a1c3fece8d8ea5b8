"""The far side of Kafka, seen through a client of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from taskyard.connectors.kafka import KafkaConnector, KafkaOptions
from taskyard.testing.conformance.connector.far import Arrived
from tests.servers.program import Program

PATIENCE = 60.0


class FarKafka:
    """Two topics of one broker."""

    ordered = True
    too_large = 3_000_000

    def __init__(self, server: Program, name: str, *, idempotent: bool, options: dict[str, Any] | None = None) -> None:
        self.server = server
        self.topic_in, self.topic_out = f"{name}.in", f"{name}.out"
        self._seen: dict[tuple[str, int], int] = {}
        self.options = KafkaOptions(
            ("127.0.0.1:1", server.address),
            (self.topic_in,),
            (self.topic_out,),
            group=name,
            idempotent=idempotent,
            patience=4.0,
        )._replace(**(options or {}))

    def connect(self) -> KafkaConnector:
        return KafkaConnector(self.options)

    async def arrived(self, count: int) -> list[Arrived]:
        consumer = AIOKafkaConsumer(
            self.topic_out, bootstrap_servers=self.server.address, auto_offset_reset="earliest", **self.client()
        )
        await consumer.start()
        found: list[Arrived] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while len(found) < count:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += [self._arrived(record) for record in records if self._is_new(record)]
        finally:
            await consumer.stop()
        return found

    async def put(self, bodies: list[bytes], lane: str) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.server.address, **self.client())
        await producer.start()
        try:
            for body in bodies:
                await producer.send_and_wait(self.topic_in, body, key=lane.encode())
        finally:
            await producer.stop()

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.server.kill()
        self._seen.clear()
        yield
        await asyncio.to_thread(self.server.start)

    def client(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.options.client().items()
            if name in ("security_protocol", "ssl_context") or name.startswith("sasl")
        }

    def _is_new(self, record: Any) -> bool:
        partition = (record.topic, record.partition)
        if record.offset < self._seen.get(partition, 0):
            return False
        self._seen[partition] = record.offset + 1
        return True

    @staticmethod
    def _arrived(record: Any) -> Arrived:
        return Arrived(record.value, {name: value.decode() for name, value in record.headers})
