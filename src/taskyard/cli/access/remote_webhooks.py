"""The verbs of webhooks over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.cli.access.contract import Json
from taskyard.cli.access.remote_calls import RemoteCalls
from taskyard.client.talk import API


class RemoteWebhooks(RemoteCalls):
    """The verbs in the JSON of the answers as they are; see the contract."""

    async def subscriptions(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        return await self._get(f"{API}/subscriptions", {"limit": limit, "cursor": cursor})

    async def subscription(self, subscription_id: str) -> Json:
        """See the contract."""
        return await self._client.subscription(subscription_id)

    async def subscribe(self, body: Json) -> Json:
        """See the contract."""
        return await self._client.subscribe(body)

    async def change_subscription(self, subscription_id: str, body: Json) -> Json:
        """See the contract."""
        return await self._client.change_subscription(subscription_id, body)

    async def remove_subscription(self, subscription_id: str) -> None:
        """See the contract."""
        await self._client.remove_subscription(subscription_id)

    async def rotate_subscription(self, subscription_id: str, overlap: float) -> Json:
        """See the contract."""
        return await self._client.rotate_subscription(subscription_id, overlap)

    async def ping_subscription(self, subscription_id: str) -> Json:
        """See the contract."""
        return await self._client.ping_subscription(subscription_id)

    async def deliveries(self, query: Mapping[str, Any]) -> Json:
        """See the contract."""
        texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in query.items()}
        return await self._get(f"{API}/deliveries", texts)

    async def delivery(self, delivery_id: str) -> Json:
        """See the contract."""
        return await self._client.delivery(delivery_id)

    async def redeliver(self, delivery_id: str) -> Json:
        """See the contract."""
        return await self._client.redeliver(delivery_id)

    async def redeliver_all(self, filter_: Json) -> Json:
        """See the contract."""
        return {"count": await self._client.redeliver_all(filter_)}

    async def callback_secret(self) -> Json:
        """See the contract."""
        return {"secret": await self._client.callback_secret()}
