"""Who a bearer token stands for: a signed token, an API token, or the admin's own."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from taskyard.contracts.vault import Vault
from taskyard.errors import ConfigurationError, Unauthorized
from taskyard.security import encoding
from taskyard.security.api_tokens import hash_api_token, is_api_token
from taskyard.security.caller import LOCAL, SCOPES, Caller
from taskyard.security.jwks import Fetch, JwksVerifier
from taskyard.security.tokens import JwtVerifier

ADMIN_SUBJECT = "admin"

_MOST_REMEMBERED = 1000


class Verifier(Protocol):
    """Says whom a token stands for."""

    async def verify(self, token: str) -> Caller:
        """The caller. Raises Unauthorized, Overloaded."""


class Authenticator:
    """Accepts API tokens from the store, the admin token of the data directory, and signed tokens if set up.

    `fetch` reads the key set at `jwks_url`; `now` gives unix seconds.
    Raises ConfigurationError when both ways to check signed tokens are set, or one is unusable.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        admin_token: str = "",
        jwt_secret: str = "",
        jwks_url: str = "",
        issuer: str = "",
        audience: str = "",
        auth_service: Verifier | None = None,
        fetch: Fetch | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        if auth_service is not None and (jwt_secret or jwks_url):
            raise ConfigurationError(
                "TASKYARD_AUTH_SERVICE_URL is set beside TASKYARD_JWT_SECRET or TASKYARD_JWKS_URL; choose one of them"
            )
        self._vault = vault
        self._admin_hash = hash_api_token(admin_token) if admin_token else ""
        signed = (jwt_secret, jwks_url, issuer or None, audience or None)
        self._verifier = auth_service or _verifier(*signed, fetch, now)
        self._asks = auth_service is not None

    def may_end_early(self, token: str) -> bool:
        """Whether an accepted token may end before its own word, because somebody else is asked about it."""
        return self._asks and not is_api_token(token)

    async def authenticate(self, token: str) -> Caller:
        """The caller a token proves. Raises Unauthorized for any other, Overloaded when it cannot be checked."""
        if is_api_token(token):
            return await self.caller_behind(hash_api_token(token))
        if self._verifier is None:
            raise Unauthorized("The token is no API token, and signed tokens are not set up on this server.")
        return await self._verifier.verify(token)

    async def caller_behind(self, token_hash: str) -> Caller:
        """The caller whom the API token with this hash stands for now. Raises Unauthorized once it is gone."""
        if self._admin_hash and encoding.same(token_hash.encode(), self._admin_hash.encode()):
            return Caller(ADMIN_SUBJECT, LOCAL.scopes, is_token=True)
        record = await self._vault.token(bytes.fromhex(token_hash))
        if record is None:
            raise Unauthorized("The API token is unknown or has expired; ask for a new one.")
        return caller_from(record)


class _Expiry(msgspec.Struct):
    exp: float


def expiry_of(token: str) -> float:
    """When an accepted token ends by its own word, in unix seconds; those that are no JSON Web Tokens do not say."""
    parts = token.split(".")
    if is_api_token(token) or len(parts) != 3:
        return math.inf
    try:
        return msgspec.json.decode(encoding.decode(parts[1]), type=_Expiry).exp
    except (ValueError, msgspec.MsgspecError):
        return math.inf


def record_of(caller: Caller) -> dict[str, Any]:
    """What the store keeps of the caller that an API token stands for."""
    return {"subject": caller.subject, "scopes": sorted(caller.scopes), "groups": sorted(caller.groups)}


def caller_from(record: dict[str, Any]) -> Caller:
    """The caller in such a record."""
    scopes = SCOPES.intersection(record.get("scopes", []))
    return Caller(str(record["subject"]), scopes, frozenset(record.get("groups", [])), is_token=True)


class _SharedSecret:
    """The check with a shared secret. A token that was good stays so until its time has come, so it is checked once."""

    def __init__(self, verifier: JwtVerifier, now: Callable[[], float]) -> None:
        self._verifier = verifier
        self._now = now
        self._accepted: dict[bytes, tuple[Caller, float]] = {}

    async def verify(self, token: str) -> Caller:
        """See the other verifier."""
        key = hashlib.sha256(token.encode()).digest()
        caller, expires = self._accepted.get(key, (None, 0.0))
        if caller is None or self._now() >= expires:
            caller = self._verifier.verify(token)
            if len(self._accepted) >= _MOST_REMEMBERED:
                self._accepted.clear()
            self._accepted[key] = (caller, expiry_of(token))
        return caller


def _verifier(
    secret: str,
    jwks_url: str,
    issuer: str | None,
    audience: str | None,
    fetch: Fetch | None,
    now: Callable[[], float],
) -> Verifier | None:
    if secret and jwks_url:
        raise ConfigurationError("TASKYARD_JWT_SECRET and TASKYARD_JWKS_URL are both set; tokens have one issuer")
    if secret:
        return _SharedSecret(JwtVerifier(secret.encode(), issuer, audience, now), now)
    if jwks_url:
        if fetch is None:
            raise TypeError("nothing is given that fetches the key set")
        return JwksVerifier(jwks_url, issuer, audience, fetch, now)
    return None
