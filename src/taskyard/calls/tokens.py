"""Access tokens by OAuth 2 client credentials (RFC 6749, section 4.4), kept until shortly before they expire."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote_plus, urlencode

import msgspec

from taskyard.errors import CallFailed
from taskyard.security.egress.terms import Limits

if TYPE_CHECKING:  # who asks for no token starts without it
    from taskyard.security.egress.client import Egress

_EARLIER = 30.0
_SHORTEST = 5.0
_USUAL = 300.0
_SECONDS: Final = 10.0
_MOST_BYTES: Final = 65_536


class Client(NamedTuple):
    """Who asks for tokens, and where. `fields`: what else is asked with, such as a scope or an audience.

    `in_body`: the endpoint wants to see the credentials among the fields rather than in a header.
    """

    url: str
    id: str
    secret: str
    fields: Mapping[str, str] = MappingProxyType({})
    in_body: bool = False


class _Token(NamedTuple):
    value: str
    until: float


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: Any = None


class Tokens:
    """The tokens of one client. However many want one at once, one is asked for."""

    def __init__(self, client: Client, egress: Egress, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._egress = egress
        self._clock = clock
        self._token: _Token | None = None
        self._asking = asyncio.Lock()

    async def get(self) -> str:
        """A token that holds. Raises CallFailed or EgressRefused when there is none to be had."""
        async with self._asking:
            if self._token is None or self._token.until <= self._clock():
                self._token = await self._ask()
            return self._token.value

    def refused(self) -> None:
        """The token was not accepted: a new one is asked for next time."""
        self._token = None

    async def _ask(self) -> _Token:
        client = self._client
        form = {"grant_type": "client_credentials", **client.fields}
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if client.in_body:
            form |= {"client_id": client.id, "client_secret": client.secret}
        else:
            headers["authorization"] = f"Basic {basic(quote_plus(client.id), quote_plus(client.secret))}"
        limits = Limits(connect=5.0, read=_SECONDS, total=_SECONDS, max_bytes=_MOST_BYTES)
        answer = await self._egress.send(
            "POST", client.url, headers=headers, content=urlencode(form).encode(), limits=limits
        )
        if answer.status_code != 200:
            raise CallFailed(f"the token endpoint answered {answer.status_code}", reason="token")
        return _read(answer.content, self._clock())


def basic(user: str | None, password: str | None) -> str:
    """Both as the scheme `Basic` writes them (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _read(content: bytes, now: float) -> _Token:
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except msgspec.MsgspecError:
        raise CallFailed("the token endpoint's answer holds no access_token", reason="token") from None
    if not answer.access_token.isascii() or not answer.access_token.isprintable():
        raise CallFailed("the token endpoint's access_token cannot be sent", reason="token")
    lasts = float(answer.expires_in) if isinstance(answer.expires_in, int | float) else _USUAL
    return _Token(answer.access_token, now + max(_SHORTEST, min(lasts, 86_400.0) - _EARLIER))
