"""The auth service: who a token stands for. What it has said holds for a while, and for longer while it is away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from taskyard.domain.retry import RetryPolicy
from taskyard.errors import CallFailed, CircuitOpen, EgressRefused, Overloaded, Unauthorized
from taskyard.security.caller import RESERVED_SUBJECTS, SCOPES, Caller
from taskyard.services.service import Service, object_of

PATH: Final = "/api/auth/validate-token"
POLICY: Final = RetryPolicy(max_retries=5, initial_delay=0.2, max_delay=60.0)
_FRESH = 30.0
_KEPT = 300.0
_MOST_REMEMBERED = 10_000
_RETRY_AFTER = 5.0

log = structlog.get_logger("taskyard.auth")


class AuthService:
    """Validates tokens there; `now` gives seconds.

    It is sent `{"token"}` and answers `{"valid", "subject", "scopes", "groups"}`; `sub`, and a `scope` of words as in
    JSON Web Tokens, will do as well.
    """

    def __init__(self, service: Service, now: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._now = now
        self._known: dict[bytes, tuple[Caller, float]] = {}

    async def verify(self, token: str) -> Caller:
        """The caller. Raises Unauthorized; Overloaded when the service is away and has not said so lately."""
        key = hashlib.sha256(token.encode()).digest()
        caller, at = self._known.get(key, (None, 0.0))
        if caller is not None and self._now() < at + _FRESH:
            return caller
        try:
            found = await self._ask(token)
        except (CallFailed, CircuitOpen, EgressRefused) as error:
            if caller is not None and self._now() < at + _KEPT:
                log.warning("the auth service is away; what it said before holds", reason=error.message)
                return caller
            raise Overloaded("The auth service cannot be asked now; try again.", retry_after=_RETRY_AFTER) from error
        if found is None:
            self._known.pop(key, None)
            raise Unauthorized("The auth service does not accept the token.")
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = (found, self._now())
        return found

    async def _ask(self, token: str) -> Caller | None:
        answer = await self._service.post(PATH, {"token": token})
        if answer.status_code in (401, 403, 404, 422):
            return None
        if answer.status_code != 200:
            raise CallFailed(f"the auth service answered {answer.status_code}", reason="status", retryable=False)
        return _caller(object_of(answer))


def _caller(told: dict[str, Any]) -> Caller | None:
    subject = told.get("subject") or told.get("sub")
    if told.get("valid") is not True or not isinstance(subject, str) or subject in RESERVED_SUBJECTS:
        return None
    scopes = told.get("scopes", told.get("scope", ()))
    named = scopes.split() if isinstance(scopes, str) else scopes if isinstance(scopes, list) else ()
    groups = told.get("groups") if isinstance(told.get("groups"), list) else []
    return Caller(
        subject,
        SCOPES.intersection(one for one in named if isinstance(one, str)),
        frozenset(one for one in groups or () if isinstance(one, str)),
        is_token=True,
    )
