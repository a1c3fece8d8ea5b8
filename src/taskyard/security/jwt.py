"""The parts of a JSON Web Token: strict reading before the signature counts, and what its claims must say.

Every function here raises `Unauthorized` and nothing else, whatever the token.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from taskyard.errors import Unauthorized
from taskyard.security import encoding
from taskyard.security.caller import RESERVED_SUBJECTS, SCOPES, Caller

MAX_TOKEN_BYTES = 8 * 1024
MAX_NAME_CHARACTERS = 255
CLOCK_SKEW = 5.0
"""Seconds that an issuer's clock may run ahead of ours before its `nbf` keeps a token out."""

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The harmless header names; any other one (jwk, jku, x5u, crit, b64, zip, enc …) refuses the token."""

    alg: str
    typ: str = "JWT"
    kid: str | None = None
    x5t: str | None = None
    x5t_s256: str | None = msgspec.field(name="x5t#S256", default=None)


class Claims(msgspec.Struct, frozen=True):
    """The claims that are read; times are unix seconds."""

    sub: str
    exp: int | float
    nbf: int | float | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    scope: str = ""
    groups: list[str] = []


class Dated(Protocol):
    """What every token says: by whom, for whom, and when."""

    @property
    def exp(self) -> int | float:
        """When it ends."""

    @property
    def nbf(self) -> int | float | None:
        """When it begins to hold."""

    @property
    def iss(self) -> str | None:
        """Who issued it."""

    @property
    def aud(self) -> str | list[str] | None:
        """Whom it is for."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Who must have issued a token, and for whom.

    Without an `issuer` whoever holds the key may issue; without an `audience` a token must not name one.
    """

    issuer: str | None
    audience: str | None

    def check(self, claims: Dated, now: float) -> None:
        """Raise Unauthorized unless the claims hold at `now` (unix seconds)."""
        if now >= claims.exp:
            refuse("it has expired; get a new one")
        if claims.nbf is not None and now + CLOCK_SKEW < claims.nbf:
            refuse("it is not valid yet")
        if self.issuer is not None and claims.iss != self.issuer:
            refuse("its issuer is not the expected one")
        if not self._is_meant_for_us(claims.aud):
            refuse("its audience is not the expected one")

    def _is_meant_for_us(self, audience: str | list[str] | None) -> bool:
        if audience is None:
            return self.audience is None
        named = [audience] if isinstance(audience, str) else audience
        return self.audience in named


def read_header(token: str) -> Header:
    """Read a compact token's header, trusting nothing but its shape."""
    if len(token) > MAX_TOKEN_BYTES:
        refuse(f"it is longer than {MAX_TOKEN_BYTES} bytes")
    try:
        header = msgspec.convert(_read_json(encoding.decode(token.partition(".")[0])), Header)
    except ValueError:
        refuse("it is not a signed JSON Web Token with a plain header")
    if header.typ.lower() not in _TYPES:
        refuse("it is a token for something else")
    return header


def read_payload(token: str, key: Key, algorithm: str) -> Any:
    """Check the signature with the one `algorithm` that `key` is for, then read what is signed: any JSON value."""
    try:
        signed = jws.deserialize_compact(token, key, algorithms=[algorithm])
    except (JoseError, ValueError):
        refuse("its signature does not match")
    try:
        return _read_json(signed.payload)
    except ValueError:
        refuse("its claims are no JSON")


def read_claims(token: str, key: Key, algorithm: str) -> Claims:
    """Check the signature, then read the claims."""
    payload = read_payload(token, key, algorithm)
    try:
        return msgspec.convert(payload, Claims)
    except ValueError:
        refuse("its claims are not acceptable: sub and a numeric exp are required, groups is a list of strings")


def caller_of(claims: Claims) -> Caller:
    """Turn checked claims into a caller; scopes that do not exist are left out."""
    if claims.sub in RESERVED_SUBJECTS:
        refuse(f"the subject {claims.sub!r} is reserved")
    if not all(is_name(name) for name in [claims.sub, *claims.groups]):
        refuse("a subject or group is empty, too long or has unprintable characters")
    scopes = SCOPES.intersection(claims.scope.split(" "))
    return Caller(claims.sub, scopes, frozenset(claims.groups), is_token=True)


def is_name(text: str) -> bool:
    """Whether `text` can name a person or group: it will stand in audit trails, tables and terminals."""
    return 0 < len(text) <= MAX_NAME_CHARACTERS and text.isprintable()


def refuse(reason: str) -> NoReturn:
    """Raise the error that every refused token ends in."""
    raise Unauthorized(f"The token is not accepted: {reason}.") from None


def _read_json(data: bytes) -> Any:
    """Parse JSON in which no name comes twice and every number is finite."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name comes twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
