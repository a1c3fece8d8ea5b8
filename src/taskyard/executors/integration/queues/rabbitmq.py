"""RabbitMQ (AMQP 0-9-1)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed, DeliveryError, MessageProcessError
from aiormq import exceptions as amqp

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import CallFailed
from taskyard.executors.integration.house import House
from taskyard.executors.integration.queues.shapes import QueueSecrets, QueueSettings, Sent, not_let_in, too_large
from taskyard.executors.integration.tls import context_for

_CONNECT_SECONDS: Final = 10.0
_REPLIES: Final = "amq.rabbitmq.reply-to"


class RabbitMq:
    """A connection, with a channel a call: the broker closes a channel where it refuses anything."""

    def __init__(self, settings: QueueSettings, secrets: QueueSecrets, house: House) -> None:
        self._servers = settings.addresses()
        self._tls = {host: context_for(settings, secrets, host) for host, _ in self._servers}
        self._settings, self._secrets, self._house = settings, secrets, house
        self._opening = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self.label = settings.servers[0]

    async def send(self, message: Sent) -> dict[str, Any]:
        """See the protocol: acknowledged when the broker has it in a queue, on disk if the queue is durable."""
        async with self._channel(message) as channel:
            await self._publish(channel, message)
        return {
            "exchange": message.destination if message.key else "",
            "routingKey": message.key or message.destination,
        }

    async def request(self, message: Sent) -> bytes:
        """See the protocol: over the broker's direct reply-to."""
        async with self._channel(message) as channel:
            answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

            async def take(reply: AbstractIncomingMessage) -> None:
                if not answered.done() and reply.correlation_id == message.id:
                    answered.set_result(reply.body)

            replies = await channel.get_queue(_REPLIES, ensure=False)
            await replies.consume(take, no_ack=True)
            await self._publish(channel, message, reply_to=_REPLIES)
            return await answered

    async def test(self) -> None:
        """See the protocol."""
        async with self._telling():
            await self._opened()

    async def close(self) -> None:
        """See the protocol."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _publish(self, channel: Any, message: Sent, **more: Any) -> None:
        exchange = channel.default_exchange
        if message.key:
            exchange = await channel.get_exchange(message.destination, ensure=False)
        await exchange.publish(
            aio_pika.Message(
                message.content,
                headers=dict(message.headers),
                content_type=message.media_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=message.id,
                correlation_id=message.id,
                **more,
            ),
            routing_key=message.key or message.destination,
            mandatory=True,
        )

    @contextlib.asynccontextmanager
    async def _channel(self, message: Sent) -> AsyncIterator[Any]:
        async with self._telling(message):
            connection = await self._opened()
            async with connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
                yield channel

    async def _opened(self) -> AbstractConnection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed:
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> AbstractConnection:
        failure: Exception | None = None
        for host, port in self._servers:
            address = (await self._house.egress().guard.addresses(host, port))[0]
            try:
                return await aio_pika.connect(
                    host=f"[{address}]" if address.version == 6 else str(address),
                    port=port,
                    login=self._secrets.username or "guest",
                    password=self._secrets.password or "guest",
                    virtualhost=self._settings.virtual_host,
                    ssl=self._tls[host] is not None,
                    ssl_context=self._tls[host],
                    timeout=_CONNECT_SECONDS,
                )
            except (amqp.AMQPConnectionError, OSError, TimeoutError) as error:
                if isinstance(error, (amqp.AuthenticationError, amqp.ProbableAuthenticationError)):
                    raise
                failure = error
        raise failure or ConnectionError("no server")

    @contextlib.asynccontextmanager
    async def _telling(self, message: Sent | None = None) -> AsyncIterator[None]:
        try:
            yield
        except (amqp.AuthenticationError, amqp.ProbableAuthenticationError, amqp.ChannelAccessRefused) as error:
            raise not_let_in(type(error).__name__) from None
        except ChannelPreconditionFailed as error:
            if message is not None and "size" in str(error):
                raise too_large(message, str(error)[:200]) from None
            raise OperationFailed(f"RabbitMQ refuses it: {str(error)[:300]}", retryable=False) from None
        except (amqp.ChannelNotFoundEntity, DeliveryError) as error:
            raise OperationFailed(
                f"RabbitMQ has nowhere to put the message: create the queue, or bind one ({type(error).__name__})",
                retryable=False,
            ) from None
        except (AMQPError, MessageProcessError, OSError, RuntimeError) as error:
            raise CallFailed(f"RabbitMQ: {str(error)[:300] or type(error).__name__}", reason="connect") from None
