"""Access tokens of OAuth 2 (RFC 6749): one for all calls of a connection, asked for by one of them. With the grant
`refresh_token` that holds for all machines.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode

import msgspec

from taskyard.contracts.integration import OperationFailed, Shared
from taskyard.errors import CallFailed
from taskyard.executors.integration.rest.rotation import Issued, Rotation
from taskyard.executors.integration.rest.shapes import Auth, Secrets
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits

_EARLIER, _SHORTEST, _USUAL, _LONGEST = 30.0, 5.0, 300.0, 86_400.0
_LIMITS = Limits(connect=5.0, read=10.0, total=15.0, max_bytes=65_536)
_REFUSED = frozenset({400, 401, 403})


class Token(NamedTuple):
    """An access token, and until when (monotonic seconds) it is used."""

    value: str
    until: float


class Tokens:
    """The access token of one connection."""

    def __init__(
        self, auth: Auth, secrets: Secrets, egress: Egress, conceal: Callable[[str], None],
        shared: Shared | None = None, revision: int = 0, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._auth = auth
        self._secrets = secrets
        self._refresh_token = secrets.refresh_token
        self._egress = egress
        self._conceal = conceal
        self._clock = clock
        self._rotation: Rotation | None = None
        if shared is not None and auth.grant == "refresh_token":
            self._rotation = Rotation(shared, secrets.refresh_token, revision, self._exchange)
        self._refused = ""
        self._token: Token | None = None
        self._asking: asyncio.Task[Token] | None = None

    async def get(self) -> str:
        """A token that holds; who comes while one is asked for waits for that. Raises OperationFailed, CallFailed."""
        if self._token is not None and self._clock() < self._token.until:
            return self._token.value
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return (await asyncio.shield(self._asking)).value

    def refused(self, value: str) -> None:
        """The other side did not take this one: unless there is another by now, it is asked for anew."""
        if self._token is not None and self._token.value == value:
            self._token, self._refused = None, value

    async def close(self) -> None:
        """Ask for no more; what the endpoint gives at this moment is kept."""
        if self._asking is not None:
            self._asking.cancel()
        if self._rotation is not None:
            await self._rotation.close()

    def _asked(self, asking: asyncio.Task[Token]) -> None:
        self._asking = None
        if not asking.cancelled() and asking.exception() is None:
            self._token = asking.result()

    async def _ask(self) -> Token:
        if self._rotation is not None:
            issued = await self._rotation.token(self._refused)
        else:
            issued = await self._exchange(self._refresh_token)
            self._refresh_token = issued.refresh or self._refresh_token
        for value in filter(None, (issued.access, issued.refresh)):
            self._conceal(value)
        return Token(issued.access, self._clock() + issued.lasts)

    async def _exchange(self, refresh_token: str) -> Issued:
        form = {"grant_type": self._auth.grant, "scope": self._auth.scope, "audience": self._auth.audience}
        if self._auth.grant == "refresh_token":
            form["refresh_token"] = refresh_token
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self._auth.client == "body":
            form |= {"client_id": self._secrets.client_id, "client_secret": self._secrets.client_secret}
        else:
            headers["authorization"] = f"Basic {self._client()}"
        content = urlencode({name: value for name, value in form.items() if value}).encode()
        answer = await self._egress.send(
            "POST", str(self._auth.token_url), headers=headers, content=content, limits=_LIMITS
        )
        if answer.status_code in _REFUSED:
            raise OperationFailed(
                f"the token endpoint refused ({answer.status_code}): give the connection's client id and secret anew",
                reason="credentials",
                retryable=False,
                status=answer.status_code,
            )
        if answer.status_code != 200:
            raise CallFailed(f"the token endpoint answered {answer.status_code}", reason="token")
        return _issued(answer.content)

    def _client(self) -> str:
        pair = f"{quote_plus(self._secrets.client_id)}:{quote_plus(self._secrets.client_secret)}"
        encoded = base64.b64encode(pair.encode()).decode()
        self._conceal(encoded)
        return encoded


def _issued(content: bytes) -> Issued:
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise CallFailed("the token endpoint's answer holds no access_token", reason="token") from None
    if not answer.access_token.isascii() or not answer.access_token.isprintable():
        raise CallFailed("the token endpoint's access_token cannot be sent", reason="token")
    lasts = float(answer.expires_in) if isinstance(answer.expires_in, int | float) else _USUAL
    return Issued(answer.access_token, answer.refresh_token, max(_SHORTEST, min(lasts, _LONGEST) - _EARLIER))


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: Any = None
    refresh_token: str = ""
