"""Webhooks in the store: who wants to be told, and what is on its way to them.

Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from taskyard.domain.webhook import Endpoint, Health, Status


class SubscriptionRow(NamedTuple):
    """A webhook endpoint as it is stored. It wants events after the position `since` of the feed.

    `secrets` are sealed. `revision` changes with every change by its owner; 0 is that of one not stored yet.
    `health` is the sender's to change. `app`: the key of the client app it was made with.
    """

    id: str
    owner: str
    created_at: int
    since: int
    endpoint: Endpoint
    secrets: bytes
    health: Health
    app: str | None = None
    revision: int = 0


class ClientApp(NamedTuple):
    """A program that subscribes with a key and a secret of its own; the secret is sealed."""

    key: str
    name: str
    owner: str
    created_at: int
    secret: bytes


class WebhookMark(NamedTuple):
    """Up to which position of the feed deliveries are planned, and from where callbacks are (None: never asked for)."""

    pos: int
    callbacks_since: int | None


class DeliveryRow(NamedTuple):
    """One event on its way to one endpoint: a subscription's id, or where a task's `callbackUrl` leads.

    Deliveries to an endpoint about one task go in the order of `pos`. `next_at` None: over, or behind another one.
    `url` is that of a callback; `log` the tries as JSON, `tries` those since it was last begun.
    """

    id: int
    endpoint: str
    owner: str
    task_id: int
    pos: int
    event: str
    event_id: str
    body: bytes
    url: str | None = None
    status: Status = Status.PENDING
    tries: int = 0
    next_at: int | None = None
    log: bytes = b"[]"


class DeliveryChange(NamedTuple):
    """What a try has made of a delivery; one that is over and not `kept` is forgotten."""

    id: int
    status: Status
    tries: int
    next_at: int | None
    log: bytes
    kept: bool = True


class DeliveryFilter(NamedTuple):
    """Which deliveries are meant; None means any. `since` and `before` in microseconds, of their making."""

    owner: str | None = None
    endpoint: str | None = None
    status: frozenset[Status] | None = None
    task_id: int | None = None
    event: str | None = None
    since: int | None = None
    before: int | None = None


def owner_reader(subscription_id: str) -> str:
    """The reader whose position is the moment of the last giving up of an endpoint that its owner was told of."""
    return f"endpoint {subscription_id}"


class Subscriptions(Protocol):
    """Who wants to be told, and the client apps that may say so."""

    async def save_subscription(self, row: SubscriptionRow) -> bool:
        """Store an endpoint if it still has the revision it was read with, its health as given; False where not, and
        for a new one of a client app that there is no more.
        """

    async def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """One endpoint; None where there is none."""

    async def subscriptions(self, owner: str | None, limit: int, after: str) -> list[SubscriptionRow]:
        """An owner's endpoints, or all, whose ids come after (above) this one, by id."""

    async def enabled_subscriptions(self) -> list[SubscriptionRow]:
        """All that are to be told of what happens."""

    async def given_up_subscriptions(self) -> list[SubscriptionRow]:
        """All that were disabled for how they fare, by id."""

    async def save_health(self, subscription_id: str, health: Health) -> None:
        """Keep how an endpoint fares; one that has been `disabled_at` some time is no longer told anything."""

    async def remove_subscription(self, subscription_id: str) -> bool:
        """Forget an endpoint and its `owner_reader`; what is on its way to it is dead. False where there is none."""

    async def save_client_app(self, app: ClientApp, before: bytes | None = None) -> bool:
        """Keep a new client app, or (`before`) give the one with its key this secret in place of that; False where its
        secret is another, or it is gone.
        """

    async def client_app(self, key: str) -> ClientApp | None:
        """One client app; None where there is none."""

    async def client_apps(self, owner: str | None, limit: int, after: str) -> list[ClientApp]:
        """An owner's client apps, or all, whose keys come after (above) this one, by key."""

    async def remove_client_app(self, key: str) -> bool:
        """Forget a client app and its subscriptions. False where there is none."""


class Deliveries(Protocol):
    """Events on their way to endpoints."""

    async def webhook_mark(self) -> WebhookMark:
        """How far deliveries are planned."""

    async def want_callbacks(self) -> None:
        """From now on tasks may have a `callbackUrl`. Once is enough for ever."""

    async def plan_deliveries(self, deliveries: Sequence[DeliveryRow], mark: int, pos: int) -> bool:
        """Store the deliveries and let the mark move to `pos`, if it stands at `mark`; else nothing, and False.

        Each is due at once, unless another is open for its endpoint and task: then when those before it are over.
        """

    async def plan_idle(self, deliveries: Sequence[DeliveryRow]) -> list[int]:
        """Store those for whose endpoint and task no other is open, each due at once; their ids."""

    async def add_delivery(self, delivery: DeliveryRow) -> None:
        """Store a delivery as it is given, beside the others."""

    async def waiting_endpoints(self) -> list[str]:
        """The endpoints that have a delivery due now."""

    async def due_deliveries(self, wanted: Sequence[tuple[str, int]]) -> list[DeliveryRow]:
        """For each (endpoint, how many) the first that are due now."""

    async def settle_deliveries(self, changes: Sequence[DeliveryChange]) -> None:
        """Keep what tries have made of deliveries; what waited behind those that are over becomes due."""

    async def delivery(self, delivery_id: int) -> DeliveryRow | None:
        """One delivery; None where there is none."""

    async def deliveries(self, wanted: DeliveryFilter, limit: int, after: int | None) -> list[DeliveryRow]:
        """Those that fit, newest first, whose ids come after (below) this one."""

    async def redeliver(self, delivery_ids: Sequence[int]) -> int:
        """Begin deliveries that are over anew, at once, their log kept; how many."""

    async def prune_deliveries(self, before: int, limit: int) -> int:
        """Forget up to so many deliveries that are over and were made before that moment; how many."""


class Webhooks(Subscriptions, Deliveries, Protocol):
    """Both."""
