"""Logging in at an OpenID provider: the authorization code flow of OpenID Connect Core 1.0 with PKCE (RFC 7636).

Times are unix seconds.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import msgspec

from taskyard.errors import (
    CallFailed,
    ConfigurationError,
    EgressRefused,
    Forbidden,
    RateLimited,
    TaskyardError,
    Unauthorized,
)
from taskyard.security import encoding
from taskyard.security.attempts import Attempts, place_of
from taskyard.security.caller import RESERVED_SUBJECTS, Caller
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits
from taskyard.security.jwks import (
    FIRST_RETRY_SECONDS,
    RETRY_SECONDS,
    KeySet,
    check_provider_url,
    fetching,
    is_loopback,
)
from taskyard.security.jwt import Expectation, is_name, read_header, read_payload

T = TypeVar("T")

EVERYBODY = "*"
_LIMITS = Limits(connect=5.0, total=10.0, max_bytes=256 * 1024)
_METADATA_SECONDS = 3600.0
_FROM_ONE_PLACE = 50
_DISCOVERY = "/.well-known/openid-configuration"


class OpenIdClient(NamedTuple):
    """What we are at the provider. `rights`: the scopes of who is in a group, `*` those of everybody.

    `subject` and `groups` name the claims that say who somebody is and which groups they are in; dots lead inside.
    """

    issuer: str
    client_id: str
    client_secret: str
    scope: str
    subject: str
    groups: str
    rights: Mapping[str, Sequence[str]]
    name: str


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """A login that has begun: what its end must bring, and where it goes on then."""

    state: str
    nonce: str
    verifier: str
    goal: str
    expires: float


class _Metadata(msgspec.Struct, frozen=True):
    """What a provider tells of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(default_factory=lambda: ["client_secret_basic"])
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class _IdClaims(msgspec.Struct, frozen=True):
    sub: str
    iss: str
    aud: str | list[str]
    exp: int | float
    nonce: str
    nbf: int | float | None = None
    azp: str | None = None


class OpenIdLogins:
    """Logs people in at one provider. What it tells of itself is asked for once an hour, by one for all; while it is
    away, what it told last stays good. Logins that fail are counted by where they come from.
    """

    def __init__(self, client: OpenIdClient, egress: Callable[[], Egress], now: Callable[[], float]) -> None:
        check_provider_url("TASKYARD_OIDC_ISSUER", client.issuer)
        self.client = client
        self._egress = egress
        self._now = now
        self._known: tuple[_Metadata, KeySet, float] | None = None
        self._problem: CallFailed | EgressRefused = CallFailed(f"{client.name} was not asked yet", reason="connect")
        self._failed_at = float("-inf")
        self._asking = asyncio.Lock()
        self._attempts = Attempts()

    async def begin(self, redirect_uri: str, pending: Pending) -> str:
        """The provider's page that the browser is to be sent to. Raises CallFailed, EgressRefused."""
        metadata, _ = await self._provider()
        digest = hashlib.sha256(pending.verifier.encode()).digest()
        query = {
            "response_type": "code", "client_id": self.client.client_id, "redirect_uri": redirect_uri,
            "scope": self.client.scope, "state": pending.state, "nonce": pending.nonce,
            "code_challenge": encoding.encode(digest), "code_challenge_method": "S256",
        }  # fmt: skip
        mark = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{mark}{urlencode(query)}"

    async def finish(self, pending: Pending, answer: Mapping[str, str], redirect_uri: str, address: str) -> Caller:
        """Who has logged in, by what the provider sent the browser at this address back with.

        Raises Unauthorized, Forbidden where they may do nothing here, RateLimited, Overloaded, CallFailed,
        EgressRefused.
        """
        allowed = {place_of(address): _FROM_ONE_PLACE}
        pause = self._attempts.pause(allowed, self._now())
        if pause > 0:
            raise RateLimited("There were too many failed logins; wait a few minutes.", retry_after=pause)
        try:
            return await self._finish(pending, answer, redirect_uri)
        except TaskyardError:
            self._attempts.fail(allowed, self._now())
            raise

    async def _finish(self, pending: Pending, answer: Mapping[str, str], redirect_uri: str) -> Caller:
        if self._now() >= pending.expires or not encoding.same(
            answer.get("state", "").encode(), pending.state.encode()
        ):
            raise Unauthorized("This login was begun elsewhere or too long ago; log in again.")
        metadata, keys = await self._provider()
        issuer = answer.get("iss", "" if metadata.authorization_response_iss_parameter_supported else metadata.issuer)
        if issuer != metadata.issuer:
            raise Unauthorized("The answer is another provider's.")
        if "error" in answer or "code" not in answer:
            raise Unauthorized(f"{self.client.name} refused the login: {answer.get('error', 'no code')[:80]}.")
        token = await self._redeem(metadata, answer["code"], pending.verifier, redirect_uri)
        return self._caller(await self._claims(token, keys, pending.nonce))

    async def _provider(self) -> tuple[_Metadata, KeySet]:
        async with self._asking:
            if self._is_due():
                try:
                    metadata = await self._ask()
                    self._known = (metadata, self._keys(metadata), self._now())
                except (CallFailed, EgressRefused) as error:
                    self._problem, self._failed_at = error, self._now()
        if self._known is None:
            raise self._problem.with_traceback(None)
        return self._known[:2]

    def _is_due(self) -> bool:
        """Whether to ask now: what is known is old, and the last failure some time ago."""
        now, known = self._now(), self._known
        pause = FIRST_RETRY_SECONDS if known is None else RETRY_SECONDS
        is_old = known is None or not 0 <= now - known[2] < _METADATA_SECONDS
        return is_old and not 0 <= now - self._failed_at < pause

    async def _ask(self) -> _Metadata:
        url = self.client.issuer.rstrip("/") + _DISCOVERY
        metadata = _read(await self._send("GET", url), _Metadata)
        if metadata.issuer != self.client.issuer:
            raise CallFailed(f"{url} speaks for another issuer, {metadata.issuer[:200]}", reason="issuer")
        return metadata

    def _keys(self, metadata: _Metadata) -> KeySet:
        """The provider's keys; those that were read before where they are still in the same place."""
        if self._known is not None and self._known[0].jwks_uri == metadata.jwks_uri:
            return self._known[1]
        named = "what the provider of TASKYARD_OIDC_ISSUER tells"
        try:
            for address in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
                check_provider_url(named, address, near=is_loopback(self.client.issuer))
            return KeySet(metadata.jwks_uri, fetching(self._egress, self.client.issuer), self._now, named)
        except ConfigurationError as error:
            raise CallFailed(error.message, reason="address") from None

    async def _redeem(self, metadata: _Metadata, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token for the code (RFC 6749, section 4.1.3)."""
        client = self.client
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
            "code_verifier": verifier, "client_id": client.client_id,
        }  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if client.client_secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif client.client_secret:
            form["client_secret"] = client.client_secret
        return _read(
            await self._send("POST", metadata.token_endpoint, headers, urlencode(form).encode()), _Tokens
        ).id_token

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> bytes:
        egress = self._egress().trusting(self.client.issuer)
        answer = await egress.send(method, url, headers=headers, content=content, limits=_LIMITS)
        if answer.status_code != httpx.codes.OK:
            raise CallFailed(f"{self.client.name} answers {answer.status_code} at {url}", reason="status")
        return answer.content

    async def _claims(self, token: str, keys: KeySet, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that was made for us and for this login (OpenID Connect Core, section 3.1.3.7)."""
        payload = read_payload(token, *await keys.key_of(read_header(token)))
        try:
            claims = msgspec.convert(payload, _IdClaims)
        except msgspec.ValidationError:
            raise Unauthorized("The provider's token lacks what an ID token has.") from None
        Expectation(self.client.issuer, self.client.client_id).check(claims, self._now())
        parties = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if not encoding.same(claims.nonce.encode(), nonce.encode()):
            raise Unauthorized("The provider's token is for another login.")
        if claims.azp not in ({self.client.client_id} if len(parties) > 1 else {None, self.client.client_id}):
            raise Unauthorized("The provider's token is for another party.")
        return dict(payload)

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        subject = _claim(claims, self.client.subject)
        if not isinstance(subject, str) or not is_name(subject) or subject in RESERVED_SUBJECTS:
            raise Unauthorized(f"The claim {self.client.subject} names nobody who can be told apart.")
        if self.client.subject == "email" and claims.get("email_verified") is not True:
            raise Unauthorized("The provider has not verified the address.")
        told = _claim(claims, self.client.groups)
        named = told if isinstance(told, list) else [told]
        groups = frozenset(name for name in named if isinstance(name, str) and is_name(name))
        scopes = frozenset(
            scope
            for group, allowed in self.client.rights.items()
            if group == EVERYBODY or group in groups
            for scope in allowed
        )
        if not scopes:
            raise Forbidden(f"{subject} may do nothing here; TASKYARD_OIDC_RIGHTS says who may.")
        return Caller(subject, scopes, groups)


def new_pending(goal: str, expires: float) -> Pending:
    """A login that begins now, with secrets of its own."""
    return Pending(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), goal, expires)


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, or else what the names between dots lead to."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _read(content: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=type_)
    except (msgspec.MsgspecError, RecursionError):
        raise CallFailed("the provider's answer cannot be read", reason="body") from None
