"""Lines: what the dispatcher knows of each endpoint while it sends to it."""

from __future__ import annotations

import time
from collections.abc import Iterable

import structlog

from taskyard.contracts.webhooks import DeliveryRow, SubscriptionRow
from taskyard.domain.rate import Bucket, parse_rate
from taskyard.domain.retry import RetryPolicy
from taskyard.domain.webhook import ClientAuth, Health
from taskyard.engine.deliveries import is_callback
from taskyard.engine.engine import Engine
from taskyard.engine.subscriptions import Outside, Secrets, is_enabled, open_secrets
from taskyard.errors import ConfigurationError
from taskyard.notify.webhooks.credentials import Credentials
from taskyard.notify.webhooks.sender import Signing
from taskyard.security.egress.client import Egress
from taskyard.security.webhooks import callback_secret

_CALLBACK_SIZE = 8
_FRESH = 0.5
_REST = 60.0
_PATIENCE = 8
"""How many failures in a row are taken for bad luck."""
_PACE = RetryPolicy(initial_delay=0.05, max_delay=1.0, jitter=0.0)

log = structlog.get_logger("taskyard.webhooks")


class Line:
    """One endpoint, of a subscription or (without a row) where callbacks go; `flying` are under way to it, the latest
    was begun `used_at`, and the latest that ended `took` so many seconds.
    """

    def __init__(self, name: str, credentials: Credentials, row: SubscriptionRow | None = None) -> None:
        self.name = name
        self.flying = 0
        self.took = 0.0
        self.used_at = time.monotonic()
        self.held_until = 0
        self._failures = 0
        self._bucket = Bucket()
        self.become(credentials, row)

    def become(self, credentials: Credentials, row: SubscriptionRow | None) -> None:
        """Be as its owner wants it now."""
        self.credentials = credentials
        self.row = row
        self.health = Health() if row is None else row.health
        rate = None if row is None else row.endpoint.rate_limit
        self._rate = None if rate is None else parse_rate(rate)

    @property
    def size(self) -> int:
        """How many deliveries may be under way at once."""
        return _CALLBACK_SIZE if self.row is None else self.row.endpoint.max_concurrent

    @property
    def is_failing(self) -> bool:
        """Whether nothing has arrived since something failed."""
        return self.health.failing_since is not None

    def tokens(self, now: int) -> int:
        """How many its rate lets pass now."""
        return self.size if self._rate is None else self._rate.free(self._bucket, now)

    def begin(self, now: int) -> None:
        """One more is under way."""
        self.flying += 1
        self.used_at = time.monotonic()
        if self._rate is not None:
            self._bucket = self._rate.take(self._bucket, now, 1)

    def hold(self, until: int | None) -> None:
        """Leave it alone until then (microseconds)."""
        self.held_until = max(self.held_until, until or 0)

    def heed(self, now: int, *, taken: bool) -> None:
        """Ask one that fails again and again less and less often: what that costs is taken from the others."""
        self._failures = 0 if taken else self._failures + 1
        if self._failures > _PATIENCE:
            self.hold(now + int(_PACE.delay(self._failures - _PATIENCE, 0.5) * 1_000_000))


class Lines:
    """All endpoints that are sent to; what their owners change is seen within half a second."""

    def __init__(self, engine: Engine, outside: Outside, egress: Egress) -> None:
        self._engine = engine
        self._outside = outside
        self._egress = egress
        self._lines: dict[str, Line] = {}
        self._enabled: dict[str, SubscriptionRow] = {}
        self._seen_at = 0.0
        self._old: list[Credentials] = []

    @property
    def flying_to_failing(self) -> int:
        """How many deliveries are under way to endpoints that fail."""
        return sum(line.flying for line in self._lines.values() if line.is_failing)

    async def of(self, names: Iterable[str], now: int, *, fresh: bool) -> list[Line]:
        """The lines of those endpoints that may be told anything.

        `fresh`: as they are this moment, else as of half a second ago at the most.
        """
        if fresh or time.monotonic() - self._seen_at > _FRESH:
            self._enabled = {row.id: row for row in await self._engine.store.enabled_subscriptions()}
            self._seen_at = time.monotonic()
            await self._rest(now)
        return [line for name in names if (line := self._line(name))]

    def __getitem__(self, name: str) -> Line:
        return self._lines[name]

    def signing(self, row: DeliveryRow, now: int) -> Signing:
        """With what a delivery is signed. Raises ConfigurationError where its secrets cannot be opened."""
        subscription = self._lines[row.endpoint].row
        if subscription is None:
            return Signing([callback_secret(self._outside.callbacks, row.owner)], both=True)
        secrets = open_secrets(self._outside.box, subscription)
        return Signing(secrets.signing_at(now), subscription.endpoint.signature == "both")

    async def aclose(self) -> None:
        """Let go of connections."""
        for credentials in [*self._old, *(line.credentials for line in self._lines.values())]:
            await credentials.aclose()
        self._lines.clear()
        self._old.clear()

    async def _rest(self, now: int) -> None:
        """Let go of the connections to who has not been told anything for a while, and of those nobody uses now."""
        before = time.monotonic() - _REST
        resting = [line for line in self._lines.values() if line.flying == 0 and line.used_at < before]
        for line in resting:
            self._old.append(line.credentials)
            if line.held_until <= now:
                del self._lines[line.name]
        unused = [credentials for credentials in self._old if not credentials.users]
        self._old = [credentials for credentials in self._old if credentials.users]
        for credentials in unused:
            await credentials.aclose()

    def _line(self, name: str) -> Line | None:
        line = self._lines.get(name)
        if is_callback(name):
            if line is None:
                line = self._lines[name] = Line(name, Credentials(ClientAuth(), self._egress, _CALLBACK_SIZE))
            return line
        row = self._enabled.get(name)
        if row is None or not is_enabled(row):
            return None
        if line is None or line.row is None or line.row.revision != row.revision:
            line = self._renew(name, line, row)
        return None if line is None or line.health.disabled_at is not None else line

    def _renew(self, name: str, line: Line | None, row: SubscriptionRow) -> Line | None:
        try:
            secrets: Secrets = open_secrets(self._outside.box, row)
        except ConfigurationError as error:
            log.warning("a webhook endpoint cannot be told anything", subscription=row.id, reason=error.message)
            return None
        credentials = Credentials(secrets.auth, self._egress, row.endpoint.max_concurrent)
        if line is None:
            self._lines[name] = Line(name, credentials, row)
        else:
            self._old.append(line.credentials)
            line.become(credentials, row)
        return self._lines[name]
