"""Clients of AWS, and of what speaks its protocols, over guarded connections."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp.abc import AbstractResolver, ResolveResult
from botocore.exceptions import BotoCoreError, ClientError

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import CallFailed, EgressRefused, ValidationFailed
from taskyard.executors.integration.causes import guard_said
from taskyard.executors.integration.house import House
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.tls import tls_context

_NOT_LET_IN: Final = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
        "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)  # fmt: skip
_COME_BACK: Final = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestThrottled", "OverLimit"})


@lru_cache(maxsize=1)
def _session() -> AioSession:
    """One for the process: it keeps what it has read of AWS's services, and no credentials."""
    return AioSession()


class Credentials(Protocol):
    """What a connection's secrets have of them."""

    @property
    def access_key_id(self) -> str:
        """Of the key."""

    @property
    def secret_access_key(self) -> str:
        """The key itself."""

    @property
    def session_token(self) -> str:
        """Empty for a key that needs none."""


class _Resolver(AbstractResolver):
    """Gives addresses that the guard has looked at."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See aiohttp."""
        del family
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._guard.addresses(host, port)
        ]

    async def close(self) -> None:
        """See aiohttp."""


@contextlib.asynccontextmanager
async def client(
    service: str, region: str, endpoint: str, credentials: Credentials, house: House, authorities: str = "", **more: Any
) -> AsyncIterator[Any]:
    """A client. Credentials are the connection's, never this machine's. `endpoint` empty: Amazon's own.

    Raises ValidationFailed for settings that cannot work, and EgressRefused.
    """
    if not credentials.access_key_id or not credentials.secret_access_key:
        raise ValidationFailed("secrets: accessKeyId and secretAccessKey are needed")
    guard = house.egress().guard
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValidationFailed("settings: the endpoint must be an address such as https://s3.example.com")
        guard.check_host(parts.hostname)
    connector: dict[str, Any] = {"resolver": _Resolver(guard)}
    if authorities:
        connector["ssl_context"] = tls_context(authorities=authorities)
    config = AioConfig(
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 1},  # who calls repeats
        connector_args=connector,
        proxies={},  # none from the environment
        ignore_configured_endpoint_urls=True,
        warm_up_loader_caches=True,  # in a thread: they are megabytes of JSON
        **more,
    )
    async with _session().create_client(
        service, region_name=region, endpoint_url=endpoint or None, config=config,
        aws_access_key_id=credentials.access_key_id, aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token or None,
    ) as made:  # fmt: skip
        yield made


def code_of(error: ClientError) -> str:
    """The error's code, such as `NoSuchKey` or `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def telling(what: str) -> Iterator[None]:
    """Raises what keeps a call from being made or answered in the contract's words."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error, what) from None
    except (EgressRefused, CallFailed):
        raise
    except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
        refused = guard_said(error)
        if refused is not None:
            raise refused from None
        raise CallFailed(f"{what}: {type(error).__name__}: {str(error)[:300]}", reason="connect") from None


def _refusal(error: ClientError, what: str) -> OperationFailed:
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = str(error.response.get("Error", {}).get("Message", ""))[:300]
    if code in _NOT_LET_IN or status in (401, 403):
        return OperationFailed(
            f"{what}: the other side does not let us in ({code}): check the secrets, whether they have expired, and"
            " what they permit",
            reason="credentials",
            retryable=False,
            status=status,
        )
    later = status >= 500 or status == 429 or code in _COME_BACK
    return OperationFailed(f"{what}: {code}: {said}", retryable=later, status=status, details={"code": code})
