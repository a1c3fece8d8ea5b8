"""Amazon SQS, and what speaks its protocol."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from taskyard.calls.sqs import LARGEST, REFUSED, attributes, told
from taskyard.contracts.integration import OperationFailed
from taskyard.errors import ValidationFailed
from taskyard.executors.integration import aws
from taskyard.executors.integration.house import House
from taskyard.executors.integration.queues.shapes import QueueSecrets, QueueSettings, Sent, no_reply, too_large


class Sqs:
    """A client. To a FIFO queue goes one message a task, however often it is sent within five minutes."""

    def __init__(self, settings: QueueSettings, secrets: QueueSecrets, house: House) -> None:
        self._settings, self._secrets, self._house = settings, secrets, house
        self._stack = contextlib.AsyncExitStack()
        self._opening = asyncio.Lock()
        self._client: Any = None
        self._urls: dict[str, str] = {}
        self.label = urlsplit(settings.endpoint).hostname or f"SQS in {settings.region}"

    async def send(self, message: Sent) -> dict[str, Any]:
        """See the protocol."""
        headers = {**message.headers, "contentType": message.media_type, "id": message.id}
        weight = len(message.content) + sum(len(name) + len(value) + 6 for name, value in headers.items())
        if weight > LARGEST:
            raise too_large(message, f"{LARGEST} with its attributes")
        entry: dict[str, Any] = {"MessageBody": _text(message.content), "MessageAttributes": attributes(headers)}
        if message.destination.endswith(".fifo"):
            entry |= {"MessageGroupId": message.key or message.id, "MessageDeduplicationId": message.id}
        client = await self._opened()
        with aws.telling(message.destination):
            url = await self._url(client, message.destination)
            try:
                answer = await client.send_message(QueueUrl=url, **entry)
            except ClientError as error:
                reason = error.response.get("Error", {})
                if reason.get("Code") not in REFUSED:
                    raise
                raise OperationFailed(
                    f"SQS refuses the message: {told(reason)}", error_code="VALIDATION_ERROR", retryable=False
                ) from None
        return {"messageId": answer["MessageId"], "sequenceNumber": answer.get("SequenceNumber")}

    async def request(self, message: Sent) -> bytes:
        """See the protocol."""
        del message
        raise no_reply("SQS")

    async def test(self) -> None:
        """See the protocol."""
        client = await self._opened()
        with aws.telling(self.label):
            await client.list_queues(MaxResults=1)

    async def close(self) -> None:
        """See the protocol."""
        self._client = None
        await self._stack.aclose()

    async def _url(self, client: Any, destination: str) -> str:
        """The queue's address, which is asked for by its name."""
        if "/" in destination:
            return destination
        if destination not in self._urls:
            self._urls[destination] = (await client.get_queue_url(QueueName=destination))["QueueUrl"]
        return self._urls[destination]

    async def _opened(self) -> Any:
        settings = self._settings
        async with self._opening:
            if self._client is None:
                self._client = await self._stack.enter_async_context(
                    aws.client(
                        "sqs", settings.region, settings.endpoint, self._secrets, self._house, settings.authorities
                    )
                )
            return self._client


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValidationFailed("SQS takes texts only; send the body as json or text") from None
