"""How we prove ourselves to a receiver, besides signing: basic, bearer, OAuth 2 client credentials, a certificate."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode

import msgspec

from taskyard.domain.webhook import ClientAuth
from taskyard.errors import CallFailed
from taskyard.security.egress.client import Egress, Limits
from taskyard.security.egress.tls import tls_context

_EARLIER = 30.0
_SHORTEST = 5.0
_USUAL = 300.0
_TOKEN_LIMITS = Limits(connect=5.0, read=10.0, total=10.0, max_bytes=65_536)


class Token(NamedTuple):
    """An access token, and until when (monotonic seconds) it is used."""

    value: str
    until: float


class Credentials:
    """What one endpoint wants to see, and the connections to it. Access tokens are kept until shortly before they
    expire, connections until the endpoint rests.
    """

    def __init__(
        self, auth: ClientAuth, egress: Egress, connections: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._auth = auth
        self._plain = egress
        self._connections = connections
        self._clock = clock
        self._own: Egress | None = None
        self._token: Token | None = None

    @property
    def egress(self) -> Egress:
        """By which the endpoint is called: with our certificate, where that is asked for."""
        if self._own is None:
            auth, base = self._auth, self._plain
            if auth.type == "mtls":
                base = base.with_tls(tls_context(certificate=auth.certificate or "", key=auth.private_key or ""))
            self._own = base.apart(self._connections)
        return self._own

    async def headers(self) -> dict[str, str]:
        """The headers that prove it. Raises CallFailed or EgressRefused when there is no token to be had."""
        match self._auth.type:
            case "basic":
                return {"authorization": f"Basic {_basic(self._auth.username, self._auth.password)}"}
            case "bearer":
                return {"authorization": f"Bearer {self._auth.token}"}
            case "oauth2":
                return {"authorization": f"Bearer {await self._access_token()}"}
        return {}

    def refused(self) -> None:
        """The receiver did not accept it: a new token is asked for next time."""
        self._token = None

    async def aclose(self) -> None:
        """Let go of the connections; there will be others when they are needed."""
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()

    async def _access_token(self) -> str:
        if self._token is None or self._token.until <= self._clock():
            self._token = await self._ask()
        return self._token.value

    async def _ask(self) -> Token:
        """A token by client credentials (RFC 6749, section 4.4)."""
        auth = self._auth
        form = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
        client = _basic(quote_plus(auth.client_id or ""), quote_plus(auth.client_secret or ""))
        answer = await self._plain.send(
            "POST",
            str(auth.token_url),
            headers={"authorization": f"Basic {client}", "content-type": "application/x-www-form-urlencoded"},
            content=urlencode(form).encode(),
            limits=_TOKEN_LIMITS,
        )
        if answer.status_code != 200:
            raise CallFailed(f"the token endpoint answered {answer.status_code}", reason="token")
        return _read_token(answer.content, self._clock())


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: Any = None


def _read_token(content: bytes, now: float) -> Token:
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except msgspec.MsgspecError:
        raise CallFailed("the token endpoint's answer holds no access_token", reason="token") from None
    if not answer.access_token.isascii() or not answer.access_token.isprintable():
        raise CallFailed("the token endpoint's access_token cannot be sent", reason="token")
    lasts = float(answer.expires_in) if isinstance(answer.expires_in, int | float) else _USUAL
    return Token(answer.access_token, now + max(_SHORTEST, min(lasts, 86_400.0) - _EARLIER))


def _basic(user: str | None, password: str | None) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
