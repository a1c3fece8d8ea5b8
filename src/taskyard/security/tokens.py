"""Signed tokens (HS256), made and checked with a shared secret."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from joserfc import jwt as jose
from joserfc.jwk import OctKey

from taskyard.errors import ConfigurationError, ValidationFailed
from taskyard.security.caller import RESERVED_SUBJECTS, SCOPES, Caller
from taskyard.security.jwt import (
    MAX_TOKEN_BYTES,
    Expectation,
    caller_of,
    is_name,
    read_claims,
    read_header,
    refuse,
)

ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32


class JwtVerifier:
    """Accepts tokens signed with HS256 and one secret of at least 32 bytes.

    `now` returns unix seconds. A weak or misplaced secret is a ConfigurationError.
    """

    def __init__(
        self,
        secret: bytes,
        issuer: str | None = None,
        audience: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._key = _signing_key(secret)
        self._expectation = Expectation(issuer, audience)
        self._now = now

    def verify(self, token: str) -> Caller:
        """Return the caller that the token proves; raise Unauthorized for every other token."""
        if read_header(token).alg != ALGORITHM:
            refuse(f"it is not signed with {ALGORITHM}")
        claims = read_claims(token, self._key, ALGORITHM)
        self._expectation.check(claims, self._now())
        return caller_of(claims)


def mint(
    secret: bytes,
    subject: str,
    scopes: Iterable[str],
    groups: Iterable[str],
    ttl_seconds: float,
    now: float,
    *,
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """Make a token that a `JwtVerifier` with this secret accepts until `now` (unix seconds) + `ttl_seconds`.

    An unknown scope, an impossible name or too many groups are ValidationFailed, a weak secret is
    ConfigurationError.
    """
    key, scopes, groups = _signing_key(secret), sorted(set(scopes)), sorted(set(groups))
    _check_request(subject, scopes, groups, ttl_seconds)
    claims: dict[str, object] = {
        "sub": subject,
        "scope": " ".join(scopes),
        "groups": groups,
        "iat": int(now),
        "exp": int(now + ttl_seconds),
    }
    if issuer is not None:
        claims["iss"] = issuer
    if audience is not None:
        claims["aud"] = audience
    token = jose.encode({"alg": ALGORITHM}, claims, key, algorithms=[ALGORITHM])
    if len(token) > MAX_TOKEN_BYTES:
        raise ValidationFailed(f"The token would be longer than {MAX_TOKEN_BYTES} bytes; name fewer groups.")
    return token


def _signing_key(secret: bytes) -> OctKey:
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigurationError(
            f"TASKYARD_JWT_SECRET has {len(secret)} bytes and needs at least {MIN_SECRET_BYTES}; "
            "make one with: openssl rand -base64 48"
        )
    try:
        return OctKey.import_key(secret)
    except ValueError as error:
        raise ConfigurationError(
            "TASKYARD_JWT_SECRET holds a public key or certificate, which is no secret; "
            "use TASKYARD_JWKS_URL for tokens signed by an identity provider"
        ) from error


def _check_request(subject: str, scopes: list[str], groups: list[str], ttl_seconds: float) -> None:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise ValidationFailed(f"There is no scope {unknown[0]!r}; the scopes are {', '.join(sorted(SCOPES))}.")
    if subject in RESERVED_SUBJECTS or not all(is_name(name) for name in [subject, *groups]):
        raise ValidationFailed("A subject or group must be 1 to 255 printable characters and not reserved.")
    if ttl_seconds < 1:
        raise ValidationFailed("A token must live for at least one second.")
