"""Who is told of what happens by webhook, and what was sent to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.client.talk import API, JsonObject, Stream, Talk, fetch, given, pages, part


def subscriptions() -> Stream[JsonObject]:
    """The webhook subscriptions, by id."""
    yield from pages(f"{API}/subscriptions")


def subscription(subscription_id: str) -> Talk[JsonObject]:
    """A webhook subscription, and how its endpoint fares. Raises NotFound."""
    answer: JsonObject = yield from fetch("GET", _subscription(subscription_id))
    return answer


def subscribe(subscription: Mapping[str, Any]) -> Talk[JsonObject]:
    """Have an address told of what happens: `{"url": …, "events": ["task.completed"], …}`.

    The answer alone holds its `secret`. Raises ValidationFailed, also for an address that may not be reached.
    """
    answer: JsonObject = yield from fetch("POST", f"{API}/subscriptions", body=dict(subscription))
    return answer


def change_subscription(subscription_id: str, change: Mapping[str, Any]) -> Talk[JsonObject]:
    """Change the fields that are given, such as `{"enabled": False}`. Raises NotFound, ValidationFailed."""
    path = _subscription(subscription_id)
    answer: JsonObject = yield from fetch("PATCH", path, body=dict(change), repeatable=True)
    return answer


def remove_subscription(subscription_id: str) -> Talk[None]:
    """Forget a subscription. Raises NotFound."""
    yield from fetch("DELETE", _subscription(subscription_id))


def rotate_subscription(subscription_id: str, overlap: float | None = None) -> Talk[JsonObject]:
    """Give a subscription a new `secret`; the one before signs beside it for `overlap` seconds. Raises NotFound."""
    path = f"{_subscription(subscription_id)}/rotate"
    answer: JsonObject = yield from fetch("POST", path, body=given(overlap=overlap))
    return answer


def ping_subscription(subscription_id: str) -> Talk[JsonObject]:
    """Send a subscription a `webhook.ping`, once; the delivery tells what came of it. Raises NotFound."""
    answer: JsonObject = yield from fetch("POST", f"{_subscription(subscription_id)}/test", waits=30)
    return answer


def deliveries(subscription_id: str | None = None, status: str | None = None) -> Stream[JsonObject]:
    """The deliveries to webhooks, newest first; of one subscription, or in one state such as `DEAD`."""
    yield from pages(f"{API}/deliveries", given(subscription_id=subscription_id, status=status))


def delivery(delivery_id: str) -> Talk[JsonObject]:
    """A delivery with its `payload` and all tries. Raises NotFound."""
    answer: JsonObject = yield from fetch("GET", f"{API}/deliveries/{part(delivery_id)}")
    return answer


def redeliver(delivery_id: str) -> Talk[JsonObject]:
    """Send a delivery again, now. Raises NotFound, Conflict."""
    answer: JsonObject = yield from fetch("POST", f"{API}/deliveries/{part(delivery_id)}/redeliver")
    return answer


def redeliver_all(filter: Mapping[str, Any]) -> Talk[int]:  # noqa: A002 - the public name
    """Send all deliveries again that fit a filter such as `{"status": ["DEAD"]}` and are over; how many."""
    return int((yield from fetch("POST", f"{API}/deliveries/redeliver", body={"filter": dict(filter)}))["count"])


def callback_secret() -> Talk[str]:
    """The secret that signs what the `callbackUrl`s of one's tasks are told."""
    return str((yield from fetch("GET", f"{API}/callbacks/secret"))["secret"])


def _subscription(subscription_id: str) -> str:
    return f"{API}/subscriptions/{part(subscription_id)}"
