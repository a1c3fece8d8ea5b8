"""Webhooks as the running process has them: plan, dispatch, and forget what is old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from taskyard.contracts.webhooks import DeliveryRow
from taskyard.domain.webhook import SCHEDULE, judge
from taskyard.engine.deliveries import draft_ping
from taskyard.engine.engine import Engine
from taskyard.engine.progress import EVERY
from taskyard.engine.subscriptions import Outside, get_subscription, open_secrets
from taskyard.notify.webhooks.credentials import Credentials
from taskyard.notify.webhooks.dispatcher import Dispatcher
from taskyard.notify.webhooks.lines import Lines
from taskyard.notify.webhooks.planner import Planner
from taskyard.notify.webhooks.sender import Signing, attempt
from taskyard.security.caller import Caller
from taskyard.security.egress.client import Egress

_PRUNED_AT_ONCE = 1000
_REST = 0.2
_DAY_US = 86_400 * 1_000_000


class Webhooks:
    """What one process does for all endpoints of the installation. Where there are none it reads nothing, and makes
    neither a client nor keys.
    """

    def __init__(self, engine: Engine, outside: Callable[[], Outside], egress: Callable[[], Egress]) -> None:
        self._engine = engine
        self._outside = outside
        self._egress = egress
        self._planner = Planner(engine)
        self._dispatcher: Dispatcher | None = None
        self._progress_at = 0.0

    async def turn(self) -> None:
        """Plan what is new and send what is due; during maintenance it waits."""
        if await self._engine.mode.is_on():
            return
        planned = False
        while await self._planner.plan():
            planned = True
            await self._send()
        if time.monotonic() >= self._progress_at:
            self._progress_at = time.monotonic() + EVERY
            await self._planner.plan_progress()
        if not planned and not await self._send():
            await asyncio.sleep(_REST)

    async def prune(self, retention_days: float) -> None:
        """Forget deliveries that are over and older than that."""
        before = await self._engine.store.now() - int(retention_days * _DAY_US)
        while await self._engine.store.prune_deliveries(before, _PRUNED_AT_ONCE):
            pass

    async def stop(self) -> None:
        """Begin nothing more."""
        if self._dispatcher is not None:
            await self._dispatcher.stop()

    async def _send(self) -> bool:
        """Whether anything was begun, or is under way."""
        if self._dispatcher is None:
            if not await self._engine.store.waiting_endpoints():
                return False
            self._dispatcher = Dispatcher(self._engine, Lines(self._engine, self._outside(), self._egress()))
        return bool(await self._dispatcher.look()) or not self._dispatcher.is_idle


async def ping(engine: Engine, outside: Outside, egress: Egress, caller: Caller, subscription_id: str) -> DeliveryRow:
    """Send an endpoint a `webhook.ping` once, now, even while it is disabled; the delivery. Raises NotFound."""
    row = await get_subscription(engine, caller, subscription_id)
    secrets = open_secrets(outside.box, row)
    credentials = Credentials(secrets.auth, egress, 1)
    now = await engine.store.now()
    delivery = draft_ping(engine, row, now)
    signing = Signing(secrets.signing_at(now), row.endpoint.signature == "both")
    try:
        tried = await attempt(delivery, row.endpoint.url, signing, credentials, now)
    finally:
        await credentials.aclose()
    verdict = judge(len(SCHEDULE), tried.heard, now)
    delivery = delivery._replace(status=verdict.status, tries=1, log=msgspec.json.encode([tried.entry]))
    await engine.store.add_delivery(delivery)
    return delivery
