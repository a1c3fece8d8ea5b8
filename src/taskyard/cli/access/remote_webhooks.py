"""The verbs of webhooks over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.cli.access.contract import Json
from taskyard.client import AsyncTaskyardClient
from taskyard.client.talk import API, fetch


class RemoteWebhooks:
    """The verbs in the JSON of the answers as they are; see the contract."""

    def __init__(self, client: AsyncTaskyardClient) -> None:
        self._client = client

    async def subscriptions(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        query = {"limit": limit, "cursor": cursor}
        answer: Json = await self._client.carry_out(fetch("GET", f"{API}/subscriptions", query=query))
        return answer

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
        answer: Json = await self._client.carry_out(fetch("GET", f"{API}/deliveries", query=texts))
        return answer

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
