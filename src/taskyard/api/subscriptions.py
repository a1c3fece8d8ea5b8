"""Webhook subscriptions: who is told of what happens."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.deliveries import Delivery, delivery_json
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.contracts.webhooks import SubscriptionRow
from taskyard.domain.json import check
from taskyard.domain.task import Time, iso
from taskyard.domain.webhook import OVERLAP, Endpoint
from taskyard.engine.subscriptions import (
    change_subscription,
    get_subscription,
    is_enabled,
    list_subscriptions,
    rotate,
    subscribe,
    unsubscribe,
)
from taskyard.notify.webhooks.service import ping
from taskyard.security.webhooks import callback_secret

routes = Routes("Webhooks")


class Rotation(schemas.Strict):
    """For how many seconds the secret before goes on signing."""

    overlap: Annotated[float, Meta(ge=0, le=30 * 86_400)] = OVERLAP


class EndpointChange(schemas.Strict):
    """What is to be otherwise; what is left out stays. `clientAuth` is given whole."""

    url: str | None = None
    events: list[str] | None = None
    description: str | None = None
    client_auth: dict[str, Any] | None = None
    signature: str | None = None
    filter: str | None = None
    enabled: bool | None = None
    max_concurrent: int | None = None
    rate_limit: str | None = None


class Subscription(
    Endpoint, frozen=True, rename="camel", omit_defaults=False, forbid_unknown_fields=False, kw_only=True
):
    """A subscription as it stands; `failingSince`: it has taken nothing since then."""

    subscription_id: str
    owner: str
    client_app: str | None
    created_at: Time
    failing_since: Time | None
    last_error: str | None
    disabled_at: Time | None
    disabled_reason: str | None


class NewSubscription(Subscription, frozen=True, rename="camel", kw_only=True):
    """The same with its secret, which is told this once."""

    secret: str


class SubscriptionPage(schemas.Answer):
    """Some subscriptions."""

    items: list[Subscription]
    next_cursor: str | None


class Secret(schemas.Answer):
    """A secret that signs."""

    secret: str


ENDPOINT = Shape[Endpoint](Endpoint)
CHANGE = Shape[EndpointChange](EndpointChange)
ROTATION = Shape[Rotation](Rotation)


@routes.add("GET /api/v1/subscriptions", query=schemas.PAGE_QUERY, answers={200: SubscriptionPage})
async def read_subscriptions(call: Call) -> Response:
    """The caller's subscriptions, by id; an admin's are all."""
    query, cursors = call.query(schemas.PAGE_QUERY), call.services.cursors
    page = await list_subscriptions(
        call.engine, call.caller, query.limit, cursors.read_name("subscriptions", query.cursor)
    )
    return answer_page([subscription_json(row) for row in page.items], cursors.make("subscriptions", page.next))


@routes.add("POST /api/v1/subscriptions", body=ENDPOINT, answers={201: NewSubscription})
async def make_subscription(call: Call) -> Response:
    """Have an address told of what happens from now on; the answer alone shows the secret."""
    row, secret = await subscribe(call.engine, call.services.outside, call.caller, await call.body(ENDPOINT))
    call.audit("webhook subscribed", subscription=row.id, host=_host(row.endpoint.url))
    return answer(subscription_json(row) | {"secret": secret}, 201)


@routes.add("GET /api/v1/subscriptions/{subscriptionId}", answers={200: Subscription})
async def read_subscription(call: Call) -> Response:
    """A subscription, and how its endpoint fares."""
    return answer(subscription_json(await get_subscription(call.engine, call.caller, call.param("subscriptionId"))))


@routes.add("PATCH /api/v1/subscriptions/{subscriptionId}", body=CHANGE, answers={200: Subscription})
async def patch_subscription(call: Call) -> Response:
    """Change some of a subscription; `enabled: true` also takes up again one that was given up."""
    id_ = call.param("subscriptionId")
    await get_subscription(call.engine, call.caller, id_)  # what is not there is told before what is wrong
    given = await call.json()
    CHANGE.parse(given)

    def change(endpoint: Endpoint) -> Endpoint:
        return merge_endpoint(endpoint, given)

    row = await change_subscription(call.engine, call.services.outside, call.caller, id_, change)
    call.audit("webhook changed", subscription=id_, fields=sorted(given))
    return answer(subscription_json(row))


@routes.add("DELETE /api/v1/subscriptions/{subscriptionId}", answers={204: None})
async def delete_subscription(call: Call) -> Response:
    """Forget a subscription; what is on its way to it is dead."""
    id_ = call.param("subscriptionId")
    await unsubscribe(call.engine, call.caller, id_)
    call.audit("webhook unsubscribed", subscription=id_)
    return Response(status_code=204)


@routes.add(
    "POST /api/v1/subscriptions/{subscriptionId}/rotate",
    body=ROTATION,
    body_optional=True,
    answers={200: NewSubscription},
)
async def rotate_secret(call: Call) -> Response:
    """Give it a new secret, shown this once; for a while the one before signs as well."""
    id_ = call.param("subscriptionId")
    await get_subscription(call.engine, call.caller, id_)
    body = await call.body(ROTATION, optional=True)
    row, secret = await rotate(call.engine, call.services.outside, call.caller, id_, body.overlap)
    call.audit("webhook secret rotated", subscription=id_, overlap=body.overlap)
    return answer(subscription_json(row) | {"secret": secret})


@routes.add("POST /api/v1/subscriptions/{subscriptionId}/test", answers={200: Delivery})
async def test_subscription(call: Call) -> Response:
    """Send a `webhook.ping` once, now, also where it is disabled; the delivery tells what came of it."""
    id_ = call.param("subscriptionId")
    row = await ping(call.engine, call.services.outside, call.services.egress(), call.caller, id_)
    return answer(delivery_json(row))


@routes.add("GET /api/v1/callbacks/secret", answers={200: Secret})
async def read_callback_secret(call: Call) -> Response:
    """The secret that signs what the `callbackUrl`s of the caller's tasks are told."""
    return answer({"secret": callback_secret(call.services.outside.callbacks, call.caller.subject)})


def merge_endpoint(endpoint: Endpoint, given: dict[str, Any]) -> Endpoint:
    """The endpoint with these fields otherwise. Raises ValidationFailed."""
    check(given)
    return ENDPOINT.parse({**msgspec.to_builtins(endpoint), **given})


def _host(url: str) -> str:
    """Where it leads; the rest of the address may be as good as a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


def subscription_json(row: SubscriptionRow) -> dict[str, Any]:
    """A subscription as the contract's JSON, every field of it but its secrets."""
    health, auth = row.health, row.endpoint.client_auth
    return {
        "subscriptionId": row.id,
        "owner": row.owner,
        "clientApp": row.app,
        "createdAt": iso(row.created_at),
        **msgspec.to_builtins(row.endpoint),
        "clientAuth": {"type": auth.type, **msgspec.to_builtins(auth)},
        "enabled": is_enabled(row),
        "failingSince": iso(health.failing_since),
        "lastError": health.last_error,
        "disabledAt": iso(health.disabled_at),
        "disabledReason": health.disabled_reason,
    }
