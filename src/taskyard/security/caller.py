"""Who asks: the one value that every authorisation decision looks at."""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.errors import Forbidden

ADMIN = "admin"

SCOPES = frozenset(
    {
        "tasks:read",
        "tasks:write",
        "tasks:execute",
        "tasks:manual",
        "definitions:write",
        "queues:manage",
        "webhooks:manage",
        "connections:manage",
        "service",
        ADMIN,
    }
)
"""Every right there is; a credential that names another one gains nothing by it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    `is_token` tells a bearer credential, which a browser never sends by itself, from a session cookie. `max_open`: how
    many open manual tasks they may have, and `skills` what they can do, as the directory says.
    """

    subject: str
    scopes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    is_token: bool = False
    max_open: int | None = None
    skills: frozenset[str] = frozenset()

    @property
    def is_admin(self) -> bool:
        """Whether the caller may do everything."""
        return ADMIN in self.scopes

    def allows(self, scope: str) -> bool:
        """Whether the caller holds `scope`, by itself or through admin."""
        return self.is_admin or scope in self.scopes

    def require(self, scope: str) -> None:
        """Raise Forbidden, naming `scope`, unless the caller holds it."""
        if not self.allows(scope):
            raise Forbidden(f"This needs the scope {scope!r}; ask for a token that has it.", details={"scope": scope})


SYSTEM = Caller("system", frozenset({ADMIN}))
"""The engine acting by itself: recovery, schedules, deliveries."""

LOCAL = Caller("local", frozenset({ADMIN}))
"""The command line and Python code in the same process, which own the store anyway."""

RESERVED_SUBJECTS = frozenset({SYSTEM.subject, LOCAL.subject})
"""No credential from outside may carry these: the audit trail would lie."""
