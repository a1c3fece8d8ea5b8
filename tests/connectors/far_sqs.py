"""The far side of SQS, seen through a client of its own."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

from aiobotocore.session import get_session

from taskyard.connectors.sqs import SqsConnector, SqsOptions
from taskyard.testing.conformance.connector.far import Arrived
from tests.servers.program import Program

PATIENCE = 60.0
REGION = "eu-central-1"


class FarSqs:
    """Two queues of one SQS."""

    too_large = 1_100_000

    def __init__(self, server: Program, name: str, *, fifo: bool) -> None:
        self.server = server
        self.ordered = fifo
        self._fifo = fifo
        suffix = ".fifo" if fifo else ""
        self._names = [f"{name}-in{suffix}", f"{name}-out{suffix}"]
        self.queue_in = self.queue_out = ""

    async def prepare(self) -> None:
        attributes = {"FifoQueue": "true"} if self._fifo else {}
        async with self.client() as client:
            urls = [
                (await client.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"] for name in self._names
            ]
        self.queue_in, self.queue_out = (f"http://{self.server.address}/{url.split('/', 3)[3]}" for url in urls)

    def connect(self) -> SqsConnector:
        return SqsConnector(SqsOptions(REGION, self.queue_in, self.queue_out), wait=1)

    async def arrived(self, count: int) -> list[Arrived]:
        found: list[Arrived] = []
        async with self.client() as client, asyncio.timeout(PATIENCE):
            while len(found) < count:
                answer = await client.receive_message(
                    QueueUrl=self.queue_out, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
                )
                for message in answer.get("Messages", ()):
                    attributes = message.get("MessageAttributes", {})
                    headers = {name: each["StringValue"] for name, each in attributes.items()}
                    found.append(Arrived(message["Body"].encode(), headers))
                    await client.delete_message(QueueUrl=self.queue_out, ReceiptHandle=message["ReceiptHandle"])
        return found

    async def put(self, bodies: list[bytes], lane: str) -> None:
        async with self.client() as client:
            for body in bodies:
                grouped = {"MessageGroupId": lane, "MessageDeduplicationId": uuid.uuid4().hex} if self._fifo else {}
                await client.send_message(QueueUrl=self.queue_in, MessageBody=body.decode(), **grouped)

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.server.kill()
        yield
        await asyncio.to_thread(self.server.start)
        await self.prepare()

    def client(self) -> Any:
        return get_session().create_client("sqs", region_name=REGION, endpoint_url=f"http://{self.server.address}")
