"""Deliveries: what was sent to webhook endpoints, and having it sent again."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import msgspec

from taskyard.contracts.webhooks import DeliveryFilter, DeliveryRow, SubscriptionRow
from taskyard.domain.event import SOURCE
from taskyard.domain.task import iso
from taskyard.domain.webhook import CALLBACK, PING, Status
from taskyard.engine.engine import Engine
from taskyard.engine.subscriptions import is_enabled, owner_of
from taskyard.errors import Conflict, NotFound
from taskyard.security.caller import Caller

_AT_ONCE = 1000
_OVER = frozenset({Status.DELIVERED, Status.DEAD})


class DeliveryPage(NamedTuple):
    """Some deliveries, newest first, and the id after which the next page begins (None: there is none)."""

    items: list[DeliveryRow]
    next: int | None


async def list_deliveries(
    engine: Engine, caller: Caller, wanted: DeliveryFilter, limit: int, after: int | None
) -> DeliveryPage:
    """A page of the deliveries to the caller's endpoints; an admin's are all."""
    rows = await engine.store.deliveries(_own(caller, wanted), limit + 1, after)
    return DeliveryPage(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


async def get_delivery(engine: Engine, caller: Caller, delivery_id: int) -> DeliveryRow:
    """One of them. Raises NotFound."""
    row = await engine.store.delivery(delivery_id)
    if row is None or owner_of(caller) not in (None, row.owner):
        raise NotFound(f"there is no delivery {delivery_id}; `taskyard webhooks deliveries` lists yours")
    return row


async def redeliver(engine: Engine, caller: Caller, delivery_id: int) -> DeliveryRow:
    """Send one again, now. Raises NotFound, Conflict while it is on its way or its endpoint is disabled."""
    row = await get_delivery(engine, caller, delivery_id)
    await _check_endpoint(engine, row.endpoint)
    if not await engine.store.redeliver([delivery_id]):
        raise Conflict(f"delivery {delivery_id} is on its way; it is tried again at its time")
    return await get_delivery(engine, caller, delivery_id)


async def redeliver_all(engine: Engine, caller: Caller, wanted: DeliveryFilter) -> int:
    """Send all again that fit and are over, now; how many. Raises Conflict when the endpoint named is disabled.

    Those to endpoints that are disabled are left as they are.
    """
    if wanted.endpoint is not None:
        await _check_endpoint(engine, wanted.endpoint)
    wanted = _own(caller, wanted._replace(status=(wanted.status or _OVER) & _OVER))
    asleep: dict[str, bool] = {}
    begun, after = 0, None
    while rows := await engine.store.deliveries(wanted, _AT_ONCE, after):
        for name in {row.endpoint for row in rows} - asleep.keys():
            asleep[name] = not await _may_be_told(engine, name)
        begun += await engine.store.redeliver([row.id for row in rows if not asleep[row.endpoint]])
        after = rows[-1].id
    return begun


def draft_ping(engine: Engine, row: SubscriptionRow, now: int) -> DeliveryRow:
    """A delivery that says nothing but that we are here."""
    id_, event_id = engine.store.new_ids(1)[0], str(uuid.uuid4())
    envelope = {
        "type": PING,
        "id": event_id,
        "timestamp": iso(now),
        "data": {"subscriptionId": row.id},
        "metadata": {"correlationId": event_id, "source": SOURCE},
    }
    return DeliveryRow(id_, row.id, row.owner, 0, 0, PING, event_id, msgspec.json.encode(envelope))


def tries_of(row: DeliveryRow) -> list[dict[str, Any]]:
    """The log of a delivery's tries, oldest first."""
    return list(msgspec.json.decode(row.log))


def is_callback(endpoint: str) -> bool:
    """Whether it is the place of callbacks rather than a subscription's id."""
    return endpoint.startswith(CALLBACK)


def _own(caller: Caller, wanted: DeliveryFilter) -> DeliveryFilter:
    owner = owner_of(caller)
    return wanted if owner is None else wanted._replace(owner=owner)


async def _may_be_told(engine: Engine, endpoint: str) -> bool:
    if is_callback(endpoint):
        return True
    row = await engine.store.subscription(endpoint)
    return row is not None and is_enabled(row)


async def _check_endpoint(engine: Engine, endpoint: str) -> None:
    if not await _may_be_told(engine, endpoint):
        raise Conflict(f"the subscription {endpoint!r} is disabled or gone; enable it first")
