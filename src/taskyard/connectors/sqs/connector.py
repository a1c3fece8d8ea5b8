"""The SQS connector, for FIFO and standard queues."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from taskyard.connectors.sqs.options import AT_ONCE, SqsOptions, reaching
from taskyard.connectors.sqs.sending import send
from taskyard.contracts.connector import Away, Message, Received, Refusal

VISIBILITY = 60
"""Seconds that a message is hidden from others, unless it is extended."""
_CLOSING = 2.0
_WAIT = 5
"""Seconds that SQS is asked to wait for a message; whoever stops waits as long."""


class SqsConnector:
    """To a FIFO queue go the events of one task as one group, each under its id; standard queues keep no order.

    See the contract.
    """

    name = "sqs"

    def __init__(self, options: SqsOptions, *, visibility: int = VISIBILITY, wait: int = _WAIT) -> None:
        self._options = options.check()
        self._visibility = visibility
        self._wait = wait
        self._client: Any = None
        self._stack = contextlib.AsyncExitStack()
        self._connecting = asyncio.Lock()
        self.sends = bool(options.queue_out)
        self.receives = bool(options.queue_in)

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """See the contract."""
        return await send(await self._connected(), self._options.queue_out, messages)

    async def receive(self) -> list[Received]:
        """See the contract. SQS answers, and hides what it answers, also when nobody waits for that any more."""
        polling = asyncio.create_task(self._poll())
        try:
            return await asyncio.shield(polling)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):  # whatever comes of it, the waiting is over
                async with asyncio.timeout(self._wait + _CLOSING):
                    await self.release(await polling)
            raise

    async def _poll(self) -> list[Received]:
        client = await self._connected()
        async with reaching():
            answer = await client.receive_message(
                QueueUrl=self._options.queue_in,
                MaxNumberOfMessages=AT_ONCE,
                WaitTimeSeconds=self._wait,
                VisibilityTimeout=self._visibility,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [_received(message) for message in answer.get("Messages", ())]

    async def extend(self, received: Sequence[Received]) -> None:
        """See the contract."""
        await self._hide(received, self._visibility)

    async def acknowledge(self, received: Sequence[Received]) -> None:
        """See the contract. One that somebody else has got meanwhile is theirs to acknowledge."""
        client = await self._connected()
        for batch in _batches(received):
            entries = [{"Id": str(k), "ReceiptHandle": one.receipt} for k, one in enumerate(batch)]
            async with reaching():
                await client.delete_message_batch(QueueUrl=self._options.queue_in, Entries=entries)

    async def release(self, received: Sequence[Received]) -> None:
        """See the contract."""
        with contextlib.suppress(Away):  # else they come again when their time is up
            await self._hide(received, 0)

    async def check(self) -> str:
        """See the contract."""
        client = await self._connected()
        found = []
        for queue in filter(None, (self._options.queue_in, self._options.queue_out)):
            async with reaching():
                answer = await client.get_queue_attributes(
                    QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
                )
            waiting = answer.get("Attributes", {}).get("ApproximateNumberOfMessages", "?")
            found.append(f"{queue.rpartition('/')[2]} with {waiting} messages")
        return ", ".join(found)

    async def close(self) -> None:
        """See the contract."""
        self._client = None
        await self._stack.aclose()

    async def _hide(self, received: Sequence[Received], seconds: int) -> None:
        client = await self._connected()
        for batch in _batches(received):
            entries = [
                {"Id": str(k), "ReceiptHandle": one.receipt, "VisibilityTimeout": seconds}
                for k, one in enumerate(batch)
            ]
            async with reaching():
                await client.change_message_visibility_batch(QueueUrl=self._options.queue_in, Entries=entries)

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                async with reaching():
                    self._client = await self._stack.enter_async_context(self._options.client())
            return self._client


def _received(message: dict[str, Any]) -> Received:
    headers = {
        name: str(each["StringValue"])
        for name, each in message.get("MessageAttributes", {}).items()
        if "StringValue" in each
    }
    lane = message.get("Attributes", {}).get("MessageGroupId") or message["MessageId"]
    body = str(message.get("Body", "")).encode("utf-8", "surrogatepass")
    return Received(message["MessageId"], lane, "", body, headers, message["ReceiptHandle"])


def _batches(received: Sequence[Received]) -> list[Sequence[Received]]:
    return [received[k : k + AT_ONCE] for k in range(0, len(received), AT_ONCE)]
