"""Webhook deliveries: what was sent, what came of it, and sending it again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.contracts.webhooks import DeliveryFilter, DeliveryRow
from taskyard.domain.ids import made_at, parse_id
from taskyard.domain.task import Time, iso
from taskyard.domain.webhook import Status
from taskyard.engine.deliveries import (
    get_delivery,
    is_callback,
    list_deliveries,
    redeliver,
    redeliver_all,
    tries_of,
)
from taskyard.errors import NotFound

routes = Routes("Webhooks")

StatusName = Literal["PENDING", "RETRYING", "DELIVERED", "DEAD"]


class DeliveryChoice(schemas.Strict):
    """Which deliveries are meant; `event` is a routing key, the times those of their making."""

    subscription_id: str | None = None
    status: list[StatusName] | None = None
    task_id: schemas.TaskId | None = None
    event: str | None = None
    created_after: Time | None = None
    created_before: Time | None = None


class DeliveryQuery(DeliveryChoice):
    """The same, and which page of the list."""

    limit: schemas.Limit = 50
    cursor: schemas.Cursor | None = None


class Redelivery(schemas.Strict):
    """Which deliveries to send again; those on their way, and those to disabled endpoints, are left alone."""

    filter: DeliveryChoice


class Delivery(schemas.Answer):
    """An event on its way to an endpoint; `subscriptionId` is null for a callback. `attempts`, oldest first, are
    `{at, status, latencyMs, error, request, response}`.
    """

    delivery_id: str
    subscription_id: str | None
    url: str | None
    task_id: str | None
    event: str
    event_id: str
    status: StatusName
    attempts: list[dict[str, Any]]
    next_attempt_at: Time | None
    created_at: Time


class DeliveryDetails(Delivery):
    """The same with what is sent."""

    payload: Any


class DeliveryPage(schemas.Answer):
    """Some deliveries."""

    items: list[Delivery]
    next_cursor: str | None


class Redelivered(schemas.Answer):
    """How many deliveries begin anew."""

    count: int


DELIVERY_QUERY = Shape[DeliveryQuery](DeliveryQuery)
REDELIVERY = Shape[Redelivery](Redelivery)


@routes.add("GET /api/v1/deliveries", query=DELIVERY_QUERY, answers={200: DeliveryPage})
async def read_deliveries(call: Call) -> Response:
    """The deliveries to the caller's endpoints, newest first; an admin's are all."""
    query, cursors = call.query(DELIVERY_QUERY), call.services.cursors
    after = cursors.read_number("deliveries", query.cursor)
    page = await list_deliveries(call.engine, call.caller, filter_of(query), query.limit, after)
    return answer_page([delivery_json(row) for row in page.items], cursors.make("deliveries", page.next))


@routes.add("GET /api/v1/deliveries/{deliveryId}", answers={200: DeliveryDetails})
async def read_delivery(call: Call) -> Response:
    """A delivery with what is sent and all tries."""
    row = await get_delivery(call.engine, call.caller, delivery_id_of(call.param("deliveryId")))
    return answer(delivery_json(row) | {"payload": msgspec.Raw(row.body)})


@routes.add("POST /api/v1/deliveries/{deliveryId}/redeliver", answers={202: Delivery})
async def redeliver_one(call: Call) -> Response:
    """Send a delivery again, now."""
    row = await redeliver(call.engine, call.caller, delivery_id_of(call.param("deliveryId")))
    call.audit("delivery begun anew", delivery=row.id)
    return answer(delivery_json(row), 202)


@routes.add("POST /api/v1/deliveries/redeliver", body=REDELIVERY, answers={202: Redelivered})
async def redeliver_many(call: Call) -> Response:
    """Send all deliveries again that fit a filter and are over."""
    body = await call.body(REDELIVERY)
    count = await redeliver_all(call.engine, call.caller, filter_of(body.filter))
    call.audit("deliveries begun anew", count=count)
    return answer({"count": count}, 202)


def filter_of(choice: DeliveryChoice) -> DeliveryFilter:
    """The choice as the store reads it."""
    return DeliveryFilter(
        endpoint=choice.subscription_id,
        status=None if choice.status is None else frozenset(Status[name] for name in choice.status),
        task_id=None if choice.task_id is None else parse_id(choice.task_id) or 0,
        event=choice.event,
        since=_microseconds(choice.created_after),
        before=_microseconds(choice.created_before),
    )


def delivery_id_of(text: str) -> int:
    """The id in `text`. Raises NotFound when it cannot be one."""
    number = parse_id(text)
    if number is None:
        raise NotFound(f"there is no delivery {text[:40]!r}")
    return number


def delivery_json(row: DeliveryRow) -> dict[str, Any]:
    """A delivery as the contract's JSON."""
    return {
        "deliveryId": str(row.id),
        "subscriptionId": None if is_callback(row.endpoint) else row.endpoint,
        "url": row.url,
        "taskId": str(row.task_id) if row.task_id else None,
        "event": row.event,
        "eventId": row.event_id,
        "status": row.status.name,
        "attempts": tries_of(row),
        "nextAttemptAt": iso(row.next_at),
        "createdAt": iso(made_at(row.id)),
    }


def _microseconds(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp()) * 1_000_000 + when.microsecond
