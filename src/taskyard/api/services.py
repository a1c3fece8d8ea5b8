"""What the API works with, handed in by whoever wires the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

from taskyard.api.access import MANUAL
from taskyard.api.authenticate import ADMIN_SUBJECT, Authenticator
from taskyard.api.cursors import Cursors
from taskyard.api.ended import EndedSessions
from taskyard.contracts.directory import Directory
from taskyard.engine.engine import Engine
from taskyard.engine.logins import PasswordLogins
from taskyard.engine.orchestrator import Orchestrator
from taskyard.engine.people.persons import as_known
from taskyard.engine.subscriptions import Outside
from taskyard.errors import Unauthorized
from taskyard.executors.integration.calling import Integrations
from taskyard.interface.built import Interface
from taskyard.runtime.watcher import Watcher
from taskyard.security.box import SecretBox
from taskyard.security.caller import Caller
from taskyard.security.egress.client import Egress
from taskyard.security.lease import LeaseSigner
from taskyard.security.links import LinkSigner
from taskyard.security.oidc import OpenIdLogins
from taskyard.security.session import LoginLinks, SessionSigner

LARGE_FACTOR = 16
"""How many times the body limit a bulk request or an upload may have."""


class Credential(NamedTuple):
    """What a caller brought to prove who they are."""

    kind: Literal["bearer", "cookie"]
    value: str


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """The engine and its company. `max_body` in bytes, `session_ttl` in seconds, `now` gives unix seconds.

    `allowed_origins` are the addresses the server answers under, such as `http://localhost:8420`.
    """

    engine: Engine
    outside: Outside
    egress: Callable[[], Egress]
    watcher: Watcher
    directory: Directory
    box: SecretBox
    integrations: Callable[[], Integrations]
    people_elsewhere: bool = False
    """Whether people are kept by a service of the platform, not here."""
    authenticator: Authenticator
    openid: OpenIdLogins | None = None
    """Where people log in besides."""
    public_url: str = ""
    """What stands before the paths where browsers reach us, if that was set."""
    trace_url: str = ""
    """Where a trace is shown, with `{traceId}` in it."""
    leases: LeaseSigner
    sessions: SessionSigner
    login_links: LoginLinks
    links: LinkSigner
    cursors: Cursors
    allowed_origins: frozenset[str]
    version: str
    orchestrators: Mapping[str, Orchestrator] = field(default_factory=dict)
    interface: Interface | None = None
    max_body: int = 1 << 20
    websocket_enabled: bool = True
    buffer_size: int = 1000
    dependencies: Callable[[], dict[str, dict[str, Any]]] = dict
    """How the circuits of what this process calls stand, by name."""
    settings: Callable[[], list[dict[str, Any]]] = list
    """The server's settings as they may be shown, with `name`, `value`, `source` and `help`."""
    session_ttl: float = 8 * 3600.0
    now: Callable[[], float] = time.time
    request_stop: Callable[[str], None] = lambda by: None
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it when the process is to stop: whoever waits or streams is let go."""

    @property
    def max_large_body(self) -> int:
        """Bytes a bulk request or an upload may have."""
        return self.max_body * LARGE_FACTOR

    @cached_property
    def ended(self) -> EndedSessions:
        """The sessions that were logged out."""
        return EndedSessions(self.engine.store, self.now)

    @cached_property
    def passwords(self) -> PasswordLogins | None:
        """Who logs in with a password; None where people are kept elsewhere."""
        return None if self.people_elsewhere else PasswordLogins(self.engine.store, self.now)

    async def identify(self, credential: Credential) -> Caller:
        """Who a credential stands for, with the groups of the credential and those they have here.

        Raises Unauthorized, Overloaded.
        """
        caller = await self._proven(credential)
        if not caller.allows(MANUAL) or caller.subject == ADMIN_SUBJECT:  # the installation's own token is nobody's
            return caller
        return await as_known(self.directory, caller)

    async def _proven(self, credential: Credential) -> Caller:
        if credential.kind == "bearer":
            return await self.authenticator.authenticate(credential.value)
        session = self.sessions.read(credential.value, self.now())
        if session is None or await self.ended.has_ended(credential.value):
            raise Unauthorized("The session has ended; log in again.")
        if session.password:
            if self.passwords is None:
                raise Unauthorized("People no longer log in with a password here.")
            return await self.passwords.caller(session.caller.subject, session.password)
        if session.token:
            return replace(await self.authenticator.authenticate(session.token), is_token=False)
        if not session.token_hash:
            return session.caller
        return replace(await self.authenticator.caller_behind(session.token_hash), is_token=False)
