"""How we prove ourselves to a receiver, besides signing: basic, bearer, OAuth 2 client credentials, a certificate."""

from __future__ import annotations

import time
from collections.abc import Callable

from taskyard.calls.tokens import Client, Tokens, basic
from taskyard.domain.webhook import ClientAuth
from taskyard.security.egress.client import Egress
from taskyard.security.egress.tls import tls_context


class Credentials:
    """What one endpoint wants to see, and the connections to it, which are kept until the endpoint rests.

    `users`: how many deliveries are made with it now.
    """

    def __init__(
        self, auth: ClientAuth, egress: Egress, connections: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._auth = auth
        self._plain = egress
        self._connections = connections
        self._tokens = Tokens(_client(auth), egress, clock)
        self._own: Egress | None = None
        self.users = 0

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
                return {"authorization": f"Basic {basic(self._auth.username, self._auth.password)}"}
            case "bearer":
                return {"authorization": f"Bearer {self._auth.token}"}
            case "oauth2":
                return {"authorization": f"Bearer {await self._tokens.get()}"}
        return {}

    def refused(self) -> None:
        """The receiver did not accept it: a new token is asked for next time."""
        self._tokens.refused()

    async def aclose(self) -> None:
        """Let go of the connections; there will be others when they are needed."""
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()


def _client(auth: ClientAuth) -> Client:
    scope = {"scope": auth.scope} if auth.scope else {}
    return Client(str(auth.token_url), auth.client_id or "", auth.client_secret or "", scope)
