"""NATS: publishing to JetStream, and request and reply."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from nats import errors
from nats.aio.client import Client
from nats.js import errors as jetstream

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.integration.house import House
from taskyard.executors.integration.queues.shapes import QueueSecrets, QueueSettings, Sent, late, not_let_in, too_large
from taskyard.executors.integration.tls import context_for

_CONNECT_SECONDS: Final = 5
_TOO_LARGE: Final = 10054  # message size exceeds maximum allowed


class _Client(Client):
    """The library would send the credentials in clear where a server, or who stands between, offers no TLS."""

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and "tls" in self.options and not info.get("tls_required"):
            raise CallFailed("NATS offers no TLS; set `tls` to off to go without", reason="certificate")
        await super()._process_info(info, initial_connection)


class Nats:
    """A connection, which is made anew by the next call when it broke: only to servers that the settings name."""

    def __init__(self, settings: QueueSettings, secrets: QueueSecrets, house: House) -> None:
        self._servers = settings.addresses()
        self._tls = {host: context_for(settings, secrets, host) for host, _ in self._servers}
        self._secrets, self._house = secrets, house
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self.label = settings.servers[0]

    async def send(self, message: Sent) -> dict[str, Any]:
        """See the protocol. A message that a stream has already, by its id, is acknowledged as a duplicate."""
        async with self._telling(message):
            client = await self._opened()
            headers = message.headers | {"Content-Type": message.media_type, "Nats-Msg-Id": message.id}
            acknowledged = await client.jetstream().publish(
                message.destination, message.content, timeout=message.seconds, headers=headers
            )
        return {
            "stream": acknowledged.stream, "sequence": acknowledged.seq, "duplicate": bool(acknowledged.duplicate)
        }  # fmt: skip

    async def request(self, message: Sent) -> bytes:
        """See the protocol."""
        async with self._telling(message):
            client = await self._opened()
            headers = message.headers | {"Content-Type": message.media_type, "id": message.id}
            reply = await client.request(message.destination, message.content, timeout=message.seconds, headers=headers)
            return reply.data

    async def test(self) -> None:
        """See the protocol."""
        async with self._telling():
            await (await self._opened()).flush(_CONNECT_SECONDS)

    async def close(self) -> None:
        """See the protocol."""
        client, self._client = self._client, None
        if client is not None:
            await _let_go(client)

    async def _opened(self) -> Client:
        async with self._opening:
            if self._client is None or not self._client.is_connected:
                await self.close()
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> Client:
        failure: Exception | None = None
        for host, port in self._servers:
            address = (await self._house.egress().guard.addresses(host, port))[0]
            tls = self._tls[host]
            more: dict[str, Any] = {"tls": tls, "tls_hostname": host} if tls is not None else {}
            if self._secrets.token:
                more["token"] = self._secrets.token
            elif self._secrets.username:
                more |= {"user": self._secrets.username, "password": self._secrets.password}
            shown = f"[{address}]" if address.version == 6 else str(address)
            client = _Client()
            try:
                await client.connect(
                    f"{'tls' if tls is not None else 'nats'}://{shown}:{port}",
                    name="taskyard",
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=_CONNECT_SECONDS,
                    error_cb=_quietly,
                    **more,
                )
            except asyncio.CancelledError:
                await _let_go(client)
                raise
            except (errors.Error, OSError, TimeoutError, CallFailed) as error:
                await _let_go(client)
                if isinstance(error, errors.AuthorizationError) or "authorization" in str(error).lower():
                    raise errors.AuthorizationError from None
                failure = error
            else:
                return client
        raise failure or ConnectionError("no server")

    @contextlib.asynccontextmanager
    async def _telling(self, message: Sent | None = None) -> AsyncIterator[None]:
        try:
            yield
        except errors.MaxPayloadError as error:
            if message is None:
                raise
            raise too_large(message, str(error)) from None
        except (errors.AuthorizationError, errors.InvalidUserCredentialsError) as error:
            raise not_let_in(type(error).__name__) from None
        except (errors.BadSubjectError, errors.BadHeaderError) as error:
            raise ValidationFailed(f"NATS cannot take this: {error}") from None
        except (jetstream.NoStreamResponseError, errors.NoRespondersError):
            raise OperationFailed(
                "nobody takes this subject: no stream has it, or nobody answers to it", counts=False
            ) from None
        except jetstream.APIError as error:
            if error.err_code == _TOO_LARGE and message is not None:
                raise too_large(message, error.description or "") from None
            raise OperationFailed(
                f"JetStream refuses the message: {error.description}", retryable=(error.code or 0) >= 500
            ) from None
        except TimeoutError:
            raise late(message.seconds if message is not None else _CONNECT_SECONDS) from None
        except (errors.Error, OSError) as error:
            raise CallFailed(f"NATS: {str(error)[:300] or type(error).__name__}", reason="connect") from None


async def _let_go(client: Client) -> None:
    with contextlib.suppress(errors.Error, OSError):
        await client.close()


async def _quietly(error: Exception) -> None:
    """The calls that are under way are told of it."""
    del error
