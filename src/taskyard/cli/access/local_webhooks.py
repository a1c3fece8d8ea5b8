"""The verbs of webhooks on the store itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.app import App
from taskyard.cli.access.contract import Json
from taskyard.engine import deliveries, subscriptions
from taskyard.errors import ValidationFailed
from taskyard.security.caller import LOCAL
from taskyard.security.webhooks import callback_secret


class LocalWebhooks:
    """The verbs on an open app; see the contract."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def subscriptions(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        from taskyard.api.subscriptions import subscription_json

        page = await subscriptions.list_subscriptions(self._app.engine, LOCAL, limit, cursor)
        return {"items": [subscription_json(row) for row in page.items], "nextCursor": page.next}

    async def subscription(self, subscription_id: str) -> Json:
        """See the contract."""
        from taskyard.api.subscriptions import subscription_json

        return subscription_json(await subscriptions.get_subscription(self._app.engine, LOCAL, subscription_id))

    async def subscribe(self, body: Json) -> Json:
        """See the contract."""
        from taskyard.api.subscriptions import ENDPOINT, subscription_json

        app = self._app
        row, secret = await subscriptions.subscribe(app.engine, app.outside, LOCAL, ENDPOINT.parse(body))
        return subscription_json(row) | {"secret": secret}

    async def change_subscription(self, subscription_id: str, body: Json) -> Json:
        """See the contract."""
        from taskyard.api.subscriptions import merge_endpoint, subscription_json

        row = await subscriptions.change_subscription(
            self._app.engine, self._app.outside, LOCAL, subscription_id, lambda old: merge_endpoint(old, body)
        )
        return subscription_json(row)

    async def remove_subscription(self, subscription_id: str) -> None:
        """See the contract."""
        await subscriptions.unsubscribe(self._app.engine, LOCAL, subscription_id)

    async def rotate_subscription(self, subscription_id: str, overlap: float) -> Json:
        """See the contract."""
        from taskyard.api.subscriptions import subscription_json

        app = self._app
        row, secret = await subscriptions.rotate(app.engine, app.outside, LOCAL, subscription_id, overlap)
        return subscription_json(row) | {"secret": secret}

    async def ping_subscription(self, subscription_id: str) -> Json:
        """See the contract."""
        from taskyard.api.deliveries import delivery_json
        from taskyard.notify.webhooks.service import ping

        app = self._app
        return delivery_json(await ping(app.engine, app.outside, app.egress, LOCAL, subscription_id))

    async def deliveries(self, query: Mapping[str, Any]) -> Json:
        """See the contract."""
        from taskyard.api.deliveries import DELIVERY_QUERY, delivery_json, filter_of

        wanted = DELIVERY_QUERY.parse(dict(query))
        if wanted.cursor is not None and not wanted.cursor.isdecimal():
            raise ValidationFailed("this is no cursor of this list; begin without one")
        after = None if wanted.cursor is None else int(wanted.cursor)
        page = await deliveries.list_deliveries(self._app.engine, LOCAL, filter_of(wanted), wanted.limit, after)
        next_ = None if page.next is None else str(page.next)
        return {"items": [delivery_json(row) for row in page.items], "nextCursor": next_}

    async def delivery(self, delivery_id: str) -> Json:
        """See the contract."""
        import msgspec

        from taskyard.api.deliveries import delivery_id_of, delivery_json

        row = await deliveries.get_delivery(self._app.engine, LOCAL, delivery_id_of(delivery_id))
        return delivery_json(row) | {"payload": msgspec.json.decode(row.body)}

    async def redeliver(self, delivery_id: str) -> Json:
        """See the contract."""
        from taskyard.api.deliveries import delivery_id_of, delivery_json

        return delivery_json(await deliveries.redeliver(self._app.engine, LOCAL, delivery_id_of(delivery_id)))

    async def redeliver_all(self, filter_: Json) -> Json:
        """See the contract."""
        from taskyard.api.deliveries import REDELIVERY, filter_of

        wanted = filter_of(REDELIVERY.parse({"filter": filter_}).filter)
        return {"count": await deliveries.redeliver_all(self._app.engine, LOCAL, wanted)}

    async def callback_secret(self) -> Json:
        """See the contract."""
        return {"secret": callback_secret(self._app.outside.callbacks, LOCAL.subject)}
