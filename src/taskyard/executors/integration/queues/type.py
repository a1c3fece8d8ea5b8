"""The connection type `message-queue`."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any, Final

import msgspec

from taskyard.contracts.integration import Answer, Call, OpenConnection
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.house import House
from taskyard.executors.integration.queues.shapes import (
    Broker,
    QueueOperation,
    QueueSecrets,
    QueueSettings,
    Sent,
    late,
    too_large,
)
from taskyard.executors.integration.shape import ShapedType, fill, read

_TEST_SECONDS: Final = 15.0
_MEDIA: Final = {"json": "application/json", "text": "text/plain; charset=utf-8", "base64": "application/octet-stream"}


class MessageQueue(
    ShapedType[QueueSettings, QueueSecrets], name="message-queue", shapes=(QueueSettings, QueueSecrets, QueueOperation)
):
    """Each system with an extra of its name."""

    async def open(self, connection: OpenConnection) -> QueueLink:
        """See the contract. Nothing is connected to yet."""
        settings, secrets = self._read(connection)
        return QueueLink(_broker(settings, secrets, self._house), settings.max_message_bytes)


class QueueLink:
    """See the contract."""

    def __init__(self, broker: Broker, most_bytes: int) -> None:
        self._broker, self._most_bytes = broker, most_bytes

    def target(self, call: Call) -> str:
        """See the contract."""
        verb = "request" if call.operation.get("reply") else "publish"
        return f"{verb} {call.operation.get('destination', '')} on {self._broker.label}"

    async def call(self, call: Call) -> Answer:
        """See the contract."""
        operation = read(QueueOperation, call.operation, "operation")
        message = _message(operation, call)
        if len(message.content) > self._most_bytes:
            raise too_large(message, f"maxMessageBytes {self._most_bytes}")
        scope = asyncio.timeout(message.seconds)
        try:
            async with scope:
                if operation.reply:
                    reply = await self._broker.request(message)
                    return Answer(
                        "replied", _parsed(reply, operation.format), {}, len(message.content), bytes_in=len(reply)
                    )
                acknowledged = await self._broker.send(message)
        except TimeoutError:
            if not scope.expired():
                raise
            raise late(message.seconds) from None
        return Answer("acknowledged", acknowledged, acknowledged, bytes_out=len(message.content))

    async def test(self) -> None:
        """See the contract."""
        try:
            async with asyncio.timeout(_TEST_SECONDS):
                await self._broker.test()
        except TimeoutError:
            raise late(_TEST_SECONDS) from None

    async def close(self) -> None:
        """See the contract."""
        await self._broker.close()


def _broker(settings: QueueSettings, secrets: QueueSecrets, house: House) -> Broker:
    try:
        match settings.system:
            case "kafka":
                from taskyard.executors.integration.queues.kafka import Kafka

                return Kafka(settings, secrets, house)
            case "sqs":
                from taskyard.executors.integration.queues.sqs import Sqs

                return Sqs(settings, secrets, house)
            case "rabbitmq":
                from taskyard.executors.integration.queues.rabbitmq import RabbitMq

                return RabbitMq(settings, secrets, house)
            case "nats":
                from taskyard.executors.integration.queues.nats import Nats

                return Nats(settings, secrets, house)
        from taskyard.executors.integration.queues.redis import RedisStreams

        return RedisStreams(settings, secrets, house)
    except ImportError:
        raise ValidationFailed(f"settings: {settings.system} needs pip install 'taskyard[{settings.system}]'") from None


def _message(operation: QueueOperation, call: Call) -> Sent:
    headers = {name: fill(text, call.input) for name, text in operation.headers.items()}
    if call.traceparent:
        headers.setdefault("traceparent", call.traceparent)
    return Sent(
        fill(operation.destination, call.input, _one_word),
        fill(operation.key, call.input),
        headers,
        _content(call.body, operation.format),
        _MEDIA[operation.format],
        call.key,
        min(operation.timeout or call.deadline, call.deadline),
    )


def _one_word(text: str) -> bool:
    """Whether the text may be part of a topic's or subject's name, and of one alone."""
    return text.isprintable() and not any(letter in text for letter in " ,*>/{}")


def _content(body: Any, form: str) -> bytes:
    if form == "json":
        return msgspec.json.encode(body)
    if not isinstance(body, str):
        raise ValidationFailed(f"the body must be a text to be sent as {form}; map it, or send it as json")
    if form == "text":
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise ValidationFailed("the body is no base64") from None


def _parsed(reply: bytes, form: str) -> Any:
    if form == "base64":
        return base64.b64encode(reply).decode()
    if form == "json":
        try:
            return msgspec.json.decode(reply)
        except msgspec.DecodeError:
            pass
    return reply.decode(errors="replace")
