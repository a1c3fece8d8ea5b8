"""Making tokens on the machine that has the secret or the store."""

from __future__ import annotations

import time
from typing import NamedTuple

from taskyard.api.authenticate import record_of
from taskyard.cli.access import Json
from taskyard.contracts.clock import SystemClock
from taskyard.domain.task import iso
from taskyard.errors import ValidationFailed
from taskyard.security.api_tokens import new_api_token
from taskyard.security.caller import RESERVED_SUBJECTS, SCOPES, Caller
from taskyard.security.tokens import mint
from taskyard.settings import Settings, load
from taskyard.storing import make_store


class Wanted(NamedTuple):
    """Whom a token is to stand for, and for how many seconds."""

    subject: str
    scopes: list[str]
    groups: list[str]
    ttl: float


async def make_token(wanted: Wanted) -> Json:
    """`{token, kind, subject, scopes, groups, expiresAt}`. Raises ValidationFailed, ConfigurationError."""
    unknown = [scope for scope in wanted.scopes if scope not in SCOPES]
    if unknown:
        raise ValidationFailed(f"there is no scope {unknown[0]!r}; the scopes are {', '.join(sorted(SCOPES))}")
    if not wanted.subject or wanted.subject in RESERVED_SUBJECTS:
        raise ValidationFailed(f"the subject {wanted.subject!r} is reserved; name a person or a program")
    settings = load()
    now = time.time()
    signed = bool(settings["TASKYARD_JWT_SECRET"])
    token = _sign(settings, wanted, now) if signed else await _keep(settings, wanted, now)
    return {
        "token": token,
        "kind": "jwt" if signed else "api",
        "subject": wanted.subject,
        "scopes": wanted.scopes,
        "groups": wanted.groups,
        "expiresAt": iso(int((now + wanted.ttl) * 1_000_000)),
    }


def _sign(settings: Settings, wanted: Wanted, now: float) -> str:
    return mint(
        settings["TASKYARD_JWT_SECRET"].encode(),
        wanted.subject,
        wanted.scopes,
        wanted.groups,
        wanted.ttl,
        now,
        issuer=settings["TASKYARD_JWT_ISSUER"] or None,
        audience=settings["TASKYARD_JWT_AUDIENCE"] or None,
    )


async def _keep(settings: Settings, wanted: Wanted, now: float) -> str:
    token = new_api_token()
    caller = Caller(wanted.subject, frozenset(wanted.scopes), frozenset(wanted.groups))
    store = make_store(settings["TASKYARD_DATABASE_URL"], SystemClock(), notify=False)
    if settings["TASKYARD_DATABASE_URL"].startswith("sqlite:"):
        await store.migrate()
    try:
        await store.open()
        await store.save_token(bytes.fromhex(token.hashed), record_of(caller), int((now + wanted.ttl) * 1_000_000))
    finally:
        await store.close()
    return token.shown
