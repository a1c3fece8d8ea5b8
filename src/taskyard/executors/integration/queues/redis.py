"""Streams of Redis and Valkey."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from weakref import WeakSet

from redis import asyncio as redis
from redis import exceptions
from redis.asyncio.connection import BlockingConnectionPool, Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import CallFailed
from taskyard.executors.integration.busy import in_use
from taskyard.executors.integration.causes import guard_said
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
from taskyard.security.egress.guard import close_at_once

_CONNECTIONS: Final = 50
_WAIT_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 30.0
_NONE_FREE: Final = "No connection available."
Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class _Connection(Connection):
    """Over a guarded connection."""

    def __init__(self, *, opener: Open, **more: Any) -> None:
        super().__init__(**more)
        self._opener = opener

    async def _connect(self) -> None:
        self._reader, self._writer = await self._opener()


class RedisStreams:
    """A pool. A message is an entry with the fields `body`, `contentType`, `id` and one for each header."""

    def __init__(self, settings: QueueSettings, secrets: QueueSecrets, house: House) -> None:
        self._servers = settings.addresses()
        self._tls = {host: context_for(settings, secrets, host) for host, _ in self._servers}
        self._settings, self._house = settings, house
        pool = BlockingConnectionPool(
            timeout=_WAIT_SECONDS,
            connection_class=_Connection,
            opener=self._open,
            max_connections=_CONNECTIONS,
            username=secrets.username or None,
            password=secrets.password or None,
            db=settings.database,
            protocol=2,
            socket_timeout=_PAUSE_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._client = redis.Redis(connection_pool=pool)
        self._pool = pool
        self._writers: WeakSet[asyncio.StreamWriter] = WeakSet()
        self.label = settings.servers[0]

    async def send(self, message: Sent) -> dict[str, Any]:
        """See the protocol."""
        fields: dict[Any, Any] = {
            **message.headers, "contentType": message.media_type, "id": message.id, "body": message.content,
        }  # fmt: skip
        most = self._settings.max_length or None
        async with self._telling(message):
            entry = await self._client.xadd(message.destination, fields, maxlen=most, approximate=True)
        return {"stream": message.destination, "entryId": entry.decode() if isinstance(entry, bytes) else str(entry)}

    async def request(self, message: Sent) -> bytes:
        """See the protocol."""
        del message
        raise no_reply("Redis")

    async def test(self) -> None:
        """See the protocol."""
        async with self._telling():
            await self._client.ping()

    async def close(self) -> None:
        """See the protocol."""
        await self._client.aclose()
        await self._pool.disconnect()
        for writer in self._writers:  # those that a cancelled call left half open
            close_at_once(writer)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: CallFailed | None = None
        for host, port in self._servers:
            try:
                opened = await self._house.egress().guard.open_connection(host, port, tls=self._tls[host])
            except CallFailed as failed:
                failure = failed
            else:
                self._writers.add(opened[1])
                return opened
        raise failure or CallFailed("no server", reason="connect")

    @contextlib.asynccontextmanager
    async def _telling(self, message: Sent | None = None) -> AsyncIterator[None]:
        try:
            yield
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
            raise not_let_in(type(error).__name__) from None
        except (exceptions.OutOfMemoryError, exceptions.ReadOnlyError, exceptions.BusyLoadingError) as error:
            raise CallFailed(f"Redis cannot take it now: {error}", reason="refused") from None
        except exceptions.ResponseError as error:
            if message is not None and "bulk length" in str(error):
                raise too_large(message, str(error)) from None
            raise OperationFailed(f"Redis refuses the message: {str(error)[:300]}", retryable=False) from None
        except (exceptions.RedisError, OSError) as error:
            if str(error) == _NONE_FREE:
                raise in_use("Redis") from None
            said = guard_said(error)
            if said is not None:
                raise said from None
            raise CallFailed(f"Redis: {str(error)[:300] or type(error).__name__}", reason="connect") from None
