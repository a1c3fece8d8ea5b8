"""Kafka, and what speaks its protocol."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final, NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from taskyard.calls.kafka import REFUSED, Attached, Way, client_options, server, told
from taskyard.contracts.integration import OperationFailed
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.integration.house import House
from taskyard.executors.integration.queues.shapes import (
    QueueSecrets,
    QueueSettings,
    Sent,
    no_reply,
    not_let_in,
    too_large,
)
from taskyard.executors.integration.tls import context_for

_PATIENCE: Final = 10.0
_NOT_LET_IN: Final = (
    kafka.SaslAuthenticationFailed,
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.ClusterAuthorizationFailedError,
    kafka.UnsupportedSaslMechanismError,
)


class Kafka:
    """A producer. A message is acknowledged when all replicas that are in step have it."""

    def __init__(self, settings: QueueSettings, secrets: QueueSecrets, house: House) -> None:
        self._servers = settings.addresses()
        self._settings, self._secrets, self._house = settings, secrets, house
        self._tls = self._context(self._servers[0][0])
        self._opening = asyncio.Lock()
        self._producer: Attached[AIOKafkaProducer] | None = None
        self.label = settings.servers[0]

    async def send(self, message: Sent) -> dict[str, Any]:
        """See the protocol."""
        headers = message.headers | {"content-type": message.media_type, "id": message.id}
        used = None
        try:
            used = await self._started()
            sent = await used.client.send_and_wait(
                message.destination,
                message.content,
                key=message.key.encode() or None,
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
        except REFUSED as error:
            raise too_large(message, told(error)) from None
        except (kafka.KafkaError, OSError, TypeError, ValueError) as error:
            await self._fail(error, used)
        return {"topic": sent.topic, "partition": sent.partition, "offset": sent.offset, "timestamp": sent.timestamp}

    async def request(self, message: Sent) -> bytes:
        """See the protocol."""
        del message
        raise no_reply("Kafka")

    async def test(self) -> None:
        """See the protocol."""
        used = None
        try:
            used = await self._started()
            await used.client.client.fetch_all_metadata()
        except (kafka.KafkaError, OSError) as error:
            await self._fail(error, used)

    async def close(self) -> None:
        """See the protocol."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _started(self) -> Attached[AIOKafkaProducer]:
        async with self._opening:
            if self._producer is None:
                secrets = self._secrets
                producer = AIOKafkaProducer(
                    **client_options(
                        [server(host, port) for host, port in self._servers],
                        patience=_PATIENCE,
                        tls=self._tls,
                        mechanism=self._settings.mechanism,
                        username=secrets.username,
                        password=secrets.password,
                    ),
                    enable_idempotence=self._settings.idempotent,
                    acks="all",
                    max_request_size=2 * self._settings.max_message_bytes,  # which does not count what goes around it
                )
                attached = Attached(producer, Way(self._house.egress().guard.addresses, self._context))
                await attached.start()
                self._producer = attached
            return self._producer

    def _context(self, broker: str) -> ssl.SSLContext | None:
        """Each broker shows its own name; whether there is TLS is the same for all."""
        return context_for(self._settings, self._secrets, self._servers[0][0], name=broker)

    async def _fail(self, error: Exception, used: Attached[AIOKafkaProducer] | None) -> NoReturn:
        """Who failed closes the producer that it used, no other; and none for what is wrong with one topic alone."""
        if isinstance(error, (TypeError, ValueError, kafka.InvalidTopicError)):
            raise ValidationFailed(f"Kafka cannot take this: {told(error)}") from None
        if isinstance(error, kafka.TopicAuthorizationFailedError):
            raise not_let_in(told(error)) from None
        refused = None if used is None else used.refused
        if refused is None and isinstance(error, kafka.UnknownTopicOrPartitionError):
            raise OperationFailed("the topic is not there; create it", retryable=False) from None
        if used is self._producer:
            await self.close()
        if refused is not None:
            raise refused
        if isinstance(error, _NOT_LET_IN):
            raise not_let_in(told(error)) from None
        raise CallFailed(f"Kafka: {told(error)}", reason="connect") from None
