"""Tokens signed by an identity provider (RS256 or ES256), checked with the key set it publishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey

from taskyard.errors import ConfigurationError, Overloaded
from taskyard.security import encoding
from taskyard.security.caller import Caller
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits
from taskyard.security.jwt import Expectation, Header, caller_of, read_claims, read_header, refuse

MAX_KEY_SET_BYTES = 256 * 1024
FETCH_SECONDS = 5.0
RETRY_SECONDS = 60.0
FIRST_RETRY_SECONDS = 5.0
LIFETIME_SECONDS = 600.0
MIN_RSA_BITS = 2048

Fetch = Callable[[str, int], Awaitable[bytes]]
"""`await fetch(url, max_bytes)` gives the body of a 200 answer, follows no redirect and reads no further."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_VerifyingKey = tuple[Key, str]


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[Any]


class JwksVerifier:
    """Accepts tokens signed by one of the keys at `url`. `now` returns unix seconds."""

    def __init__(
        self,
        url: str,
        issuer: str | None,
        audience: str | None,
        fetch: Fetch,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = KeySet(url, fetch, now)
        self._expectation = Expectation(issuer, audience)
        self._now = now

    async def verify(self, token: str) -> Caller:
        """Return the caller that the token proves.

        Raises Unauthorized for every other token, and Overloaded while no key set could be had at all.
        """
        claims = read_claims(token, *await self._keys.key_of(read_header(token)))
        self._expectation.check(claims, self._now())
        return caller_of(claims)


class KeySet:
    """The keys that a provider publishes at `url`, each with the one algorithm its kind allows.

    They are read again after ten minutes or for an unknown `kid`, but at most once a minute; while the provider is away
    its last keys stay good. `named` is what gave the address, for who has to mend it.
    """

    def __init__(
        self, url: str, fetch: Fetch, now: Callable[[], float] = time.time, named: str = "TASKYARD_JWKS_URL"
    ) -> None:
        check_provider_url(named, url)
        self._url = url
        self._fetch = fetch
        self._now = now
        self._keys: dict[str, _VerifyingKey] | None = None
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def key_of(self, header: Header) -> _VerifyingKey:
        """The key of a token with this header, and its algorithm. Raises Unauthorized, Overloaded."""
        if header.kid is None:
            refuse("it does not name its key (kid)")
        key, algorithm = await self._find(header.kid)
        if header.alg != algorithm:
            refuse(f"its key is for {algorithm}")
        return key, algorithm

    async def _find(self, kid: str) -> _VerifyingKey:
        if self._keys is None or kid not in self._keys or self._is_older(self._read_at, LIFETIME_SECONDS):
            await self._refresh()
        if self._keys is None:
            raise Overloaded(
                f"The key set at {self._url} cannot be read, so no token can be checked.",
                retry_after=self._pause,
            )
        if kid not in self._keys:
            refuse("its key is unknown")
        return self._keys[kid]

    async def _refresh(self) -> None:
        if self._reading is None or self._reading.done():
            if not self._is_older(self._tried_at, self._pause):
                return
            self._tried_at = self._now()
            self._reading = asyncio.create_task(self._read())
        # Shielded: a request that is given up must not spoil the reading for those who wait with it.
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = read_key_set(await self._fetch(self._url, MAX_KEY_SET_BYTES))
        except Exception:  # noqa: BLE001 - whatever the provider does, the keys we have stay good
            return
        self._read_at = self._now()

    @property
    def _pause(self) -> float:
        return FIRST_RETRY_SECONDS if self._keys is None else RETRY_SECONDS

    def _is_older(self, moment: float, seconds: float) -> bool:
        return not 0 <= self._now() - moment < seconds


def fetching(egress: Callable[[], Egress], trusted: str | None = None) -> Fetch:
    """Fetches by the guarded client. The host of `trusted`, an address that the operator has set, may be a private one;
    None: so it is with whatever is fetched.

    Raises CallFailed, EgressRefused, and ValueError for another answer than 200.
    """

    async def fetch(url: str, max_bytes: int) -> bytes:
        limits = Limits(total=FETCH_SECONDS, max_bytes=max_bytes)
        answer = await egress().trusting(trusted or url).send("GET", url, limits=limits)
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"{url} answers {answer.status_code}")
        return answer.content

    return fetch


def read_key_set(body: bytes) -> dict[str, _VerifyingKey]:
    """Read the usable keys of a JSON Web Key Set by `kid`; a body that is not one is a ValueError."""
    if len(body) > MAX_KEY_SET_BYTES:
        raise ValueError("the key set is too large")
    try:
        entries = msgspec.json.decode(body, type=_KeySet).keys
    except RecursionError as error:
        raise ValueError("not a key set") from error
    keys: dict[str, _VerifyingKey] = {}
    for entry in entries:
        usable = _read_key(entry)
        if usable is not None:
            keys[entry["kid"]] = usable
    return keys


def _read_key(entry: Any) -> _VerifyingKey | None:
    """Read one key; None for kinds and uses that are not for checking our tokens."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    try:
        key, algorithm = _import(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return (key, algorithm) if entry.get("alg", algorithm) == algorithm else None


def _import(entry: dict[str, Any]) -> _VerifyingKey:
    match entry.get("kty"), entry.get("crv"):
        case "RSA", None:
            if int.from_bytes(encoding.decode(entry["n"])).bit_length() < MIN_RSA_BITS:
                raise ValueError("the RSA key is too short")
            return RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")}), "RS256"
        case "EC", "P-256":
            return ECKey.import_key({name: entry[name] for name in ("kty", "crv", "x", "y")}), "ES256"
    raise ValueError("no kind of key that we use")


def is_loopback(url: str) -> bool:
    """Whether its host is this machine by name. Raises ValueError."""
    return urlsplit(url).hostname in _LOOPBACK


def check_provider_url(named: str, url: str, *, near: bool = True) -> None:
    """Raise ConfigurationError unless what is said there can be believed; `named` is what gave the address.
    `near`: it may be on this machine, without TLS.
    """
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (near and parts.scheme == "http" and is_loopback(url))
        is_plain = bool(parts.hostname) and parts.username is None and parts.password is None
    except ValueError:
        is_safe = is_plain = False
    if not (is_safe and is_plain):
        raise ConfigurationError(
            f"{named} must be an https address without a user name; "
            "plain http is for loopback (localhost, 127.0.0.1, [::1]) only"
        )
